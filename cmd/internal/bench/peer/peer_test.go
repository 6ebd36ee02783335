package peer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDivide: every file is in one list, and none has twice the bytes of another when that can be helped.
func TestDivide(t *testing.T) {
	dir := t.TempDir()
	sizes := map[string]int{"a/big": 900 << 10, "a/half": 500 << 10, "b/rest": 450 << 10, "empty": 0, "with space": 10}
	for name, n := range sizes {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lists, err := divide(&Job{Source: dir, Scratch: t.TempDir(), Parallel: 2})
	if err != nil || len(lists) != 2 {
		t.Fatal(lists, err)
	}
	seen := map[string]bool{}
	for _, l := range lists {
		b, err := os.ReadFile(l)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for name := range strings.Lines(string(b)) {
			name = strings.TrimSuffix(name, "\n")
			if _, ok := sizes[name]; !ok || seen[name] {
				t.Errorf("%q is in the lists", name)
			}
			seen[name] = true
			sum += sizes[name]
		}
		if sum < 800<<10 || sum > 1000<<10 {
			t.Errorf("a list of %d bytes: %s", sum, b)
		}
	}
	if len(seen) != len(sizes) {
		t.Errorf("%v are in the lists", seen)
	}
}

// TestHeard: events come in pieces, and lines that are none are passed over.
func TestHeard(t *testing.T) {
	h := &heard{ticket: make(chan string, 1)}
	for _, piece := range []string{"{\"event\":\"note\"}\n{\"event\":\"listen", "ing\",\"ticket\":\"T\"}\nnothing\n", "{\"event\":\"progress\",\"phase\":\"copying\"}\n{\"event\":\"progress\",\"phase\":\"copying\"}\n",
		"{\"event\":\"end\",\"wire_bytes\":7,\"bytes_sent\":5}\n{\"event\":\"listening\",\"ticket\":\"again\"}\n"} {
		if n, err := h.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := <-h.ticket; got != "T" || len(h.marks) != 1 || h.summary.Wire != 7 || h.summary.Sent != 5 {
		t.Errorf("%q, %v, %+v", got, h.marks, h.summary)
	}
}

// TestPick names who is missing, and refuses whom nobody knows.
func TestPick(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	in, missing, err := Pick(All("/bin/true", ""), []string{"trireme", "rsync+socat", "mariabackup"})
	if err != nil || len(in) != 1 || in[0].Name != "trireme" || len(missing) != 2 || missing[0] != "rsync+socat: needs rsync, socat" {
		t.Errorf("%v, %q, %v", in, missing, err)
	}
	if _, _, err := Pick(All("/bin/true", ""), []string{"scp"}); err == nil || !strings.Contains(err.Error(), "tar+socat") {
		t.Error(err)
	}
	if in, _, err := Pick(All("/bin/true", "/bin/false"), []string{"other", "other-plain"}); err != nil || len(in) != 2 || in[0].Binary != "/bin/false" {
		t.Error(in, err)
	}
}
