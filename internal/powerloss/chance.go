package powerloss

import "math/rand/v2"

// chance decides what survives of changes that were not synced.
type chance struct {
	rng   *rand.Rand
	how   survival
	grain int64 // bytes that survive together
}

type survival int

const (
	nothing survival = iota
	everything
	first // of each file and folder the changes up to one
	any_  // of each grain the changes up to one: disks write in the order that suits them
	survivals
)

// newChance draws what kind of loss it is. Grains are a page, a sector, and less: a sector
// that is torn.
func newChance(rng *rand.Rand) chance {
	return chance{rng, survival(rng.IntN(int(survivals))), []int64{4096, 512, 32}[rng.IntN(3)]}
}

// upTo returns how many of n changes survive.
func (c chance) upTo(n int) int {
	switch c.how {
	case nothing:
		return 0
	case everything:
		return n
	}
	if c.how == any_ && c.rng.IntN(2) == 0 {
		return c.rng.IntN(2) * n
	}
	return c.rng.IntN(n + 1)
}

// image is what is left of a file.
func (c chance) image(f *file) []byte {
	n := len(f.unsynced)
	if n == 0 {
		return f.synced
	}
	most := int64(len(f.synced))
	for _, x := range f.unsynced {
		most = max(most, x.size)
	}
	all := c.upTo(n)
	upTo := make([]int, most/c.grain+1)
	for i := range upTo {
		if upTo[i] = all; c.how == any_ {
			upTo[i] = c.upTo(n)
		}
	}
	out := make([]byte, most)
	copy(out, f.synced)
	for i, x := range f.unsynced {
		from, to := x.span(most)
		for at := from; at < to; {
			g := at / c.grain
			end := min(to, (g+1)*c.grain)
			if i < upTo[g] {
				x.put(out[at:end], at)
			}
			at = end
		}
	}
	size := int64(len(f.synced))
	if all > 0 {
		size = f.unsynced[all-1].size
	}
	return out[:size]
}
