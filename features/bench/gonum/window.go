package main

// window is the given one of the windows that every program measures on;
// README.md gives the formula.
func window(n int, number uint32) []int16 {
	s := 12345 + number*7919
	next := func() uint32 {
		s = s*1664525 + 1013904223
		return s
	}
	shaft, gear, strike := next(), next(), next()
	every, ring := perSample(168340), perSample(5200000)
	out := make([]int16, n)
	for i := range out {
		v := int32(100 - 382)
		for range 3 {
			v += int32(next() >> 24)
		}
		v += wave(shaft)>>4 + wave(2*shaft)>>5 + wave(3*shaft)>>6 + wave(gear)>>5
		if since := strike / every; since < 64 {
			v += wave(since*ring) * int32(8+number%8) >> (5 + since/8)
		}
		out[i] = int16(v)
		shaft, gear, strike = shaft+perSample(30000), gear+perSample(1234500), strike+every
	}
	return out
}

func perSample(millihertz uint64) uint32 { return uint32(millihertz << 32 / 25600000) }

// wave is a sine made of parabolas, ±8192, of a phase that 2³² turns once.
func wave(phase uint32) int32 {
	t := int32(int16(phase >> 16))
	return t * (32768 - max(t, -t)) >> 15
}
