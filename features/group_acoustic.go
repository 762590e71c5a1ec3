package features

// AcousticOptions configure it.
type AcousticOptions struct{}

type acousticGroup struct{}

func newAcousticGroup(unit string, o AcousticOptions) *acousticGroup { return &acousticGroup{} }

func (g *acousticGroup) fields(l *layout) []Field { return nil }

func (g *acousticGroup) put(d *draft, in *input) {}
