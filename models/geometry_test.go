package models

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// glb builds a binary glTF by the layout of the specification: header, then chunks.
func glb(version uint32, chunks ...string) []byte {
	var body []byte
	for i, c := range chunks {
		kind := "JSON"
		if i > 0 {
			kind = "BIN\x00"
		}
		for len(c)%4 != 0 {
			c += " "
		}
		body = binary.LittleEndian.AppendUint32(body, uint32(len(c)))
		body = append(append(body, kind...), c...)
	}
	file := binary.LittleEndian.AppendUint32([]byte("glTF"), version)
	file = binary.LittleEndian.AppendUint32(file, uint32(12+len(body)))
	return append(file, body...)
}

func TestGeometryIsGLTF2InOneFile(t *testing.T) {
	const scene = `{"asset":{"version":"2.0"},"buffers":[{"byteLength":8}]}`
	for name, tc := range map[string]struct {
		file      []byte
		media, no string
	}{
		"binary":             {glb(2, scene, "12345678"), mediaGLB, ""},
		"text":               {[]byte(`{"asset":{"version":"2.0"}}`), mediaGLTF, ""},
		"data URI":           {[]byte(`{"asset":{"version":"2.0"},"buffers":[{"byteLength":1,"uri":"data:application/octet-stream;base64,AA=="}]}`), mediaGLTF, ""},
		"image in a buffer":  {glb(2, `{"asset":{"version":"2.0"},"images":[{"bufferView":0}]}`), mediaGLB, ""},
		"binary of 1":        {glb(1, scene), "", "version 1"},
		"asset of 1.0":       {[]byte(`{"asset":{"version":"1.0"}}`), "", "asset.version"},
		"no asset":           {[]byte(`{}`), "", "asset.version"},
		"buffer elsewhere":   {[]byte(`{"asset":{"version":"2.0"},"buffers":[{"byteLength":1,"uri":"cube.bin"}]}`), "", "cube.bin"},
		"image elsewhere":    {[]byte(`{"asset":{"version":"2.0"},"images":[{"uri":"https://x.org/a.png"}]}`), "", "a.png"},
		"buffer of nothing":  {glb(2, scene), "", "buffer 0"},
		"buffer too short":   {glb(2, scene, "1234"), "", "buffer 0"},
		"cut":                {glb(2, scene, "12345678")[:40], "", "header says"},
		"ends in the header": {[]byte("glTF\x02"), "", "ends in its header"},
		"no chunk":           {glb(2), "", "without a chunk"},
		"no scene":           {append(append([]byte("glTF\x02\x00\x00\x00\x14\x00\x00\x00"), 0, 0, 0, 0), "BIN\x00"...), "", "scene"},
		"chunk too long":     {append(append([]byte("glTF\x02\x00\x00\x00\x14\x00\x00\x00"), 255, 255, 255, 255), "JSON"...), "", "longer"},
		"something else":     {[]byte("solid cube"), "", "neither"},
		"nothing":            {nil, "", "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			media, err := checkGeometry(tc.file)
			switch {
			case tc.no == "" && (err != nil || media != tc.media):
				t.Errorf("%q, %v; want %q", media, err, tc.media)
			case tc.no != "" && (!errors.Is(err, ErrContract) || !strings.Contains(err.Error(), tc.no)):
				t.Errorf("%v; want ErrContract and %q", err, tc.no)
			}
		})
	}
}

func FuzzGeometry(f *testing.F) {
	f.Add(glb(2, `{"asset":{"version":"2.0"}}`, "1234"))
	f.Add([]byte(`{"asset":{"version":"2.0"}}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		if media, err := checkGeometry(file); err == nil && media == "" {
			t.Error("taken without a media type")
		}
	})
}
