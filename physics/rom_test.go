package physics

import (
	"errors"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestReferenceDMD(t *testing.T) {
	r := readReference(t, "dmd")
	for _, c := range r.Cases {
		var in struct {
			X    [][]float64
			DT   float64
			Rank int
		}
		var out struct {
			Freq []float64 `json:"freq_hz"`
			Zeta []float64
			Abs  []float64 `json:"eig_abs_sorted"`
		}
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		x := mat.NewDense(len(in.X), len(in.X[0]), slices.Concat(in.X...))
		m, err := NewROM(x, ROMOptions{Method: "dmd", DtS: in.DT, Rank: in.Rank, MaxZeta: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Modes) != len(out.Freq) {
			t.Fatalf("%s: %d modes, want %d: %+v", c.ID, len(m.Modes), len(out.Freq), m)
		}
		var abs []float64
		for i, mode := range m.Modes {
			r.check(t, c.ID+" f", mode.Hz, &out.Freq[i])
			r.check(t, c.ID+" ζ", mode.Zeta, &out.Zeta[i])
			abs = append(abs, mode.Abs, mode.Abs)
		}
		slices.Sort(abs)
		for i, got := range abs {
			r.check(t, c.ID+" |λ|", got, &out.Abs[i])
		}
	}
}

// swinging are n snapshots of two damped vibrations at several places, with noise.
func swinging(rows, n int, dt, noise float64, zetas ...float64) *mat.Dense {
	r := rand.New(rand.NewPCG(7, uint64(rows)))
	x := mat.NewDense(rows, n, nil)
	for i := range rows {
		u := float64(i+1) / float64(rows)
		for j := range n {
			at := float64(j) * dt
			v := noise * r.NormFloat64()
			for k, z := range zetas {
				w := 2 * math.Pi * []float64{0.7, 1.9}[k]
				v += math.Pow(u, float64(k+1)) * math.Exp(-z*w*at) * math.Cos(w*math.Sqrt(1-z*z)*at+u*float64(k))
			}
			x.Set(i, j, v)
		}
	}
	return x
}

func TestEveryMethodFindsTheModes(t *testing.T) {
	for name, tc := range map[string]struct {
		o     ROMOptions
		noise float64
		rows  int
	}{
		"dmd":                {ROMOptions{Method: "dmd", Energy: 0.99999, Delays: 4}, 0, 8},
		"pod":                {ROMOptions{Method: "pod", Energy: 0.99999, Delays: 4}, 0, 8},
		"era":                {ROMOptions{Method: "era"}, 0, 8},
		"era of noise":       {ROMOptions{Method: "era"}, 0.01, 8},
		"era of one sensor":  {ROMOptions{Method: "era"}, 0.001, 1},
		"era of many places": {ROMOptions{Method: "era"}, 0.001, 500},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.DtS = 0.05
			m, err := NewROM(swinging(tc.rows, 400, 0.05, tc.noise, 0.01, 0.02), tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Modes) != 2 || math.Abs(m.Modes[0].Hz/0.7-1) > 0.005 || math.Abs(m.Modes[1].Hz/1.9-1) > 0.005 ||
				math.Abs(m.Modes[0].Zeta-0.01) > 0.002 || math.Abs(m.Modes[1].Zeta-0.02) > 0.004 {
				t.Errorf("modes %+v, rejected %+v", m.Modes, m.Rejected)
			}
			if !(m.Error < 0.01+20*tc.noise) || !(m.Energy > 0.9) || m.MaxAbs > 1 {
				t.Errorf("error %g, energy %g, |λ| %g", m.Error, m.Energy, m.MaxAbs)
			}
			sum := 0.0
			for _, mode := range slices.Concat(m.Modes, m.Rejected) {
				sum += mode.Energy
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Errorf("the modes' energies sum to %g", sum)
			}
		})
	}
}

