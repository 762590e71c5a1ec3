package dsp

// MostRanked values can be ranked by RankedPair.
const MostRanked = 64

// RankedPair is the j-th and the k-th smallest of at most MostRanked values, counted
// from 0, without a branch that depends on them: of few values in a new order each
// time, wrong guesses would cost more than comparing all with all. ok is false where
// that can't be done; x stays as it is.
func RankedPair[T Float](x []T, j, k int) (a, b T, ok bool) {
	f, vectors := single(x)
	if !vectors || len(x) == 0 || len(x) > MostRanked || min(j, k) < 0 || max(j, k) >= len(x) {
		return 0, 0, false
	}
	p, q := rankedVector(f, j, k)
	return T(p), T(q), true
}
