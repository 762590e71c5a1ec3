package onnx

// Started is told the process ID of each child.
func (p *Prover) Started(f func(pid int)) { p.started = f }

// Confine is what a child does to itself.
func Confine(lim Limits) ([]string, error) {
	return confine(Limits{Memory: max(lim.Memory, 1<<30), CPU: max(lim.CPU, 20e9)})
}
