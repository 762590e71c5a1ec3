//go:build !(goexperiment.simd && amd64)

package dsp

// Without vector passes nothing below is called: single never holds.
const vector = false

func passVector(_, _, _, _, _, _ []float32, _, _, _ int) bool { return false }

func pairsVector(_, _, _, _ []float32, _ int) bool { return false }

func unpackVector(_, _, _, _, _, _ []float32, _ int) int { return 1 }

func deinterleaveVector(_, _, _ []float32) int { return 0 }

func levelsVector([]float32) Levels { return Levels{} }

func levelsOfCountsVector([]int16) (lo, hi int16, sum int64, same, next int) { return }

func atVector([]int16, int16, int16) (na, nb, next int) { return }

func centreVector(_ *Sums, _, _, _ []float32, _, _, _ float32) int { return 0 }

func centreCountsVector(_ *Sums, _, _ []float32, _ []int16, _ float64, _ float32) int { return 0 }

func densityVector(_, _, _ []float32) int { return 1 }

func (s *Shape) vector(_ []float32, k int) int { return k }

func (l *Logs) vector(_ []float32, k int, _ float32, _ float64) int { return k }

func rankedVector([]float32, int, int) (a, b float32) { return }

func sumVector([]float32) (float64, int) { return 0, 0 }

func dotVector(_, _ []float32) (float64, int) { return 0, 0 }

func envelopeVector(_, _, _, _ []float32) (mean, fourth float64, i int) { return }

func amplitudesVector(_, _, _ []float32, _ bool, _ float32) int { return 1 }

func addPowerVector(_, _ []float32, _ float32) int { return 0 }
