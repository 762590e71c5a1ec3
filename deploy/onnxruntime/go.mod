// This module exists only to pin, by checksum, the ONNX Runtime library that
// ./fetch copies beside the binary. Nothing imports it: its Go package would
// link other libraries that are not wanted.
module github.com/telltale-iot/telltale/deploy/onnxruntime

go 1.26.0

require github.com/k2-fsa/sherpa-onnx-go-linux v1.13.4