// TestROMIsMadeStable gives a motion that grows: its mode is rejected, A is brought to |λ| ≤ 1,
// and the other mode stays as it was.
func TestROMIsMadeStable(t *testing.T) {
	for _, method := range []string{"dmd", "era", "pod"} {
		m, err := NewROM(swinging(8, 300, 0.05, 0, -0.01, 0.02), ROMOptions{Method: method, DtS: 0.05, Rank: 4, Delays: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Modes) != 1 || len(m.Rejected) != 1 || !strings.Contains(m.Rejected[0].Why, "grows") || !m.Projected || !(m.MaxAbs > 1) {
			t.Fatalf("%s: %+v", method, m)
		}
		var eigen mat.Eigen
		a := mat.NewDense(m.Rank, m.Rank, m.A)
		if !eigen.Factorize(a, mat.EigenNone) {
			t.Fatal("no eigenvalues")
		}
		kept := false
		for _, z := range eigen.Values(nil) {
			if cmplx.Abs(z) > 1+1e-12 {
				t.Errorf("%s: |λ| = %.15g after projection", method, cmplx.Abs(z))
			}
			kept = kept || math.Abs(cmplx.Abs(z)-m.Modes[0].Abs) < 1e-6
		}
		if !kept {
			t.Errorf("%s: the stable mode was moved", method)
		}
	}
}

func TestROMRejectsWhatIsNoMode(t *testing.T) {
	x := swinging(8, 300, 0.05, 0, 0.01, 0.02)
	for i := range 8 {
		for j := range 300 {
			at := float64(j) * 0.05
			x.Set(i, j, x.At(i, j)+float64(i%3)*math.Exp(-0.4*at)+math.Pow(float64(i), 3)/300*math.Exp(-0.35*2*math.Pi*at)*math.Cos(2*math.Pi*at))
		}
	}
	m, err := NewROM(x, ROMOptions{DtS: 0.05, Rank: 7, Delays: 2})
	if err != nil || len(m.Modes) != 2 || len(m.Rejected) != 2 {
		t.Fatalf("%v: %+v", err, m)
	}
	if a, b := m.Rejected[0].Why, m.Rejected[1].Why; a != "does not swing" || !strings.HasPrefix(b, "damped") {
		t.Errorf("rejected because %q and %q", a, b)
	}
}

func TestROMRefuses(t *testing.T) {
	good := swinging(4, 50, 0.05, 0, 0.01, 0.02)
	with := func(v float64) *mat.Dense { x := mat.DenseCopyOf(good); x.Set(1, 2, v); return x }
	for name, tc := range map[string]struct {
		x *mat.Dense
		o ROMOptions
	}{
		"NaN": {with(math.NaN()), ROMOptions{DtS: 1}}, "Inf": {with(math.Inf(1)), ROMOptions{DtS: 1}},
		"zero": {mat.NewDense(3, 9, nil), ROMOptions{DtS: 1}}, "no dt": {good, ROMOptions{}},
		"method": {good, ROMOptions{DtS: 1, Method: "fem"}}, "short": {mat.NewDense(3, 2, make([]float64, 6)), ROMOptions{DtS: 1}},
		"rank": {good, ROMOptions{DtS: 1, Rank: 5}}, "energy": {good, ROMOptions{DtS: 1, Energy: 2}}, "delays": {good, ROMOptions{DtS: 1, Delays: 48}},
	} {
		if _, err := NewROM(tc.x, tc.o); !errors.Is(err, ErrROM) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, v := range []float64{1e300, 5e-324} {
		x := mat.DenseCopyOf(good)
		x.Scale(v, x)
		if m, err := NewROM(x, ROMOptions{DtS: 1}); err == nil && (math.IsNaN(m.Error) || m.Rank < 1) {
			t.Errorf("times %g: %+v", v, m)
		}
	}
}

func TestMatrixMarket(t *testing.T) {
	const head = "%%MatrixMarket matrix "
	for text, want := range map[string][]float64{
		head + "array real general\n% a note\n2 3\n1\n2\n3\n4\n5\n6e0\n":      {1, 3, 5, 2, 4, 6},
		head + "array integer symmetric\n2 2\n1\n2\n3\n":                      {1, 2, 2, 3},
		head + "array real skew-symmetric\n2 2\n7\n":                          {0, -7, 7, 0},
		head + "coordinate real general\n2 2 2\n1 2 5\n2 1 -1\n":              {0, 5, -1, 0},
		head + "coordinate real symmetric\n2 2 2\n1 1 4\n\n2 1 -1\n":          {4, -1, -1, 0},
		"%%matrixmarket MATRIX coordinate double symmetric\n2 2 1\n2 2 0.5\n": {0, 0, 0, 0.5},
	} {
		m, err := ReadMatrixMarket(strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := m.RawMatrix().Data; !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                 "nothing",
		"hello\n":                          "line 1",
		head + "array complex general\n":   "field",
		head + "array real hermitian\n":    "symmetry",
		head + "array real general\n2 2\n": "0 of 4",
		head + "array real general\n9999999 9999999\n":                           "too many",
		head + "array real symmetric\n2 3\n":                                     "square",
		head + "array real general\n1 1\n1\n2\n":                                 "more than",
		head + "array real general\n1 1\nNaN\n":                                  "no number",
		head + "coordinate real general\n2 2 1\n3 1 1\n":                         "line 3: place",
		head + "coordinate real symmetric\n2 2 1\n1 2 1\n":                       "lower",
		head + "coordinate real general\n2 2 -1\n":                               "size",
		head + "coordinate real general\n2 2 1\n1 1\n":                           "cells",
		head + "array real general\n0 2\n":                                       "size",
		head + "array real general\n" + strings.Repeat("1 ", 1<<20) + "\n1 1\n1": "token too long",
	} {
		if _, err := ReadMatrixMarket(strings.NewReader(text)); !errors.Is(err, ErrMatrix) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func FuzzMatrixMarket(f *testing.F) {
	f.Add("%%MatrixMarket matrix array real general\n2 1\n1\n2\n")
	f.Add("%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n2 1 -1\n")
	f.Add("%%MatrixMarket matrix array real skew-symmetric\n1 1\n1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := ReadMatrixMarket(strings.NewReader(text)); err == nil {
			for _, v := range m.RawMatrix().Data {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%v of %q", v, text)
				}
			}
		}
	})
}
