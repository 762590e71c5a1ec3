//go:build goexperiment.simd && amd64

package dsp

import (
	"simd/archsimd"
	"unsafe"
)

// vector says that the passes below may run. They read and write through
// pointers whose range their caller has checked: a bounds check for each load
// would cost as much as the load.
var vector = archsimd.X86.AVX2() && archsimd.X86.FMA()

type (
	v8  = archsimd.Float32x8
	ptr = unsafe.Pointer
)

func at(p ptr, i int) ptr { return unsafe.Add(p, 4*i) }

func load(p ptr, i int) v8 { return archsimd.LoadFloat32x8((*[8]float32)(unsafe.Add(p, 4*i))) }

func store(p ptr, i int, v v8) { v.Store((*[8]float32)(unsafe.Add(p, 4*i))) }

func all(x float32) v8 { return archsimd.BroadcastFloat32x8(x) }

func one(p ptr, i int) v8 { return archsimd.BroadcastFloat32x8(*(*float32)(unsafe.Add(p, 4*i))) }

func head(x []float32) ptr { return ptr(unsafe.SliceData(x)) }

// passVector does a pass eight butterflies at a time; false when its shape does
// not allow it.
func passVector(yr, yi, re, im, w, lanes []float32, radix, m, stride int) bool {
	n := radix * m * stride
	if len(yr) < n || len(yi) < n || len(re) < n || len(im) < n {
		panic("dsp: short buffer")
	}
	a, b, c, d := head(yr), head(yi), head(re), head(im)
	switch {
	case lanes != nil:
		firstEight(a, b, c, d, head(lanes), m, false)
	case stride%8 != 0:
		return false
	case radix == 8:
		vectorEight(a, b, c, d, head(w), m, stride)
	case radix == 4:
		vectorFour(a, b, c, d, head(w), m, stride)
	case radix == 3:
		vectorThree(a, b, c, d, head(w), m, stride)
	case radix == 2:
		vectorTwo(a, b, c, d, head(w), m, stride)
	case radix == 5:
		vectorFive(a, b, c, d, head(w), m, stride)
	default:
		return false
	}
	archsimd.ClearAVXUpperBits()
	return true
}

// pairsVector is the first pass, of radix 8, of points that lie as (re, im) in x.
func pairsVector(yr, yi, x, lanes []float32, m int) bool {
	if n := 8 * m; len(yr) < n || len(yi) < n || len(x) < 2*n {
		return false
	}
	firstEight(head(yr), head(yi), head(x), nil, head(lanes), m, true)
	archsimd.ClearAVXUpperBits()
	return true
}

// times is (ar + i·ai)·(wr + i·wi).
func times(ar, ai, wr, wi v8) (re, im v8) {
	return ar.Mul(wr).Sub(ai.Mul(wi)), ar.MulAdd(wi, ai.Mul(wr))
}

func vectorFour(yr, yi, re, im, w ptr, m, s int) {
	step := s * m
	for p := range m {
		w1r, w1i, w2r, w2i, w3r, w3i := one(w, 6*p), one(w, 6*p+1), one(w, 6*p+2), one(w, 6*p+3), one(w, 6*p+4), one(w, 6*p+5)
		r, i, x, y := at(re, p*s), at(im, p*s), at(yr, 4*p*s), at(yi, 4*p*s)
		for q := 0; q < s; q += 8 {
			ar, ai, br, bi := load(r, q), load(i, q), load(r, q+step), load(i, q+step)
			cr, ci, dr, di := load(r, q+2*step), load(i, q+2*step), load(r, q+3*step), load(i, q+3*step)
			er, ei, fr, fi := ar.Add(cr), ai.Add(ci), ar.Sub(cr), ai.Sub(ci)
			gr, gi, hr, hi := br.Add(dr), bi.Add(di), br.Sub(dr), bi.Sub(di)
			store(x, q, er.Add(gr))
			store(y, q, ei.Add(gi))
			ur, ui := times(fr.Add(hi), fi.Sub(hr), w1r, w1i)
			store(x, q+s, ur)
			store(y, q+s, ui)
			ur, ui = times(er.Sub(gr), ei.Sub(gi), w2r, w2i)
			store(x, q+2*s, ur)
			store(y, q+2*s, ui)
			ur, ui = times(fr.Sub(hi), fi.Add(hr), w3r, w3i)
			store(x, q+3*s, ur)
			store(y, q+3*s, ui)
		}
	}
}

