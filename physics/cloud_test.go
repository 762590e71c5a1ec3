package physics

import (
	"math"
	"testing"
)

// line is a cloud of n points (i, 2i) with the weights given.
func line(weights []float64) cloud {
	c := cloud{d: 3}
	for i, w := range weights {
		c.x = append(c.x, float64(i), 2*float64(i), math.Log(w))
	}
	return c
}

func TestCloudWeights(t *testing.T) {
	for name, tc := range map[string]struct {
		weights []float64
		ess     float64
	}{
		"equal":       {[]float64{1, 1, 1, 1}, 4},
		"one":         {[]float64{0, 1, 0, 0}, 1},
		"two of four": {[]float64{1e-300, 5, 5, 1e-300}, 2},
		"underflow":   {[]float64{1e-308, 1e-308, 1e-308}, 3},
	} {
		w, ess := line(tc.weights).weights()
		var sum float64
		for _, v := range w {
			sum += v
		}
		if math.Abs(sum-1) > 1e-12 || math.Abs(ess-tc.ess) > 1e-9 {
			t.Errorf("%s: sum %v, worth %v, want %v", name, sum, ess, tc.ess)
		}
	}
}

// TestCloudResamples holds systematic resampling to its promise: a point of weight w
// comes ⌊nw⌋ or ⌈nw⌉ times, whatever the draw.
func TestCloudResamples(t *testing.T) {
	weights := []float64{0.05, 0.4, 0.25, 0.3, 0, 0, 0, 0}
	for _, u := range []float64{1e-9, 0.3, 0.999999} {
		c := line(weights)
		w, _ := c.weights()
		c.resample(w, u)
		count := make([]float64, len(weights))
		for i := range c.len() {
			count[int(c.row(i)[0])]++
			if c.row(i)[1] != 2*c.row(i)[0] || c.row(i)[2] != 0 {
				t.Fatalf("row %v", c.row(i))
			}
		}
		for i, k := range count {
			if n := 8 * weights[i]; k < math.Floor(n) || k > math.Ceil(n) {
				t.Errorf("u %v: point %d came %v times, want %v", u, i, k, n)
			}
		}
	}
}

// TestCloudRoughens holds that copies part and that the correlation stays.
func TestCloudRoughens(t *testing.T) {
	const n = 2000
	c, equal := cloud{d: 3}, make([]float64, n)
	for i := range n {
		u, v := even(i % (n / 4)) // four copies of each
		p, q := normalQuantile(u), normalQuantile(v)
		c.x = append(c.x, 0.4*p, 0.1*(-0.95*p+math.Sqrt(1-0.95*0.95)*q), 0)
		equal[i] = 1.0 / n
	}
	_, _, aa, ab, bb := c.moments(equal, 0, 1)
	c.roughen(0, 1, func(i int) (u, v float64) { return uniform(1, uint64(2*i)), uniform(1, uint64(2*i+1)) })
	_, _, a2, ab2, b2 := c.moments(equal, 0, 1)
	if math.Abs(ab2/math.Sqrt(a2*b2)-ab/math.Sqrt(aa*bb)) > 0.005 || a2 > 1.01*aa || a2 < 0.99*aa {
		t.Errorf("correlation %v became %v, variance %v %v", ab/math.Sqrt(aa*bb), ab2/math.Sqrt(a2*b2), aa, a2)
	}
	seen := map[float64]bool{}
	for i := range n {
		seen[c.row(i)[0]] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d points differ", len(seen), n)
	}
	still := cloud{d: 3, x: []float64{1, 2, 0, 1, 2, 0}}
	still.roughen(0, 1, func(int) (u, v float64) { return 0.3, 0.6 })
	if still.x[0] != 1 || still.x[1] != 2 {
		t.Errorf("points that are all alike became %v", still.x)
	}
}

func TestUniformDraws(t *testing.T) {
	var sum, square float64
	const n = 100000
	for i := range uint64(n) {
		u := uniform(42, i)
		if !(u > 0 && u < 1) {
			t.Fatal(u)
		}
		sum, square = sum+u, square+u*u
	}
	if math.Abs(sum/n-0.5) > 0.004 || math.Abs(square/n-1.0/3) > 0.004 {
		t.Errorf("mean %v, mean square %v", sum/n, square/n)
	}
	if uniform(1, 0) == uniform(2, 0) || uniform(1, 0) == uniform(1, 1) || uniform(7, 3) != uniform(7, 3) {
		t.Error("a draw is not a function of seed and number")
	}
}

// TestUKFAtItsEdges wants a refusal, never a number that is none.
func TestUKFAtItsEdges(t *testing.T) {
	still := func([]float64) {}
	for name, tc := range map[string]struct {
		p  []float64
		ok bool
	}{
		"sound":              {[]float64{1, 0, 0, 1}, true},
		"just positive":      {[]float64{1, 1, 1, 1 + 1e-11}, true},
		"rounded":            {[]float64{1, 1, 1, 1}, true},
		"negative":           {[]float64{1, 0, 0, -1}, false},
		"correlation beyond": {[]float64{1, 2, 2, 1}, false},
		"missing":            {[]float64{1, 0, 0, math.NaN()}, false},
		"infinite":           {[]float64{math.Inf(1), 0, 0, 1}, false},
		"none":               {[]float64{0, 0, 0, 0}, false},
	} {
		f := ukf{alpha: 0.5, beta: 2, kappa: 1, x: []float64{1, 2}, p: tc.p}
		ok := f.predict(still, []float64{0, 0})
		if ok {
			_, ok = f.update(1.5, levelOf, 0.1, math.Inf(1))
		}
		if ok != tc.ok || ok && (!finite(f.x) || !finite(f.p)) {
			t.Errorf("%s: %v, x %v, P %v", name, ok, f.x, f.p)
		}
	}
}

// TestUKFIsKalmanWhereAllIsLinear compares with the closed form of one update.
func TestUKFIsKalmanWhereAllIsLinear(t *testing.T) {
	f := ukf{alpha: 0.5, beta: 2, kappa: 1, x: []float64{1, 0.5}, p: []float64{2, 0.3, 0.3, 1}}
	k := Trend{Level: 1, Slope: 0.5, P00: 2, P01: 0.3, P11: 1}
	for _, z := range []float64{1.2, 2.4, 2.2, 9} {
		f.predict(func(x []float64) { x[0] += 2 * x[1] }, []float64{0, 0})
		k.predict(2, 0)
		want := k.nis(z, 0.5)
		if nis, _ := f.update(z, levelOf, 0.5, math.Inf(1)); math.Abs(nis-want) > 1e-9 {
			t.Errorf("innovation %v, want %v", nis, want)
		}
		k.update(z, 0.5)
		for i, w := range []float64{k.Level, k.Slope} {
			if math.Abs(f.x[i]-w) > 1e-9 {
				t.Errorf("x[%d] = %v, want %v", i, f.x[i], w)
			}
		}
		for i, w := range []float64{k.P00, k.P01, k.P01, k.P11} {
			if math.Abs(f.p[i]-w) > 1e-9 {
				t.Errorf("P[%d] = %v, want %v", i, f.p[i], w)
			}
		}
	}
}
