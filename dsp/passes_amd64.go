//go:build goexperiment.simd && amd64

package dsp

import (
	"math"
	"simd/archsimd"
	"unsafe"
)

// total adds the lanes up in a fixed order.
func total(v v8) float64 {
	h := v.GetLo().Add(v.GetHi())
	h = h.AddPairs(h)
	return float64(h.GetElem(0)) + float64(h.GetElem(1))
}

func largest(v v8) float64 {
	var a [8]float32
	v.Store(&a)
	return float64(max(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]))
}

func least(v v8) float64 {
	var a [8]float32
	v.Store(&a)
	return float64(min(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]))
}

// magnitude clears the sign.
func magnitude(v v8, mask archsimd.Int32x8) v8 { return v.AsInt32x8().And(mask).AsFloat32x8() }

func signMask() archsimd.Int32x8 { return archsimd.BroadcastInt32x8(0x7fffffff) }

// levelsVector needs two chunks at least.
func levelsVector(x []float32) Levels {
	l := Levels{Min: float64(x[0]), Max: float64(x[0]), Mean: float64(x[0])}
	p, n := head(x), len(x)
	lo, hi := all(x[0]), all(x[0])
	i := 1
	for ; i+chunk <= n; i += chunk {
		var sum, sum2 v8
		var same archsimd.Int32x8
		for k := i; k < i+chunk; k += 16 {
			a, b := load(p, k), load(p, k+8)
			lo, hi = lo.Min(a).Min(b), hi.Max(a).Max(b)
			sum, sum2 = sum.Add(a), sum2.Add(b)
			same = same.Sub(a.Equal(load(p, k-1)).ToInt32x8()).Sub(b.Equal(load(p, k+7)).ToInt32x8())
		}
		l.Mean += total(sum.Add(sum2))
		l.Same += lanes32(same)
	}
	l.Min, l.Max = least(lo), largest(hi)
	archsimd.ClearAVXUpperBits()
	addLevels(&l, x[i:], x[i-1], 1)
	l.Mean /= float64(n)
	l.Finite = l.Mean-l.Mean == 0
	l.Mean = min(max(l.Mean, l.Min), l.Max)
	return l
}

func lanes32(v archsimd.Int32x8) int {
	var a [8]int32
	v.Store(&a)
	n := 0
	for _, k := range a {
		n += int(k)
	}
	return n
}

// levelsOfCountsVector takes the counts from 1 on, 16 at a time.
func levelsOfCountsVector(x []int16) (lo, hi int16, sum int64, same, next int) {
	sum = int64(x[0])
	low, high := archsimd.BroadcastInt16x16(x[0]), archsimd.BroadcastInt16x16(x[0])
	ones := archsimd.BroadcastInt16x16(1)
	p := ptr(unsafe.SliceData(x))
	i := 1
	for i+16 <= len(x) {
		var add archsimd.Int32x8
		var eq archsimd.Int16x16
		for end := min(i+4096, i+(len(x)-i)&^15); i < end; i += 16 {
			v := archsimd.LoadInt16x16((*[16]int16)(unsafe.Add(p, 2*i)))
			low, high = low.Min(v), high.Max(v)
			add = add.Add(v.DotProductPairs(ones))
			eq = eq.Sub(v.Equal(archsimd.LoadInt16x16((*[16]int16)(unsafe.Add(p, 2*i-2)))).ToInt16x16())
		}
		sum += int64(lanes32(add))
		same += lanes32(eq.DotProductPairs(ones))
	}
	var a, b [16]int16
	low.Store(&a)
	high.Store(&b)
	archsimd.ClearAVXUpperBits()
	lo, hi = a[0], b[0]
	for k := range a {
		lo, hi = min(lo, a[k]), max(hi, b[k])
	}
	return lo, hi, sum, same, i
}