func vectorTwo(yr, yi, re, im, w ptr, m, s int) {
	step := s * m
	for p := range m {
		wr, wi := one(w, 2*p), one(w, 2*p+1)
		r, i, x, y := at(re, p*s), at(im, p*s), at(yr, 2*p*s), at(yi, 2*p*s)
		for q := 0; q < s; q += 8 {
			ar, ai, br, bi := load(r, q), load(i, q), load(r, q+step), load(i, q+step)
			store(x, q, ar.Add(br))
			store(y, q, ai.Add(bi))
			ur, ui := times(ar.Sub(br), ai.Sub(bi), wr, wi)
			store(x, q+s, ur)
			store(y, q+s, ui)
		}
	}
}

func vectorThree(yr, yi, re, im, w ptr, m, s int) {
	step := s * m
	half, side := all(0.5), all(half3)
	for p := range m {
		w1r, w1i, w2r, w2i := one(w, 4*p), one(w, 4*p+1), one(w, 4*p+2), one(w, 4*p+3)
		r, i, x, y := at(re, p*s), at(im, p*s), at(yr, 3*p*s), at(yi, 3*p*s)
		for q := 0; q < s; q += 8 {
			ar, ai, br, bi, cr, ci := load(r, q), load(i, q), load(r, q+step), load(i, q+step), load(r, q+2*step), load(i, q+2*step)
			sr, si, dr, di := br.Add(cr), bi.Add(ci), br.Sub(cr).Mul(side), bi.Sub(ci).Mul(side)
			tr, ti := ar.Sub(half.Mul(sr)), ai.Sub(half.Mul(si))
			store(x, q, ar.Add(sr))
			store(y, q, ai.Add(si))
			ur, ui := times(tr.Add(di), ti.Sub(dr), w1r, w1i)
			store(x, q+s, ur)
			store(y, q+s, ui)
			ur, ui = times(tr.Sub(di), ti.Add(dr), w2r, w2i)
			store(x, q+2*s, ur)
			store(y, q+2*s, ui)
		}
	}
}

// vectorEight is the pass of radix 8: two halves of four points, of sums and of
// differences. The half is written out because a call would pass 32 vectors through
// memory.
func vectorEight(yr, yi, re, im, w ptr, m, s int) {
	step := s * m
	h := all(half2)
	for p := range m {
		r, i, x, y, t := at(re, p*s), at(im, p*s), at(yr, 8*p*s), at(yi, 8*p*s), at(w, 14*p)
		for q := 0; q < s; q += 8 {
			ar, ai, br, bi := load(r, q), load(i, q), load(r, q+4*step), load(i, q+4*step)
			s0r, s0i, d0r, d0i := ar.Add(br), ai.Add(bi), ar.Sub(br), ai.Sub(bi)
			ar, ai, br, bi = load(r, q+2*step), load(i, q+2*step), load(r, q+6*step), load(i, q+6*step)
			s2r, s2i, d2r, d2i := ar.Add(br), ai.Add(bi), ar.Sub(br), ai.Sub(bi)
			t0r, t0i, t1r, t1i := s0r.Add(s2r), s0i.Add(s2i), s0r.Sub(s2r), s0i.Sub(s2i)
			e0r, e0i, e1r, e1i := d0r.Add(d2i), d0i.Sub(d2r), d0r.Sub(d2i), d0i.Add(d2r)
			ar, ai, br, bi = load(r, q+step), load(i, q+step), load(r, q+5*step), load(i, q+5*step)
			s1r, s1i, d1r, d1i := ar.Add(br), ai.Add(bi), ar.Sub(br), ai.Sub(bi)
			ar, ai, br, bi = load(r, q+3*step), load(i, q+3*step), load(r, q+7*step), load(i, q+7*step)
			s3r, s3i, d3r, d3i := ar.Add(br), ai.Add(bi), ar.Sub(br), ai.Sub(bi)
			u0r, u0i, u1r, u1i := s1r.Add(s3r), s1i.Add(s3i), s1r.Sub(s3r), s1i.Sub(s3i)
			store(x, q, t0r.Add(u0r))
			store(y, q, t0i.Add(u0i))
			ar, ai = times(t0r.Sub(u0r), t0i.Sub(u0i), one(t, 6), one(t, 7))
			store(x, q+4*s, ar)
			store(y, q+4*s, ai)
			ar, ai = times(t1r.Add(u1i), t1i.Sub(u1r), one(t, 2), one(t, 3))
			store(x, q+2*s, ar)
			store(y, q+2*s, ai)
			ar, ai = times(t1r.Sub(u1i), t1i.Add(u1r), one(t, 10), one(t, 11))
			store(x, q+6*s, ar)
			store(y, q+6*s, ai)
			// d1 and d3 turned by an eighth and by three share their factor.
			f1r, f1i, f3r, f3i := d1r.Add(d1i), d1i.Sub(d1r), d3i.Sub(d3r), d3r.Add(d3i)
			g0r, g0i, g1r, g1i := f1r.Add(f3r).Mul(h), f1i.Sub(f3i).Mul(h), f1r.Sub(f3r).Mul(h), f1i.Add(f3i).Mul(h)
			ar, ai = times(e0r.Add(g0r), e0i.Add(g0i), one(t, 0), one(t, 1))
			store(x, q+s, ar)
			store(y, q+s, ai)
			ar, ai = times(e0r.Sub(g0r), e0i.Sub(g0i), one(t, 8), one(t, 9))
			store(x, q+5*s, ar)
			store(y, q+5*s, ai)
			ar, ai = times(e1r.Add(g1i), e1i.Sub(g1r), one(t, 4), one(t, 5))
			store(x, q+3*s, ar)
			store(y, q+3*s, ai)
			ar, ai = times(e1r.Sub(g1i), e1i.Add(g1r), one(t, 12), one(t, 13))
			store(x, q+7*s, ar)
			store(y, q+7*s, ai)
		}
	}
}

