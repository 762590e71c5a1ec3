package features

// CurrentOptions configure it.
type CurrentOptions struct{}

type currentGroup struct{}

func newCurrentGroup(o CurrentOptions) *currentGroup { return &currentGroup{} }

func (g *currentGroup) fields(l *layout) []Field { return nil }

func (g *currentGroup) put(d *draft, in *input) {}