// atVector counts 16 at a time.
func atVector(x []int16, a, b int16) (na, nb, next int) {
	p := ptr(unsafe.SliceData(x))
	va, vb, ones := archsimd.BroadcastInt16x16(a), archsimd.BroadcastInt16x16(b), archsimd.BroadcastInt16x16(1)
	i := 0
	for i+16 <= len(x) {
		var ea, eb archsimd.Int16x16
		for end := min(i+4096, i+(len(x)-i)&^15); i < end; i += 16 {
			v := archsimd.LoadInt16x16((*[16]int16)(unsafe.Add(p, 2*i)))
			ea = ea.Sub(v.Equal(va).ToInt16x16())
			eb = eb.Sub(v.Equal(vb).ToInt16x16())
		}
		na += lanes32(ea.DotProductPairs(ones))
		nb += lanes32(eb.DotProductPairs(ones))
	}
	archsimd.ClearAVXUpperBits()
	return na, nb, i
}

// running are the sums of a chunk, in lanes.
type running struct{ first, abs, root, second, third, fourth, peak v8 }

func (r *running) into(s *Sums) {
	s.First += total(r.first)
	s.Abs += total(r.abs)
	s.Root += total(r.root)
	s.Second += total(r.second)
	s.Third += total(r.third)
	s.Fourth += total(r.fourth)
	s.Peak = max(s.Peak, largest(r.peak))
}

// centreVector does whole chunks and returns the sample that it leaves.
func centreVector(s *Sums, even, odd, x []float32, hi, lo, k float32) int {
	p := head(x)
	h, l, scale, sign, order := all(hi), all(lo), all(k), signMask(), archsimd.LoadUint32x8(&evenOrder)
	i := 0
	for ; i+chunk <= len(x); i += chunk {
		var e, o ptr
		keep := (i+chunk)/2 <= min(len(even), len(odd))
		if keep {
			e, o = head(even[i/2:]), head(odd[i/2:])
		} else if i/2 < len(even) {
			break // the two end inside the chunk
		}
		var first, abs, root, second, third, fourth, peak v8
		for q := 0; q < chunk; q += 16 {
			a, b := split(at(p, i+q), order)
			a, b = a.Sub(h).Sub(l).Mul(scale), b.Sub(h).Sub(l).Mul(scale)
			if keep {
				store(e, q/2, a)
				store(o, q/2, b)
			}
			ma, mb, qa, qb := magnitude(a, sign), magnitude(b, sign), a.Mul(a), b.Mul(b)
			first = first.Add(a).Add(b)
			abs = abs.Add(ma).Add(mb)
			root = root.Add(ma.Sqrt()).Add(mb.Sqrt())
			peak = peak.Max(ma).Max(mb)
			second = second.Add(qa).Add(qb)
			third = qb.MulAdd(b, qa.MulAdd(a, third))
			fourth = qb.MulAdd(qb, qa.MulAdd(qa, fourth))
		}
		(&running{first, abs, root, second, third, fourth, peak}).into(s)
	}
	archsimd.ClearAVXUpperBits()
	return i
}

// centreCountsVector does the same from counts: two of them lie in 32 bits, the
// even one below the odd one.
func centreCountsVector(s *Sums, even, odd []float32, x []int16, mean float64, k float32) int {
	whole := int32(mean)
	m, rest, scale, sign := archsimd.BroadcastInt32x8(whole), all(float32(mean-float64(whole))*k), all(k), signMask()
	i := 0
	for ; i+chunk <= len(x); i += chunk {
		p := ptr(&x[i])
		var e, o ptr
		keep := (i+chunk)/2 <= min(len(even), len(odd))
		if keep {
			e, o = head(even[i/2:]), head(odd[i/2:])
		} else if i/2 < len(even) {
			break
		}
		var first, abs, root, second, third, fourth, peak v8
		for q := 0; q < chunk/2; q += 8 { // in pairs of counts
			v := archsimd.LoadInt32x8((*[8]int32)(at(p, q)))
			a := v.ShiftAllLeft(16).ShiftAllRight(16).Sub(m).ConvertToFloat32().Mul(scale).Sub(rest)
			b := v.ShiftAllRight(16).Sub(m).ConvertToFloat32().Mul(scale).Sub(rest)
			if keep {
				store(e, q, a)
				store(o, q, b)
			}
			ma, mb, qa, qb := magnitude(a, sign), magnitude(b, sign), a.Mul(a), b.Mul(b)
			first = first.Add(a).Add(b)
			abs = abs.Add(ma).Add(mb)
			root = root.Add(ma.Sqrt()).Add(mb.Sqrt())
			peak = peak.Max(ma).Max(mb)
			second = second.Add(qa).Add(qb)
			third = qb.MulAdd(b, qa.MulAdd(a, third))
			fourth = qb.MulAdd(qb, qa.MulAdd(qa, fourth))
		}
		(&running{first, abs, root, second, third, fourth, peak}).into(s)
	}
	archsimd.ClearAVXUpperBits()
	return i
}