func vectorFive(yr, yi, re, im, w ptr, m, s int) {
	step := s * m
	c1, c2, s1, s2 := all(cos1), all(cos2), all(sin1), all(sin2)
	for p := range m {
		r, i, x, y, t := at(re, p*s), at(im, p*s), at(yr, 5*p*s), at(yi, 5*p*s), at(w, 8*p)
		for q := 0; q < s; q += 8 {
			ar, br, cr, dr, er := load(r, q), load(r, q+step), load(r, q+2*step), load(r, q+3*step), load(r, q+4*step)
			ai, bi, ci, di, ei := load(i, q), load(i, q+step), load(i, q+2*step), load(i, q+3*step), load(i, q+4*step)
			pr, pi, mr, mi := br.Add(er), bi.Add(ei), br.Sub(er), bi.Sub(ei)
			tr, ti, fr, fi := cr.Add(dr), ci.Add(di), cr.Sub(dr), ci.Sub(di)
			store(x, q, ar.Add(pr).Add(tr))
			store(y, q, ai.Add(pi).Add(ti))
			ur, ui := c1.MulAdd(pr, c2.MulAdd(tr, ar)), c1.MulAdd(pi, c2.MulAdd(ti, ai))
			vr, vi := c2.MulAdd(pr, c1.MulAdd(tr, ar)), c2.MulAdd(pi, c1.MulAdd(ti, ai))
			gr, gi := s1.MulAdd(mr, s2.Mul(fr)), s1.MulAdd(mi, s2.Mul(fi))
			hr, hi := s2.Mul(mr).Sub(s1.Mul(fr)), s2.Mul(mi).Sub(s1.Mul(fi))
			ar, ai = times(ur.Add(gi), ui.Sub(gr), one(t, 0), one(t, 1))
			store(x, q+s, ar)
			store(y, q+s, ai)
			ar, ai = times(vr.Add(hi), vi.Sub(hr), one(t, 2), one(t, 3))
			store(x, q+2*s, ar)
			store(y, q+2*s, ai)
			ar, ai = times(vr.Sub(hi), vi.Add(hr), one(t, 4), one(t, 5))
			store(x, q+3*s, ar)
			store(y, q+3*s, ai)
			ar, ai = times(ur.Sub(gi), ui.Add(gr), one(t, 6), one(t, 7))
			store(x, q+4*s, ar)
			store(y, q+4*s, ai)
		}
	}
}

