package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWords calls the program as people do.
func TestWords(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sst := filepath.Join(t.TempDir(), "wsrep_sst_trireme")
	if err := os.Symlink(self, sst); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words       []string
		code        int
		out, errors string // a part of each; empty: nothing is printed
	}{
		{[]string{"--help"}, 0, "wsrep_sst_method=trireme", ""},
		{[]string{"-h"}, 0, "started by a Galera server", ""},
		{nil, 22, "", "does nothing by hand"},
		{[]string{"--help", "--role"}, 22, "", "--role"},
	} {
		var out, errors bytes.Buffer
		cmd := exec.Command(sst, c.words...)
		cmd.Stdout, cmd.Stderr = &out, &errors
		_ = cmd.Run() // its code is looked at
		if got := cmd.ProcessState.ExitCode(); got != c.code {
			t.Errorf("%q: exit code %d, want %d\n%s", c.words, got, c.code, errors.String())
		}
		for _, s := range []struct{ got, want string }{{out.String(), c.out}, {errors.String(), c.errors}} {
			if !strings.Contains(s.got, s.want) || s.want == "" && s.got != "" {
				t.Errorf("%q: said %q, want %q", c.words, s.got, s.want)
			}
		}
	}
	for words, code := range map[string]int{
		"": 2, "version": 0, "--version": 0, "help": 0, "version x": 2, "clone": 2,
	} {
		if got := run(append([]string{"trireme"}, strings.Fields(words)...)); got != code {
			t.Errorf("trireme %s: exit code %d, want %d", words, got, code)
		}
	}
}
