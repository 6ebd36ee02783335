//go:build !integration

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// TestSecondTransferGivesUp starts a program in a datadir where another one works and will not end: after half a minute, as
// long as the stock scripts wait, it says who that is.
func TestSecondTransferGivesUp(t *testing.T) {
	t.Parallel()
	r := families(t, "M10.11", "M10.11")
	first := r.StartJoiner()
	pid, err := os.ReadFile(filepath.Join(r.Take.Datadir, "wsrep_sst.pid"))
	if err != nil {
		t.Fatal(err)
	}
	second := serveremul.StartJoiner(t, r.To, nil, r.Take).Wait()
	mustFail(t, "second joiner", second, 114, "wsrep_sst.pid is held by process "+strings.TrimSpace(string(pid)))
	if second.Ready != "" {
		t.Errorf("the second joiner told the address %q", second.Ready)
	}
	r.MustBeUntouched()
	first.Signal(syscall.SIGTERM)
	mustFail(t, "first joiner", first.Wait(), 3)
}
