package ingest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/telltale-iot/telltale/asset"
)

// Letters keeps the newest dead letters on disk, one JSON document a line, so that what
// was refused can be looked at and sent again. It is safe for concurrent use.
type Letters struct {
	dir string
	max int64

	mu   sync.Mutex // guards file, size
	file *os.File
	size int64
	lost int64 // that could not be written
}

// The letters lie in two files: when the newer is full it takes the place of the older.
const (
	newLetters = "dead-letters.ndjson"
	oldLetters = "dead-letters.1.ndjson"
)

// OpenLetters keeps at most about maxBytes in a folder, 64 MiB when it is 0.
func OpenLetters(dir string, maxBytes int64) (*Letters, error) {
	if maxBytes == 0 {
		maxBytes = 64 << 20
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	l := &Letters{dir: dir, max: maxBytes}
	return l, l.open()
}

func (l *Letters) open() error {
	file, err := os.OpenFile(filepath.Join(l.dir, newLetters), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	l.size, err = file.Seek(0, io.SeekEnd)
	if err == nil && l.size > 0 { // a line that was cut short must not spoil the next
		last := make([]byte, 1)
		if _, err = file.ReadAt(last, l.size-1); err == nil && last[0] != '\n' {
			_, err = file.WriteString("\n")
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("dead letters: %w", err), file.Close())
	}
	l.file = file
	return nil
}

// Put keeps a letter. A disk that takes none costs the letter, not the flow: it is
// counted in Lost, and the refusal is counted anyway.
func (l *Letters) Put(d DeadLetter) {
	line, err := json.Marshal(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.write(append(line, '\n'))
	}
	if err != nil {
		l.lost++
	}
}

func (l *Letters) write(line []byte) error {
	if l.size > 0 && l.size+int64(len(line)) > l.max/2 {
		if err := l.file.Close(); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(l.dir, newLetters), filepath.Join(l.dir, oldLetters)); err != nil {
			return err
		}
		if err := l.open(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	return err
}

// Lost counts the letters that could not be kept.
func (l *Letters) Lost() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Newest lists at most limit letters of a reason, or of all when it is empty, the newest first.
func (l *Letters) Newest(reason asset.Reason, limit int) ([]DeadLetter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []DeadLetter
	for _, name := range []string{oldLetters, newLetters} {
		err := eachLetter(filepath.Join(l.dir, name), func(d DeadLetter) {
			if reason != "" && d.Reason != reason {
				return
			}
			if len(out) >= 2*limit {
				out = slices.Delete(out, 0, len(out)-limit)
			}
			out = append(out, d)
		})
		if err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	out = out[max(0, len(out)-limit):]
	slices.Reverse(out)
	return out, nil
}

// eachLetter visits the letters of a file, the oldest first; lines that are none are passed over.
func eachLetter(path string, visit func(DeadLetter)) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		var d DeadLetter
		if len(line) > 0 && json.Unmarshal(line, &d) == nil {
			visit(d)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Close closes the file.
func (l *Letters) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
