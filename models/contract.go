package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/asset"
)

// Parse reads what an ONNX file says of itself without running anything of it.
// The error is a *ContractError that names everything that is wrong; the
// contract then holds what could be read.
func Parse(file []byte) (Contract, error) {
	sum := sha256.Sum256(file)
	g, err := readGraph(file)
	if err != nil {
		f := Finding{"file", "is " + err.Error() + ", or was cut off", "copy or export it again"}
		switch {
		case len(file) == 0:
			f.What = "is empty"
		case errors.Is(err, errDeep):
			f.What, f.Fix = "has "+err.Error(), "export without nested If, Loop and Scan"
		}
		return Contract{}, &ContractError{Unsafe: true, Findings: []Finding{f}}
	}
	r := reader{props: g.props}
	c := r.contract()
	c.Digest = hex.EncodeToString(sum[:])
	g.check(&c)
	err = Refuse(append(g.found, r.found...)...)
	if bad, ok := errors.AsType[*ContractError](err); ok {
		bad.Unsafe = g.unsafe
	}
	return c, err
}

// Columns is how wide a row is that the graph reads: with a mask, each feature
// has a second column.
func (c Contract) Columns() int {
	if c.Mask {
		return 2 * len(c.Features)
	}
	return len(c.Features)
}

// Flat says that the graph reads a sequence as one row of time × columns values.
func (c Contract) Flat() bool { return len(c.Dims) == 2 }

// Fits says whether the flow can feed the model: produced are the features it
// makes, periodS the period at which it cuts sequences (0 means any).
func (c Contract) Fits(produced []Input, periodS float64) error {
	have := make(map[string]Input, len(produced))
	for _, p := range produced {
		have[p.Name] = p
	}
	var wrong []Finding
	for _, f := range c.Features {
		p, ok := have[f.Name]
		where := fmt.Sprintf("feature %q", f.Name)
		switch {
		case !ok:
			wrong = append(wrong, Finding{where, fmt.Sprintf("is not produced for class %q", c.Class), ""})
		case canonical(p.Unit) != canonical(f.Unit):
			wrong = append(wrong, Finding{where, fmt.Sprintf("is in %q, the model wants %q", p.Unit, f.Unit), ""})
		case p.Agg != "" && aggOf(p) != aggOf(f):
			wrong = append(wrong, Finding{where, fmt.Sprintf("is aggregated by %q, the model wants %q", p.Agg, f.Agg), ""})
		}
	}
	if periodS > 0 && math.Abs(c.PeriodS-periodS) > 0.01*periodS {
		wrong = append(wrong, Finding{"sampling period", fmt.Sprintf("is %g s, the model wants %g s (1 %% allowed)", periodS, c.PeriodS), ""})
	}
	return Refuse(wrong...)
}

// canonical is the unit as the flow spells it; an unknown one stays as it is.
func canonical(unit string) string {
	if _, u, ok := asset.Convert(0, unit); ok {
		return u
	}
	return unit
}

func aggOf(in Input) string {
	if in.Agg == "" {
		return "last"
	}
	return in.Agg
}
