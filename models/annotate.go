package models

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// prefix of every metadata key of the contract.
const prefix = "pdm."

// Annotated is a file with the given metadata, by key without "pdm.", in place of
// what it says of itself. With output, the graph answers that output first; of the
// others only what state names stays.
func Annotated(file []byte, meta map[string]string, output string, state []string) ([]byte, error) {
	if _, err := readGraph(file); err != nil {
		return nil, &ContractError{Unsafe: true, Findings: []Finding{{"file", "is " + err.Error() + ", or was cut off", "copy or export it again"}}}
	}
	var out []byte
	err := parts(file, func(field uint64, raw, sub []byte) error {
		switch field {
		case 7: // graph
			graph, err := withOutput(sub, output, state)
			if err != nil {
				return err
			}
			out = message(out, 7, graph)
			return nil
		case 14: // metadata_props
			if key, _, err := readProp(sub); err != nil || strings.HasPrefix(key, prefix) {
				return err
			}
		}
		out = append(out, raw...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		prop := message(message(nil, 1, []byte(prefix+key)), 2, []byte(meta[key]))
		out = message(out, 14, prop)
	}
	return out, nil
}

// Producer names the tool that wrote a file, and its version; empty where it does not say.
func Producer(file []byte) string {
	var name, version string
	_ = fields(file, func(field, _ uint64, sub []byte) error { // a broken file has no producer
		switch field {
		case 2:
			name = string(sub)
		case 3:
			version = string(sub)
		}
		return nil
	})
	return strings.TrimSpace(name + " " + version)
}

// withOutput is a graph that answers the named output first, then those of state.
func withOutput(graph []byte, output string, state []string) ([]byte, error) {
	if output == "" {
		return graph, nil
	}
	var out []byte
	var names []string
	kept := map[string][]byte{}
	err := parts(graph, func(field uint64, raw, sub []byte) error {
		if field != 12 { // output
			out = append(out, raw...)
			return nil
		}
		v, err := readValueInfo(sub)
		names, kept[v.name] = append(names, v.name), raw
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range append([]string{output}, state...) {
		raw, ok := kept[name]
		if !ok {
			return nil, Refuse(Finding{"graph", fmt.Sprintf("has no output %q: %s", name, strings.Join(names, ", ")), ""})
		}
		out = append(out, raw...)
	}
	return out, nil
}

// parts calls f for each field of a message with all of its bytes.
func parts(b []byte, f func(field uint64, raw, sub []byte) error) error {
	for len(b) > 0 {
		field, _, sub, size, err := next(b)
		if err != nil {
			return err
		}
		if err := f(field, b[:size], sub); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// message appends a field that holds bytes.
func message(to []byte, field uint64, b []byte) []byte {
	to = binary.AppendUvarint(to, field<<3|2)
	to = binary.AppendUvarint(to, uint64(len(b)))
	return append(to, b...)
}

// Metadata are a file's keys of the contract, without "pdm.".
func Metadata(file []byte) (map[string]string, error) {
	g, err := readGraph(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContract, err)
	}
	out := map[string]string{}
	for key, value := range g.props {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			out[rest] = value
		}
	}
	return out, nil
}
