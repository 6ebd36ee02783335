package msg

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors instead of checking them")

// vectorDir holds one file for each sample: the frame type, what a parser must say,
// and the body in hex. Another implementation can be tested with them.
const vectorDir = "../../testdata/proto"

// TestVectors compares the encoders with the stored bytes: a change of the format
// cannot pass unnoticed.
func TestVectors(t *testing.T) {
	for _, s := range samples() {
		b := s.m.Append(nil)
		if len(b) > 4096 {
			continue // sizes, not layouts
		}
		path := filepath.Join(vectorDir, s.name+".txt")
		text := fmt.Sprintf("message: %v\ntype: 0x%02x\nexpect: accept\nbody: %s\n", s.typ, uint8(s.typ), hex.EncodeToString(b))
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != text {
			t.Errorf("%s: encoded\n%s\nstored\n%s", s.name, text, want)
		}
	}
}

// TestStoredVectors runs every file through its parser, the refused ones included.
func TestStoredVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	parsers := map[string]func([]byte) (message, error){}
	for _, s := range samples() {
		parsers[fmt.Sprintf("0x%02x %s", uint8(s.typ), s.name)] = s.parse
		if _, ok := parsers[fmt.Sprintf("0x%02x", uint8(s.typ))]; !ok {
			parsers[fmt.Sprintf("0x%02x", uint8(s.typ))] = s.parse
		}
	}
	refused := 0
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head := map[string]string{}
		for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
			k, v, ok := strings.Cut(line, ": ")
			if !ok && k != "body:" {
				t.Fatalf("%s: line %q", path, line)
			}
			switch k {
			case "message", "type", "expect", "body", "body:", "why":
				head[strings.TrimSuffix(k, ":")] = v
			default:
				t.Fatalf("%s: unknown key %q", path, k)
			}
		}
		body, err := hex.DecodeString(head["body"])
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		parse := parsers[head["type"]+" "+name]
		if parse == nil {
			parse = parsers[head["type"]]
		}
		if parse == nil {
			t.Fatalf("%s: no parser for type %s", path, head["type"])
		}
		m, err := parse(body)
		switch head["expect"] {
		case "accept":
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if !bytes.Equal(m.Append(nil), body) {
				t.Errorf("%s: not canonical", path)
			}
		case "refuse":
			refused++
			if err == nil {
				t.Errorf("%s: accepted, though %s", path, head["why"])
			}
		default:
			t.Errorf("%s: expect %q", path, head["expect"])
		}
	}
	if refused < 3 {
		t.Errorf("only %d vectors to refuse", refused)
	}
}
