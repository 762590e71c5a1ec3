package models

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// The binary form of glTF 2.0 (Khronos glTF 2.0 specification, section 4): a
// header of magic, version and length, then chunks of length, type and content.
const (
	glbMagic  = "glTF"
	glbHeader = 12
	glbJSON   = 0x4E4F534A
	glbBinary = 0x004E4942
)

// gltf is what is read of a scene: who wrote it for which version, and where its
// buffers and images lie.
type gltf struct {
	Asset struct {
		Version    string `json:"version"`
		MinVersion string `json:"minVersion"`
	} `json:"asset"`
	Buffers []struct {
		URI        *string `json:"uri"`
		ByteLength int64   `json:"byteLength"`
	} `json:"buffers"`
	Images []struct {
		URI        *string `json:"uri"`
		BufferView *int    `json:"bufferView"`
	} `json:"images"`
}

// checkGeometry says which form of glTF 2.0 a file has, and refuses one that
// needs another file.
func checkGeometry(file []byte) (mediaType string, err error) {
	text, binaryBytes, mediaType := file, int64(-1), mediaGLTF
	if bytes.HasPrefix(file, []byte(glbMagic)) {
		mediaType = mediaGLB
		if text, binaryBytes, err = glbChunks(file); err != nil {
			return "", err
		}
	}
	var g gltf
	if err := json.Unmarshal(text, &g); err != nil {
		return "", fmt.Errorf("%w: neither glTF 2.0 (JSON) nor its binary form: %w", ErrContract, err)
	}
	if wrong := g.wrong(binaryBytes); len(wrong) > 0 {
		return "", fmt.Errorf("%w: %s", ErrContract, strings.Join(wrong, "; "))
	}
	return mediaType, nil
}

// glbChunks takes the scene and the size of the binary chunk out of a binary file.
func glbChunks(file []byte) (text []byte, binaryBytes int64, err error) {
	if len(file) < glbHeader {
		return nil, 0, fmt.Errorf("%w: a binary glTF of %d bytes ends in its header", ErrContract, len(file))
	}
	if v := binary.LittleEndian.Uint32(file[4:]); v != 2 {
		return nil, 0, fmt.Errorf("%w: binary glTF of version %d: 2 is expected", ErrContract, v)
	}
	if n := binary.LittleEndian.Uint32(file[8:]); int64(n) != int64(len(file)) {
		return nil, 0, fmt.Errorf("%w: the header says %d bytes, the file has %d", ErrContract, n, len(file))
	}
	binaryBytes = -1
	rest := file[glbHeader:]
	for i := 0; len(rest) > 0; i++ {
		if len(rest) < 8 || int64(binary.LittleEndian.Uint32(rest)) > int64(len(rest)-8) {
			return nil, 0, fmt.Errorf("%w: chunk %d of the binary glTF is longer than the file", ErrContract, i)
		}
		n, kind := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
		switch {
		case i == 0 && kind != glbJSON:
			return nil, 0, fmt.Errorf("%w: the first chunk of a binary glTF is its scene in JSON", ErrContract)
		case i == 0:
			text = rest[8 : 8+n]
		case i == 1 && kind == glbBinary:
			binaryBytes = int64(n)
		}
		rest = rest[8+n:]
	}
	if text == nil {
		return nil, 0, fmt.Errorf("%w: a binary glTF without a chunk", ErrContract)
	}
	return text, binaryBytes, nil
}

// wrong lists what is not taken; binaryBytes is the size of the binary chunk, -1
// for none.
func (g gltf) wrong(binaryBytes int64) []string {
	var w []string
	if g.Asset.Version != "2.0" || g.Asset.MinVersion != "" && g.Asset.MinVersion != "2.0" {
		w = append(w, fmt.Sprintf("asset.version %q: 2.0 is expected", g.Asset.Version))
	}
	for i, b := range g.Buffers {
		switch {
		case b.URI != nil && !strings.HasPrefix(*b.URI, "data:"):
			w = append(w, fmt.Sprintf("buffer %d lies in %q: put it into the file (binary glTF, or a data URI)", i, *b.URI))
		case b.URI == nil && i > 0, b.URI == nil && binaryBytes < b.ByteLength:
			w = append(w, fmt.Sprintf("buffer %d of %d bytes is not in the file", i, b.ByteLength))
		}
	}
	for i, m := range g.Images {
		if m.URI != nil && !strings.HasPrefix(*m.URI, "data:") {
			w = append(w, fmt.Sprintf("image %d lies in %q: put it into the file", i, *m.URI))
		} else if m.URI == nil && m.BufferView == nil {
			w = append(w, fmt.Sprintf("image %d has neither a buffer view nor a data URI", i))
		}
	}
	return w
}
