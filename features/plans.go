package features

import "github.com/telltale-iot/telltale/dsp"

// transforms holds the plans of the lengths seen so far.
type transforms[T dsp.Float] struct {
	real map[int]*dsp.Real[T]
	full map[int]*dsp.Complex[T]
}

func newTransforms[T dsp.Float]() transforms[T] {
	return transforms[T]{map[int]*dsp.Real[T]{}, map[int]*dsp.Complex[T]{}}
}

// maxTransforms bounds what a source of ever new lengths can make a shard keep.
const maxTransforms = 64

func (t *transforms[T]) ofReal(n int) *dsp.Real[T] { return kept(t.real, n, dsp.NewReal[T]) }

func (t *transforms[T]) ofComplex(n int) *dsp.Complex[T] { return kept(t.full, n, dsp.NewComplex[T]) }

// kept is the plan of a length, made when it is first asked for.
func kept[P any](plans map[int]*P, n int, plan func(int) *P) *P {
	p := plans[n]
	if p == nil {
		if len(plans) >= maxTransforms {
			clear(plans)
		}
		p = plan(n)
		plans[n] = p
	}
	return p
}

// Workspace is the memory that the extractors of one goroutine share: plans and
// buffers by size, nothing of any asset.
type Workspace struct {
	single *analysis[float32]
	double *analysis[float64] // made when Exact is first asked for
	slab   []float64          // of the values of coming vectors
	draft  draft
	input  input
	groups groupRoom
	wide   []float64 // samples of a tacho
}

// NewWorkspace makes an empty one.
func NewWorkspace() *Workspace {
	return &Workspace{single: newAnalysis[float32](), groups: newGroupRoom()}
}

// slabValues is how many values are allocated at once.
const slabValues = 8192

// values hands out room for n values, which from then on is the caller's.
func (s *Workspace) values(n int) []float64 {
	if len(s.slab) < n {
		s.slab = make([]float64, max(n, slabValues))
	}
	v := s.slab[:n:n]
	s.slab = s.slab[n:]
	return v
}
