package dsp

// Path names the passes that run on this machine in this build.
func Path() string {
	if vector {
		return "avx2"
	}
	return "portable"
}
