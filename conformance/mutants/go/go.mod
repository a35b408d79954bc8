module skidbladnir.dev/mutants

go 1.25.0
