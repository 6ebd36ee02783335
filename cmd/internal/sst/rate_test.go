package sst

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trireme/cmd/internal/galera"
)

// TestWatchRate edits the option file and signals, as an operator would: the new limit arrives, a file that cannot be used changes
// nothing, and once the watch has ended the signal does no harm.
func TestWatchRate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my.cnf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	c := &call{
		args: galera.Args{Role: galera.RoleDonor, Datadir: t.TempDir(), Defaults: galera.Defaults{File: file}},
		log:  galera.NewLog(galera.LogConfig{W: &log}),
	}
	changes, stop := c.watchRate()
	want := func(text string, rate int64) {
		t.Helper()
		write(text)
		if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-changes:
			if got != rate {
				t.Errorf("%q: %d, want %d", text, got, rate)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q: nothing arrived", text)
		}
	}
	want("[trireme]\nrate-limit=10m\n", 10<<20)
	want("[sst]\nrlimit=3M\n", 3<<20)
	want("[mysqld]\nport=1\n", 0)

	write("[trireme]\nrate-limit=quick\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-changes:
		t.Errorf("a file that cannot be used: %d", got)
	case <-time.After(300 * time.Millisecond): // the file is read within milliseconds; a late answer fails the next case
	}
	stop()
	if !strings.Contains(log.String(), "rate-limit stays as it is: ") || !strings.Contains(log.String(), "my.cnf:2") {
		t.Errorf("log: %s", log.String())
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
}
