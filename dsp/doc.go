// Package dsp holds the passes over samples that decide how fast features are:
// real and complex transforms in float32, and statistics, densities and
// logarithms around them. It knows nothing of assets, channels or units.
//
// Every pass has a portable form in Go and, in a build with GOEXPERIMENT=simd on
// amd64, one for AVX2 and FMA that is chosen when the processor has both. The two
// agree within a few units of float32's last place of the largest value; they do
// not agree bit by bit, since they add in different order. Complex numbers are
// kept split: one slice of real parts, one of imaginary parts.
//
// A plan holds tables and scratch for one length. It belongs to one goroutine.
package dsp
