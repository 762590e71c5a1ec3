package features

// ModalOptions configure it.
type ModalOptions struct{}

type modalGroup struct{}

func newModalGroup(o ModalOptions) *modalGroup { return &modalGroup{} }

func (g *modalGroup) fields(l *layout) []Field { return nil }

func (g *modalGroup) put(d *draft, in *input) {}
