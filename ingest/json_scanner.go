package ingest

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) where it lies: strings are parts of the input, or of text
// when they hold escapes. After the first error it reads nothing more, so that a caller
// asks for err once, at the end. Objects are read with
//
//	for more := s.enter('{'); more; more = s.more('}') {
//		switch string(s.key()) { … default: s.skip() }
//	}
type scanner struct {
	b    []byte
	at   int
	err  error
	text []byte // the newest string with escapes
}

// deepest is how far the values of a message may be nested.
const deepest = 32

func (s *scanner) fail(want string) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d: want %s", s.at, want)
		s.at = len(s.b)
	}
}

// next passes white space and returns the byte to come, 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.b); s.at++ {
		if c := s.b[s.at]; c > ' ' || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// enter passes what opens an object or an array and reports whether it has an element.
func (s *scanner) enter(open byte) bool {
	if s.next() != open {
		s.fail(string(rune(open)))
		return false
	}
	s.at++
	if s.next() == open+2 { // { } and [ ] are two apart
		s.at++
		return false
	}
	return s.err == nil
}

// more passes what follows an element and reports whether there is another one.
func (s *scanner) more(end byte) bool {
	switch c := s.next(); {
	case s.err != nil:
	case c == ',':
		s.at++
		return true
	case c == end:
		s.at++
	default:
		s.fail(", or " + string(rune(end)))
	}
	return false
}

// key reads a member's name with its colon. It holds until the next string.
func (s *scanner) key() []byte {
	k := s.str()
	if s.next() != ':' {
		s.fail(":")
		return nil
	}
	s.at++
	return k
}

// str reads a string. It holds until the next one.
func (s *scanner) str() []byte {
	if s.next() != '"' {
		s.fail("a string")
		return nil
	}
	from := s.at + 1
	for i := from; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.at = i + 1
			return s.b[from:i]
		case c == '\\':
			return s.escaped(from, i)
		case c < ' ':
			s.at = i
			s.fail("no control character in a string")
			return nil
		}
	}
	s.fail("a string that ends")
	return nil
}

// escaped reads a string from its first backslash on.
func (s *scanner) escaped(from, i int) []byte {
	end := i
	for ; end < len(s.b) && s.b[end] != '"'; end++ {
		if s.b[end] == '\\' {
			end++
		} else if s.b[end] < ' ' {
			break
		}
	}
	s.at = i
	if end >= len(s.b) || s.b[end] != '"' {
		s.fail("a string that ends")
		return nil
	}
	if cap(s.text) < end-from {
		s.text = make([]byte, 0, 2*(end-from))
	}
	out := append(s.text[:0], s.b[from:i]...)
	for i < end {
		if s.b[i] != '\\' {
			out = append(out, s.b[i])
			i++
			continue
		}
		var n int
		if out, n = unescape(out, s.b[i:end]); n == 0 {
			s.at = i
			s.fail("an escape of JSON")
			return nil
		}
		i += n
	}
	s.at, s.text = end+1, out
	return out
}

// unescape appends what the escape at the beginning of b stands for and returns its
// length, 0 for none. Half a surrogate pair is no character.
func unescape(out, b []byte) ([]byte, int) {
	const letters, stand = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if len(b) < 2 {
		return out, 0
	}
	if i := bytes.IndexByte([]byte(letters), b[1]); i >= 0 {
		return append(out, stand[i]), 2
	}
	r, ok := hex4(b)
	switch {
	case !ok, r >= 0xDC00 && r < 0xE000:
		return out, 0
	case r < 0xD800 || r >= 0xE000:
		return utf8.AppendRune(out, r), 6
	}
	low, ok := hex4(b[6:])
	if !ok || low < 0xDC00 || low >= 0xE000 {
		return out, 0
	}
	return utf8.AppendRune(out, 0x10000+(r-0xD800)<<10+(low-0xDC00)), 12
}

// hex4 reads \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// null passes a null, if there is one.
func (s *scanner) null() bool {
	if s.next() != 'n' {
		return false
	}
	s.literal("null")
	return true
}

func (s *scanner) literal(word string) {
	if len(s.b)-s.at < len(word) || string(s.b[s.at:s.at+len(word)]) != word {
		s.fail("a value")
		return
	}
	s.at += len(word)
}

// token reads a number without its value.
func (s *scanner) token() []byte {
	s.next()
	b := s.b[s.at:]
	i := 0
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if len(b) > 0 && b[0] == '-' {
		i++
	}
	whole := i
	ok := digits() && (b[whole] != '0' || i == whole+1)
	if ok && i < len(b) && b[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		s.fail("a number")
		return nil
	}
	s.at += i
	return b[:i]
}

func (s *scanner) number() float64 {
	t := s.token()
	if t == nil {
		return 0
	}
	v, err := strconv.ParseFloat(string(t), 64)
	if err != nil {
		s.fail("a number that a float64 can hold")
	}
	return v
}

func (s *scanner) count() uint64 {
	t := s.token()
	if t == nil {
		return 0
	}
	v, err := strconv.ParseUint(string(t), 10, 64)
	if err != nil {
		s.fail("a whole number of at least 0")
	}
	return v
}

// skip passes a value and returns it as it lies there.
func (s *scanner) skip() []byte {
	s.next()
	from := s.at
	s.pass(deepest)
	if s.err != nil {
		return nil
	}
	return s.b[from:s.at]
}

func (s *scanner) pass(depth int) {
	switch c := s.next(); c {
	case '{', '[':
		if depth == 0 {
			s.fail(fmt.Sprintf("values nested at most %d deep", deepest))
			return
		}
		for more := s.enter(c); more; more = s.more(c + 2) {
			if c == '{' {
				s.key()
			}
			s.pass(depth - 1)
		}
	case '"':
		s.str()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.token()
	}
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.next(); s.err == nil && s.at < len(s.b) {
		s.fail("nothing after the value")
	}
	return s.err
}

// compact returns valid JSON as a string without white space between its parts.
func compact(b []byte) string {
	out := make([]byte, 0, len(b))
	inside := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inside && c == '\\':
			out = append(out, c, b[i+1])
			i++
			continue
		case c == '"':
			inside = !inside
		case !inside && c <= ' ':
			continue
		}
		out = append(out, c)
	}
	return string(out)
}