// firstEight is the pass of stride one and radix 8: eight neighbouring p at a time,
// whose outputs are turned from columns into rows. With pairs the points lie as
// (re, im) in re.
func firstEight(yr, yi, re, im, w ptr, m int, pairs bool) {
	h, order := all(half2), archsimd.LoadUint32x8(&evenOrder)
	for p := 0; p < m; p += 8 {
		var r0, i0, r1, i1, r2, i2, r3, i3, r4, i4, r5, i5, r6, i6, r7, i7 v8
		if pairs {
			x := at(re, 2*p)
			r0, i0 = split(x, order)
			r4, i4 = split(at(x, 8*m), order)
			r2, i2 = split(at(x, 4*m), order)
			r6, i6 = split(at(x, 12*m), order)
			r1, i1 = split(at(x, 2*m), order)
			r5, i5 = split(at(x, 10*m), order)
			r3, i3 = split(at(x, 6*m), order)
			r7, i7 = split(at(x, 14*m), order)
		} else {
			r, i := at(re, p), at(im, p)
			r0, i0, r4, i4, r2, i2, r6, i6 = load(r, 0), load(i, 0), load(r, 4*m), load(i, 4*m), load(r, 2*m), load(i, 2*m), load(r, 6*m), load(i, 6*m)
			r1, i1, r5, i5, r3, i3, r7, i7 = load(r, m), load(i, m), load(r, 5*m), load(i, 5*m), load(r, 3*m), load(i, 3*m), load(r, 7*m), load(i, 7*m)
		}
		s0r, s0i, d0r, d0i := r0.Add(r4), i0.Add(i4), r0.Sub(r4), i0.Sub(i4)
		s2r, s2i, d2r, d2i := r2.Add(r6), i2.Add(i6), r2.Sub(r6), i2.Sub(i6)
		t0r, t0i, t1r, t1i := s0r.Add(s2r), s0i.Add(s2i), s0r.Sub(s2r), s0i.Sub(s2i)
		e0r, e0i, e1r, e1i := d0r.Add(d2i), d0i.Sub(d2r), d0r.Sub(d2i), d0i.Add(d2r)
		s1r, s1i, d1r, d1i := r1.Add(r5), i1.Add(i5), r1.Sub(r5), i1.Sub(i5)
		s3r, s3i, d3r, d3i := r3.Add(r7), i3.Add(i7), r3.Sub(r7), i3.Sub(i7)
		u0r, u0i, u1r, u1i := s1r.Add(s3r), s1i.Add(s3i), s1r.Sub(s3r), s1i.Sub(s3i)
		f1r, f1i, f3r, f3i := d1r.Add(d1i), d1i.Sub(d1r), d3i.Sub(d3r), d3r.Add(d3i)
		g0r, g0i, g1r, g1i := f1r.Add(f3r).Mul(h), f1i.Sub(f3i).Mul(h), f1r.Sub(f3r).Mul(h), f1i.Add(f3i).Mul(h)
		t := at(w, 14*p)
		a0, b0 := t0r.Add(u0r), t0i.Add(u0i)
		a1, b1 := times(e0r.Add(g0r), e0i.Add(g0i), load(t, 0), load(t, 8))
		a2, b2 := times(t1r.Add(u1i), t1i.Sub(u1r), load(t, 16), load(t, 24))
		a3, b3 := times(e1r.Add(g1i), e1i.Sub(g1r), load(t, 32), load(t, 40))
		a4, b4 := times(t0r.Sub(u0r), t0i.Sub(u0i), load(t, 48), load(t, 56))
		a5, b5 := times(e0r.Sub(g0r), e0i.Sub(g0i), load(t, 64), load(t, 72))
		a6, b6 := times(t1r.Sub(u1i), t1i.Add(u1r), load(t, 80), load(t, 88))
		a7, b7 := times(e1r.Sub(g1i), e1i.Add(g1r), load(t, 96), load(t, 104))
		x, y := at(yr, 8*p), at(yi, 8*p)
		c0, c1, c2, c3 := pairsLo(a0, a1), pairsHi(a0, a1), pairsLo(a2, a3), pairsHi(a2, a3)
		c4, c5, c6, c7 := pairsLo(a4, a5), pairsHi(a4, a5), pairsLo(a6, a7), pairsHi(a6, a7)
		rows(x, 0, lows(c0, c2), lows(c4, c6))
		rows(x, 8, highs(c0, c2), highs(c4, c6))
		rows(x, 16, lows(c1, c3), lows(c5, c7))
		rows(x, 24, highs(c1, c3), highs(c5, c7))
		c0, c1, c2, c3 = pairsLo(b0, b1), pairsHi(b0, b1), pairsLo(b2, b3), pairsHi(b2, b3)
		c4, c5, c6, c7 = pairsLo(b4, b5), pairsHi(b4, b5), pairsLo(b6, b7), pairsHi(b6, b7)
		rows(y, 0, lows(c0, c2), lows(c4, c6))
		rows(y, 8, highs(c0, c2), highs(c4, c6))
		rows(y, 16, lows(c1, c3), lows(c5, c7))
		rows(y, 24, highs(c1, c3), highs(c5, c7))
	}
}

