package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// The test binary is also the stand-in for a server, and the program under test when it is called by its name. This cannot
// wait for TestMain, of which the tests on real servers have their own.
func init() {
	serveremul.Main()
	if strings.HasPrefix(filepath.Base(os.Args[0]), "wsrep_sst_") {
		os.Exit(run(os.Args))
	}
}

// families prepares a transfer by the program under test.
func families(t *testing.T, from, to string) *serveremul.Pair {
	t.Helper()
	return serveremul.NewPair(t, serveremul.ByName(from), serveremul.ByName(to), serveremul.InstallSelf(t, "trireme"))
}

// mustSay fails the test unless a program's log has every text.
func mustSay(t *testing.T, who string, r serveremul.Result, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.Stderr, text) {
			t.Errorf("the %s does not say %q:\n%s", who, text, r.Stderr)
		}
	}
}

// mustFail fails the test unless the server is told of a failure by this exit code, with a line for people.
func mustFail(t *testing.T, who string, r serveremul.Result, code int, texts ...string) {
	t.Helper()
	if r.Err == nil || r.ExitCode != code || r.Line != "" || r.Done != "" {
		t.Errorf("%s: error %v, exit code %d, want %d; said %q %q\n%s", who, r.Err, r.ExitCode, code, r.Line, r.Done, r.Stderr)
	}
	mustSay(t, who, r, "failed: ")
	mustSay(t, who, r, texts...)
}
