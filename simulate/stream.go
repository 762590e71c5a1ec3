package simulate

import (
	"math"
	"math/rand/v2"
	"sync"
)

// farmWide stands for "all turbines" in a stream's name.
const farmWide = -1

// tables are the two functions that would cost too much per sample.
type tables struct {
	cos    [1 << cosBits]float32    // one turn
	normal [1 << normalBits]float32 // quantiles of N(0, 1) at (i+½)/2^16
}

const (
	cosBits    = 13
	normalBits = 16
)

// sharedTables is read-only once it is made.
var sharedTables = sync.OnceValue(newTables)

func newTables() *tables {
	t := &tables{}
	for i := range t.cos {
		t.cos[i] = float32(math.Cos(2 * math.Pi * float64(i) / float64(len(t.cos))))
	}
	for i := range t.normal {
		u := (float64(i) + 0.5) / float64(len(t.normal))
		t.normal[i] = float32(math.Sqrt2 * math.Erfinv(2*u-1))
	}
	return t
}

// stream is a source of random numbers with a name of its own.
type stream struct {
	pcg  rand.PCG
	bits uint64
	left int
	tab  *tables
}

// newStream seeds a PCG with a hash of the run's seed, the turbine, the signal
// and the instant (or record), so that any of them can be had without the others.
func newStream(tab *tables, seed uint64, turbine int, signal string, instant int64) stream {
	s := stream{tab: tab}
	h := key(seed, turbine, signal)
	s.pcg.Seed(mix(h, uint64(instant)), mix(h+1, uint64(instant)))
	return s
}

// key hashes the constant part of a stream's name (FNV-1a, then SplitMix64).
func key(seed uint64, turbine int, signal string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(signal) {
		h = (h ^ uint64(signal[i])) * 1099511628211
	}
	return mix(mix(seed, h), uint64(int64(turbine)))
}

// mix is the finaliser of SplitMix64 (Steele et al. 2014) over a and b.
func mix(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + b + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// normal is one draw from N(0, 1), cut at ±4.3.
func (s *stream) normal() float64 {
	if s.left == 0 {
		s.bits, s.left = s.pcg.Uint64(), 4
	}
	x := s.tab.normal[uint16(s.bits)]
	s.bits >>= 16
	s.left--
	return float64(x)
}

// uniform is one draw from [0, 1).
func (s *stream) uniform() float64 { return float64(s.pcg.Uint64()>>11) / (1 << 53) }

// innovation is N(0, 1) for step k of the process with that key: the sum of
// four table draws, halved.
func (t *tables) innovation(process uint64, k int64) float64 {
	var p rand.PCG
	p.Seed(process, mix(process, uint64(k)))
	b := p.Uint64()
	return (float64(t.normal[uint16(b)]) + float64(t.normal[uint16(b>>16)]) +
		float64(t.normal[uint16(b>>32)]) + float64(t.normal[b>>48])) / 2
}