// rows stores row i/8 and the one four below it of eight by eight.
func rows(y ptr, i int, a, b v8) {
	store(y, i, a.Select128FromPair(0, 2, b))
	store(y, i+32, a.Select128FromPair(1, 3, b))
}

// split takes eight (re, im) apart.
func split(x ptr, order archsimd.Uint32x8) (re, im v8) {
	a, b := load(x, 0), load(x, 8)
	return a.SelectFromPairGrouped(0, 2, 4, 6, b).Permute(order), a.SelectFromPairGrouped(1, 3, 5, 7, b).Permute(order)
}

// pairsLo interleaves the low halves of each 128 bits, pairsHi the high ones.
func pairsLo(a, b v8) v8 {
	return a.AsInt32x8().InterleaveLoGrouped(b.AsInt32x8()).AsFloat32x8()
}

func pairsHi(a, b v8) v8 {
	return a.AsInt32x8().InterleaveHiGrouped(b.AsInt32x8()).AsFloat32x8()
}

func lows(a, b v8) v8 {
	return a.AsInt64x4().InterleaveLoGrouped(b.AsInt64x4()).AsFloat32x8()
}

func highs(a, b v8) v8 {
	return a.AsInt64x4().InterleaveHiGrouped(b.AsInt64x4()).AsFloat32x8()
}

var backwards = [8]uint32{7, 6, 5, 4, 3, 2, 1, 0}

// unpackVector does the bins k and m−k for k from 1, eight at a time, and returns
// the k that it leaves.
func unpackVector(re, im, zr, zi, wr, wi []float32, m int) int {
	a, b, c, d, e, f := head(re), head(im), head(zr), head(zi), head(wr), head(wi)
	turned := archsimd.LoadUint32x8(&backwards)
	half := all(0.5)
	k := 1
	for ; k+8 <= m/2; k += 8 { // the mirrored eight end above m/2
		j := m - k - 7
		xr, xi := load(c, k), load(d, k)
		yr, yi := load(c, j).Permute(turned), load(d, j).Permute(turned)
		er, ei := half.Mul(xr.Add(yr)), half.Mul(xi.Sub(yi))
		dr, di := xr.Sub(yr), xi.Add(yi)
		ur, ui := load(e, k), load(f, k)
		or, oi := dr.MulAdd(ui, di.Mul(ur)), di.Mul(ui).Sub(dr.Mul(ur))
		store(a, k, er.Add(or))
		store(b, k, ei.Add(oi))
		store(a, j, er.Sub(or).Permute(turned))
		store(b, j, oi.Sub(ei).Permute(turned))
	}
	archsimd.ClearAVXUpperBits()
	return k
}

// evens and odds of sixteen neighbours, after lows and highs of 64 bits.
var evenOrder = [8]uint32{0, 1, 4, 5, 2, 3, 6, 7}

func deinterleaveVector(even, odd, x []float32) int {
	n := min(len(even), len(odd), len(x)/2) &^ 7
	e, o, p := head(even), head(odd), head(x)
	order := archsimd.LoadUint32x8(&evenOrder)
	for i := 0; i < n; i += 8 {
		a, b := split(at(p, 2*i), order)
		store(e, i, a)
		store(o, i, b)
	}
	archsimd.ClearAVXUpperBits()
	return n
}
