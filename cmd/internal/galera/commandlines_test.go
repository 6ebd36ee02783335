package galera

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCommandLines lets the shell split the command lines of all families, as it does for the servers, and compares what
// they mean with testdata/commandlines.golden.
func TestCommandLines(t *testing.T) {
	corpus, err := os.ReadFile(filepath.Join("testdata", "commandlines.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(corpus)) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			fmt.Fprintf(&got, "# %s\n", comment)
			continue
		}
		words, ok := strings.CutPrefix(line, "wsrep_sst_trireme ")
		if !ok {
			continue
		}
		// printf repeats its format for each word.
		out, err := exec.Command("sh", "-c", `printf '%s\000' `+words).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		argv := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		a, err := ParseArgs(argv)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		fmt.Fprintf(&got, "  family %v, reads its input %v, may report progress %v\n", a.Family, a.ReadsStdin(), a.MayReportProgress())
		v := reflect.ValueOf(a)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Family" && !v.Field(i).IsZero() {
				fmt.Fprintf(&got, "  %s %+q\n", name, fmt.Sprint(v.Field(i).Interface()))
			}
		}
		if a.Role == RoleJoiner {
			addr, err := a.ParsedAddress()
			fmt.Fprintf(&got, "  listens for %s (%v)\n", addr.HostPort(), err)
		}
		got.WriteByte('\n')
	}
	path := filepath.Join("testdata", "commandlines.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d of %s:\n got %s\nwant %s", i+1, path, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Fatalf("%s has %d lines, want %d", path, len(w), len(g))
	}
}
