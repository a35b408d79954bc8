module skidbladnir.dev/load

go 1.25.0

require skidbladnir.dev/skidbladnir v0.0.0

require github.com/HdrHistogram/hdrhistogram-go v1.4.0

replace skidbladnir.dev/skidbladnir => ../
