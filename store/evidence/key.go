package evidence

import (
	"net/url"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

const (
	dayLayout  = "2006/01/02/"
	timeLayout = "20060102T150405.000000Z"
	ending     = ".parquet"
)

// escape makes a name one part of a path.
func escape(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}

// prefixOf is what all keys of an asset begin with.
func prefixOf(id asset.ID) string { return escape(string(id)) + "/" }

// keyOf is the key of a window below its asset.
func keyOf(channel string, start time.Time) string { return escape(channel) + "/" + timePart(start) }

// timePart is the part of a key that says when, to be compared as text.
func timePart(t time.Time) string {
	t = t.UTC().Truncate(time.Microsecond)
	return t.Format(dayLayout) + t.Format(timeLayout) + ending
}

// parseKey reads a key below an asset; ok is false for what keyOf does not write.
func parseKey(key string) (channel string, start time.Time, ok bool) {
	part, _, _ := strings.Cut(key, "/")
	channel, err := url.PathUnescape(part)
	if err != nil {
		return "", start, false
	}
	name := strings.TrimSuffix(key[strings.LastIndexByte(key, '/')+1:], ending)
	start, err = time.Parse(timeLayout, name)
	return channel, start, err == nil && channel != "" && keyOf(channel, start) == key
}
