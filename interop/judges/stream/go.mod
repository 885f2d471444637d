module interop/stream

go 1.26.7
