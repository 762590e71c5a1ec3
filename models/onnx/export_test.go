package onnx

// Started is told the process ID of each child.
func (p *Prover) Started(f func(pid int)) { p.started = f }