// densityVector does the bins from 1 on that have neighbours on both sides.
func densityVector(p, re, im []float32) int {
	last := len(p) - 1
	x, r, i := head(p), head(re), head(im)
	half, quarter := all(0.5), all(0.25)
	k := 1
	for ; k+8 <= last; k += 8 {
		a := half.Mul(load(r, k)).Sub(quarter.Mul(load(r, k-1).Add(load(r, k+1))))
		b := half.Mul(load(i, k)).Sub(quarter.Mul(load(i, k-1).Add(load(i, k+1))))
		q := a.MulAdd(a, b.Mul(b))
		store(x, k, q.Add(q))
	}
	archsimd.ClearAVXUpperBits()
	return k
}

var counting = [8]float32{0, 1, 2, 3, 4, 5, 6, 7}

// vector sums by chunks; bins are counted from the chunk's first, so that float32
// holds them.
func (s *Shape) vector(p []float32, k int) int {
	x := head(p)
	eight := all(8)
	var top v8
	for k+8 <= len(p) {
		var sum, first v8
		bin := archsimd.LoadFloat32x8(&counting)
		end := min(k+chunk, k+(len(p)-k)&^7)
		for q := k; q < end; q += 8 {
			v := load(x, q)
			sum = sum.Add(v)
			first = bin.MulAdd(v, first)
			bin = bin.Add(eight)
			top = top.Max(v)
		}
		t := total(sum)
		s.Sum += t
		s.First += float64(k)*t + total(first)
		k = end
	}
	s.Top = largest(top)
	archsimd.ClearAVXUpperBits()
	return k
}

// vector sums by chunks. The logarithm of a normal p = m·2ᵉ with m in [√½, √2)
// is e·ln 2 + 2·artanh r, r = (m−1)/(m+1), whose series ends at r⁷: what is left out
// is below 3e-8.
func (l *Logs) vector(p []float32, k int, floor float32, centre float64) int {
	x := head(p)
	low, one, two, ln2, root := all(floor), all(1), all(2), all(0.69314718), archsimd.BroadcastInt32x8(0x3f3504f3)
	third, fifth, seventh := all(2.0/3), all(2.0/5), all(2.0/7)
	for k+8 <= len(p) {
		var weighted, plain, spread v8
		d, eight := archsimd.LoadFloat32x8(&counting).Add(all(float32(float64(k)-centre))), all(8)
		end := min(k+chunk, k+(len(p)-k)&^7)
		for q := k; q < end; q += 8 {
			v := load(x, q)
			bits := v.Max(low).AsInt32x8()
			e := bits.Sub(root).ShiftAllRight(23)
			m := bits.Sub(e.ShiftAllLeft(23)).AsFloat32x8()
			r := m.Sub(one).Div(m.Add(one))
			z := r.Mul(r)
			y := seventh.MulAdd(z, fifth).MulAdd(z, third).MulAdd(z, two).Mul(r)
			y = e.ConvertToFloat32().MulAdd(ln2, y)
			weighted = v.MulAdd(y, weighted)
			plain = plain.Add(y)
			spread = v.MulAdd(d.Mul(d), spread)
			d = d.Add(eight)
		}
		l.Weighted += total(weighted)
		l.Plain += total(plain)
		l.Spread += total(spread)
		k = end
	}
	archsimd.ClearAVXUpperBits()
	return k
}

