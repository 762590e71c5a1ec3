package features

// resize is s with n entries, of which what they hold is of no meaning.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
