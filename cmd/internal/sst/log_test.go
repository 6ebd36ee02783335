package sst

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// constants are what differs between two runs of the same transfer, and what stands for it in the golden files.
var constants = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`\([0-9]{8} [0-9:]{8}\.[0-9]{3}\)`), "(TIME)"},
	{regexp.MustCompile(`\b[0-9]+\.[0-9]+ s\b`), "N s"},
	{regexp.MustCompile(`wire [0-9.]+ [KM]?i?B`), "wire SIZE"},
	{regexp.MustCompile(`("(?:seconds|lock_seconds|lock_wait_seconds|lock_predicted_seconds|wire_bytes)"):[-0-9.e]+`), "$1:N"},
}

// constant makes a log comparable. Progress lines, which a slow machine may add, are left out.
func constant(log, address string) string {
	host, port, _ := net.SplitHostPort(address)
	node, _ := os.Hostname()
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, ", ETA ") || strings.Contains(line, "holding back") {
			continue
		}
		for _, c := range constants {
			line = c.pattern.ReplaceAllString(line, c.text)
		}
		line = strings.NewReplacer(host, "ADDRESS", port, "PORT", " "+node+", ", " NODE, ", "from "+node, "from NODE").Replace(line)
		b.WriteString(line)
	}
	return b.String()
}

// golden compares a text with a file in testdata, line by line.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(text, "\n"), strings.Split(string(content), "\n")
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("line %d of %s:\n got %s\nwant %s", i+1, path, g, w)
		}
	}
}

// TestLogs compares what both ends write to their servers' error logs with the golden files: a full transfer over an old
// copy, a bypass, and a transfer that fails.
func TestLogs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, family string
		edit         func(*serveremul.Pair)
	}{
		{"full", "M10.11", func(*serveremul.Pair) {}},
		{"bypass", "M10.11", func(p *serveremul.Pair) { p.Give.Bypass = true }},
		{"full-pxc", "PXC", func(*serveremul.Pair) {}},
		{"lock-refused", "M10.11", func(p *serveremul.Pair) {
			p.Give.OnFlush = func() (string, error) { return "", fmt.Errorf("lock wait timeout exceeded") }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			profile := serveremul.ByName(c.family)
			p := serveremul.NewPair(t, profile, profile, serveremul.InstallSelf(t, "trireme"))
			p.Known()
			c.edit(p)
			given, taken := p.Run()
			hide := func(s string) string {
				return strings.NewReplacer(p.Give.Datadir, "DONOR", p.Take.Datadir, "JOINER").Replace(constant(s, p.Take.Address))
			}
			golden(t, c.name+"-donor", hide(given.Stderr))
			golden(t, c.name+"-joiner", hide(taken.Stderr))
		})
	}
}
