package dataset

// lane is a part of a file that can be read once, forwards, and is in order of
// time but for a given slack. A file in order of time is one lane; assets that
// follow one another take a lane each.
type lane struct {
	table *table
	spans []span
	from  int64 // time of the first row
	tail  int64 // newest time
}

// span is the rows [from, to).
type span struct{ from, to int64 }

// lanes sorts the rows of one file into as few lanes as it can.
type lanes struct {
	table *table
	slack int64 // µs
	all   []*lane
	cur   int
}

// add puts a row into the lane in use when the time allows, else into the one
// whose newest row is nearest, else into a new one. It returns the lane's number.
func (l *lanes) add(row, time int64) int {
	if len(l.all) == 0 || time < l.all[l.cur].tail-l.slack {
		l.cur = l.pick(time)
	}
	n := l.all[l.cur]
	n.tail = max(n.tail, time)
	if k := len(n.spans) - 1; k >= 0 && n.spans[k].to == row {
		n.spans[k].to++
	} else {
		n.spans = append(n.spans, span{row, row + 1})
	}
	return l.cur
}

func (l *lanes) pick(time int64) int {
	best := -1
	for i, n := range l.all {
		if n.tail-l.slack <= time && (best < 0 || n.tail > l.all[best].tail) {
			best = i
		}
	}
	if best < 0 {
		best = len(l.all)
		l.all = append(l.all, &lane{table: l.table, from: time, tail: time})
	}
	return best
}
