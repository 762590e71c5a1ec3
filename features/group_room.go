package features

// groupRoom is the memory in which groups work: plans by length, and buffers of one
// window at a time. It is the workspace's; a group keeps only what it carries from
// window to window.
type groupRoom struct {
	welch    *welcher[float64]
	currents map[int]*CurrentAnalyser
	track    tracker
	hits     []Hit     // of the window
	piece    []float64 // of a window, in µV
	inverse  []float64 // 1/k² for the velocity
	peaks    []float64 // a density without the rotor's lines
	near     []float64 // bins about a mesh
	average  []float64 // over the turns of a shaft
	orders   []float64 // density over orders
	shown    []float64 // amplitudes
	swing    []float64 // of a structure, about zero
	decay    DecayFitter
}

func newGroupRoom() groupRoom {
	plans := newTransforms[float64]()
	return groupRoom{welch: &welcher[float64]{transforms: &plans}, currents: map[int]*CurrentAnalyser{}}
}

// mostCurrents bounds the lengths of current windows that plans are kept for.
const mostCurrents = 16

// current is the analyser of windows of n samples.
func (r *groupRoom) current(n int) *CurrentAnalyser {
	c := r.currents[n]
	if c == nil {
		if len(r.currents) >= mostCurrents {
			clear(r.currents)
		}
		c = &CurrentAnalyser{}
		r.currents[n] = c
	}
	return c
}
