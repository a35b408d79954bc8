module skidbladnir.dev/load/server

go 1.25.0
