package spool

import "fmt"

// Skip moves the cursor behind the next n records, for good, as Done does behind a batch.
func (s *Spool) Skip(n uint64) error {
	s.reader.Lock()
	defer s.reader.Unlock()
	w := walk{s: s}
	if w.begin() {
		return ErrClosed
	}
	for end := w.at.seq + n; w.at.seq < end; {
		x, err := w.step(false)
		if err != nil {
			return fmt.Errorf("spool %s: %w", s.opt.Dir, err)
		}
		if x.frame == nil && x.loss == nil {
			return fmt.Errorf("spool: Skip: %d is not allowed: want at most the %d records that there are", n, n-(end-w.at.seq))
		}
		w.take(x)
	}
	s.issued = Position{}
	return s.move(w.at)
}

// left is a record that was not passed on, or a loss in its place.
type left struct {
	record Record
	loss   *Loss
}

// rest reads all that follows the cursor, which stays where it is.
func (s *Spool) rest() ([]left, error) {
	s.reader.Lock()
	defer s.reader.Unlock()
	w := walk{s: s}
	if w.begin() {
		return nil, ErrClosed
	}
	var out []left
	for {
		x, err := w.step(true)
		switch {
		case err != nil:
			return nil, fmt.Errorf("spool %s: %w", s.opt.Dir, err)
		case x.loss != nil:
			out = append(out, left{loss: x.loss})
		case x.frame != nil:
			r, err := record(*x.frame)
			if err != nil {
				return nil, fmt.Errorf("spool %s: %w", s.opt.Dir, err)
			}
			out = append(out, left{record: r})
		default:
			return out, nil
		}
		w.take(x)
	}
}
