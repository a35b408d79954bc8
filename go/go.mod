module skidbladnir.dev/skidbladnir

go 1.25.0
