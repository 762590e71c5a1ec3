package dsp

import "math"

// Each pass reads x[q + s(p + k·m)] for k = 0 … radix−1 and writes
// y[q + s(radix·p + j)] = w^jp · Σ_k x_k·exp(−2πi·jk/radix), 0 ≤ q < s, 0 ≤ p < m.

func (p *pass[T]) two(yr, yi, re, im []T) {
	s, step := p.stride, p.stride*p.m
	for k := range p.m {
		wr, wi := p.w[2*k], p.w[2*k+1]
		for q := k * s; q < (k+1)*s; q++ {
			ar, ai, br, bi := re[q], im[q], re[q+step], im[q+step]
			o := q + k*s
			yr[o], yi[o] = ar+br, ai+bi
			yr[o+s], yi[o+s] = turn(ar-br, ai-bi, wr, wi)
		}
	}
}

func turn[T Float](ar, ai, wr, wi T) (re, im T) { return ar*wr - ai*wi, ar*wi + ai*wr }

const half3 = 0.86602540378443864676 // √3/2

func (p *pass[T]) three(yr, yi, re, im []T) {
	s, step := p.stride, p.stride*p.m
	for k := range p.m {
		w := p.w[4*k : 4*k+4]
		for q := k * s; q < (k+1)*s; q++ {
			ar, ai := re[q], im[q]
			sr, si := re[q+step]+re[q+2*step], im[q+step]+im[q+2*step]
			dr, di := half3*(re[q+step]-re[q+2*step]), half3*(im[q+step]-im[q+2*step])
			tr, ti := ar-sr/2, ai-si/2
			o := q + 2*k*s
			yr[o], yi[o] = ar+sr, ai+si
			yr[o+s], yi[o+s] = turn(tr+di, ti-dr, w[0], w[1])
			yr[o+2*s], yi[o+2*s] = turn(tr-di, ti+dr, w[2], w[3])
		}
	}
}

func (p *pass[T]) four(yr, yi, re, im []T) {
	s, step := p.stride, p.stride*p.m
	for k := range p.m {
		w := p.w[6*k : 6*k+6]
		for q := k * s; q < (k+1)*s; q++ {
			ar, ai, br, bi := re[q], im[q], re[q+step], im[q+step]
			cr, ci, dr, di := re[q+2*step], im[q+2*step], re[q+3*step], im[q+3*step]
			er, ei, fr, fi := ar+cr, ai+ci, ar-cr, ai-ci
			gr, gi, hr, hi := br+dr, bi+di, br-dr, bi-di
			o := q + 3*k*s
			yr[o], yi[o] = er+gr, ei+gi
			yr[o+s], yi[o+s] = turn(fr+hi, fi-hr, w[0], w[1])
			yr[o+2*s], yi[o+2*s] = turn(er-gr, ei-gi, w[2], w[3])
			yr[o+3*s], yi[o+3*s] = turn(fr-hi, fi+hr, w[4], w[5])
		}
	}
}

// Cosines and sines of 2π/5 and 4π/5.
const (
	cos1 = 0.30901699437494742410
	cos2 = -0.80901699437494742410
	sin1 = 0.95105651629515357212
	sin2 = 0.58778525229247312917
)

func (p *pass[T]) five(yr, yi, re, im []T) {
	s, step := p.stride, p.stride*p.m
	for k := range p.m {
		w := p.w[8*k : 8*k+8]
		for q := k * s; q < (k+1)*s; q++ {
			ar, ai := re[q], im[q]
			b, c, d, e := q+step, q+2*step, q+3*step, q+4*step
			sr, si, dr, di := re[b]+re[e], im[b]+im[e], re[b]-re[e], im[b]-im[e]
			tr, ti, fr, fi := re[c]+re[d], im[c]+im[d], re[c]-re[d], im[c]-im[d]
			ur, ui := ar+cos1*sr+cos2*tr, ai+cos1*si+cos2*ti
			vr, vi := ar+cos2*sr+cos1*tr, ai+cos2*si+cos1*ti
			gr, gi := sin1*dr+sin2*fr, sin1*di+sin2*fi
			hr, hi := sin2*dr-sin1*fr, sin2*di-sin1*fi
			o := q + 4*k*s
			yr[o], yi[o] = ar+sr+tr, ai+si+ti
			yr[o+s], yi[o+s] = turn(ur+gi, ui-gr, w[0], w[1])
			yr[o+2*s], yi[o+2*s] = turn(vr+hi, vi-hr, w[2], w[3])
			yr[o+3*s], yi[o+3*s] = turn(vr-hi, vi+hr, w[4], w[5])
			yr[o+4*s], yi[o+4*s] = turn(ur-gi, ui+gr, w[6], w[7])
		}
	}
}

const half2 = math.Sqrt2 / 2

func (p *pass[T]) eight(yr, yi, re, im []T) {
	s, step := p.stride, p.stride*p.m
	var ar, ai [8]T
	for k := range p.m {
		w := p.w[14*k : 14*k+14]
		for q := k * s; q < (k+1)*s; q++ {
			for j := range 8 {
				ar[j], ai[j] = re[q+j*step], im[q+j*step]
			}
			fft8(&ar, &ai)
			o := q + 7*k*s
			yr[o], yi[o] = ar[0], ai[0]
			for j := 1; j < 8; j++ {
				o += s
				yr[o], yi[o] = turn(ar[j], ai[j], w[2*j-2], w[2*j-1])
			}
		}
	}
}

// fft8 transforms eight points in place, in order.
func fft8[T Float](re, im *[8]T) {
	// Evens by sums, odds by differences turned by eighths, then two of four points.
	var er, ei, or, oi [4]T
	for j := range 4 {
		er[j], ei[j] = re[j]+re[j+4], im[j]+im[j+4]
		or[j], oi[j] = re[j]-re[j+4], im[j]-im[j+4]
	}
	or[1], oi[1] = half2*(or[1]+oi[1]), half2*(oi[1]-or[1])
	or[2], oi[2] = oi[2], -or[2]
	or[3], oi[3] = half2*(oi[3]-or[3]), -half2*(or[3]+oi[3])
	re[0], im[0], re[2], im[2], re[4], im[4], re[6], im[6] = fft4(&er, &ei)
	re[1], im[1], re[3], im[3], re[5], im[5], re[7], im[7] = fft4(&or, &oi)
}

func fft4[T Float](a, b *[4]T) (r0, i0, r1, i1, r2, i2, r3, i3 T) {
	er, ei, fr, fi := a[0]+a[2], b[0]+b[2], a[0]-a[2], b[0]-b[2]
	gr, gi, hr, hi := a[1]+a[3], b[1]+b[3], a[1]-a[3], b[1]-b[3]
	return er + gr, ei + gi, fr + hi, fi - hr, er - gr, ei - gi, fr - hi, fi + hr
}