func sumVector(x []float32) (float64, int) {
	p, s, i := head(x), 0.0, 0
	for i+8 <= len(x) {
		end := min(i+chunk, len(x)&^7)
		var sum v8
		for ; i < end; i += 8 {
			sum = sum.Add(load(p, i))
		}
		s += total(sum)
	}
	archsimd.ClearAVXUpperBits()
	return s, i
}

func dotVector(x, w []float32) (float64, int) {
	p, q, s, i := head(x), head(w), 0.0, 0
	for i+8 <= len(x) {
		end := min(i+chunk, len(x)&^7)
		var sum v8
		for ; i < end; i += 8 {
			sum = load(p, i).MulAdd(load(q, i), sum)
		}
		s += total(sum)
	}
	archsimd.ClearAVXUpperBits()
	return s, i
}

func envelopeVector(even, odd, re, im []float32) (mean, fourth float64, i int) {
	e, o, r, m := head(even), head(odd), head(re), head(im)
	n := min(2*min(len(even), len(odd)), len(re), len(im)) &^ 15
	order := archsimd.LoadUint32x8(&evenOrder)
	for i < n {
		end := min(i+chunk, n)
		var first, second v8
		for ; i < end; i += 16 {
			ar, ai, br, bi := load(r, i), load(m, i), load(r, i+8), load(m, i+8)
			a, b := ar.MulAdd(ar, ai.Mul(ai)), br.MulAdd(br, bi.Mul(bi))
			first = first.Add(a).Add(b)
			second = b.MulAdd(b, a.MulAdd(a, second))
			store(e, i/2, a.SelectFromPairGrouped(0, 2, 4, 6, b).Permute(order))
			store(o, i/2, a.SelectFromPairGrouped(1, 3, 5, 7, b).Permute(order))
		}
		mean += total(first)
		fourth += total(second)
	}
	archsimd.ClearAVXUpperBits()
	return mean, fourth, i
}

func amplitudesVector(dst, re, im []float32, hann bool, scale float32) int {
	d, r, i := head(dst), head(re), head(im)
	n := min(len(dst), len(re)-1, len(im)-1)
	half, k := all(0.5), all(scale)
	if !hann {
		half = all(0)
	}
	q := 1
	for ; q+8 <= n; q += 8 {
		a := load(r, q).Sub(half.Mul(load(r, q-1).Add(load(r, q+1))))
		b := load(i, q).Sub(half.Mul(load(i, q-1).Add(load(i, q+1))))
		store(d, q, a.MulAdd(a, b.Mul(b)).Sqrt().Mul(k))
	}
	archsimd.ClearAVXUpperBits()
	return q
}

func addPowerVector(sum, x []float32, k float32) int {
	s, p, scale, i := head(sum), head(x), all(k), 0
	for ; i+8 <= len(x); i += 8 {
		v := load(p, i)
		store(s, i, v.Mul(v).MulAdd(scale, load(s, i)))
	}
	archsimd.ClearAVXUpperBits()
	return i
}

// rankedVector counts for each value how many are smaller; the k-th smallest is the
// largest of those with k smaller ones or fewer.
func rankedVector(x []float32, j, k int) (a, b float32) {
	var room [MostRanked]float32
	n := (len(x) + 7) &^ 7
	copy(room[:], x)
	for i := len(x); i < n; i++ {
		room[i] = float32(math.Inf(1))
	}
	p := ptr(&room)
	lowest := all(float32(math.Inf(-1)))
	topA, topB := lowest, lowest
	wantA, wantB := archsimd.BroadcastInt32x8(int32(j+1)), archsimd.BroadcastInt32x8(int32(k+1))
	for i := 0; i < n; i += 8 {
		v := load(p, i)
		var less archsimd.Int32x8
		for q := range x {
			less = less.Sub(one(p, q).Less(v).ToInt32x8())
		}
		topA = topA.Max(v.Merge(lowest, wantA.Greater(less)))
		topB = topB.Max(v.Merge(lowest, wantB.Greater(less)))
	}
	a, b = float32(largest(topA)), float32(largest(topB))
	archsimd.ClearAVXUpperBits()
	return a, b
}
