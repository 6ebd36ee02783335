package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// versionVariable is what the test binary says of itself when it is called as a server.
const versionVariable = "FAKE_SERVER_VERSION"

// The test binary plays three parts beside its own: the program under test when it is called by its name, which is main
// itself; the stand-in for a server, see serveremul.Main; and a server that is asked for its version. This cannot wait for
// TestMain, which the tests on real servers have for themselves.
func init() {
	serveremul.Main()
	if strings.HasPrefix(filepath.Base(os.Args[0]), "wsrep_sst_") {
		os.Exit(run(os.Args))
	}
	if slices.Equal(os.Args[1:], []string{"--no-defaults", "--version"}) {
		fmt.Printf("mariadbd  Ver %s for Linux on x86_64 (none)\n", os.Getenv(versionVariable))
		os.Exit(0)
	}
}

// families prepares a transfer by the program under test.
func families(t *testing.T, from, to string) *serveremul.Pair {
	t.Helper()
	return serveremul.NewPair(t, serveremul.ByName(from), serveremul.ByName(to), serveremul.InstallSelf(t, "trireme"))
}

// known lets both programs see running servers of the profiles' versions behind them, where the family does not say its
// version by itself. A program that does not know is more careful, and slower.
func known(t *testing.T, p *serveremul.Pair) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := filepath.Join(t.TempDir(), "mariadbd")
	if err := os.Link(self, server); err != nil {
		content, err := os.ReadFile(self) // on another file system
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(server, content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for o, f := range map[*serveremul.Options]serveremul.Profile{&p.Give: p.From, &p.Take: p.To} {
		if f.Family == "mariadb" {
			o.Server, o.Mortal = server, true
			o.Env = append(o.Env, versionVariable+"="+f.Version)
		}
	}
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
