//go:build !race

package onnx_test

const raceOn = false
