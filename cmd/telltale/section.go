package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/telltale-iot/telltale/class"
)

// options fills a room's options from a class section. Keys are the room's field
// names in snake_case; one that the room does not have is an error that names it.
func options[T any](where string, s class.Section) (T, error) {
	var out T
	body, err := json.Marshal(plainKeys(map[string]any(s)))
	if err != nil {
		return out, fmt.Errorf("%s: %w", where, err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		return out, fmt.Errorf("%s: %s", where, strings.TrimPrefix(err.Error(), "json: "))
	}
	return out, nil
}

// plainKeys removes the underscores from the keys of a section, at every level.
func plainKeys(v any) any {
	switch v := v.(type) {
	case class.Section:
		return plainKeys(map[string]any(v))
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[strings.ReplaceAll(k, "_", "")] = plainKeys(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainKeys(e)
		}
		return out
	}
	return v
}
