package sst

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/serveremul"
)

// granting is a server behind an Out that grants every lock at once.
type granting struct {
	dir   string
	lines []string
}

func (g *granting) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	g.lines = append(g.lines, line)
	if line == "flush tables" {
		return len(p), os.WriteFile(filepath.Join(g.dir, "tables_flushed"), []byte(serveremul.Position+"\n"), 0o600)
	}
	return len(p), nil
}

// TestLockOfFailedTransfer has the server let go by the end of the transfer itself if that comes under the lock, once, and by
// nothing but the transfer otherwise.
func TestLockOfFailedTransfer(t *testing.T) {
	server := &granting{dir: t.TempDir()}
	args, err := galera.ParseArgs([]string{"--role", "donor"})
	if err != nil {
		t.Fatal(err)
	}
	l := &locker{Locker: galera.NewLocker(galera.LockerConfig{Out: galera.NewOut(server, args), Datadir: server.dir, Family: args.Family})}
	cause := errors.New("the joiner is gone")
	window := func() context.CancelCauseFunc {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		t.Cleanup(func() { cancel(nil) })
		if _, err := l.Lock(ctx); err != nil {
			t.Fatal(err)
		}
		return cancel
	}
	said := func(want string) {
		t.Helper()
		if got := strings.Join(server.lines, ", "); got != want {
			t.Errorf("the server was told %q, want %q", got, want)
		}
		server.lines = nil
	}

	cancel := window()
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
	cancel(cause)
	l.settle()
	said("flush tables, continue")

	window()(cause)
	l.settle()
	said("flush tables, continue")

	// What was read meanwhile must not pass for a copy.
	window()(cause)
	if err := l.Unlock(); !errors.Is(err, cause) {
		t.Errorf("unlocked late: %v", err)
	}
	l.settle()
	said("flush tables, continue")
}

// TestJoinerLostUnderLock has the joiner's program killed when the donor's server is locked and no second attempt is to be had: the
// server is told to go on, and that the transfer failed.
func TestJoinerLostUnderLock(t *testing.T) {
	t.Parallel()
	profile := serveremul.ByName("M10.11")
	p := serveremul.NewPair(t, profile, profile, serveremul.InstallSelf(t, "trireme"))
	p.Known()
	p.Configure("[trireme]\npasses=0\n")
	j := p.StartJoiner()
	p.Give.OnFlush = func() (string, error) {
		j.Signal(syscall.SIGKILL)
		return "", nil
	}
	given := p.StartDonor().Wait()
	j.Wait()
	if len(given.Locks) != 1 || !given.Locks[0].Continued {
		t.Errorf("lock windows %+v", given.Locks)
	}
	if given.ExitCode != galera.ExitPipe || given.Err == nil || given.Done != "" {
		t.Errorf("exit code %d, the server says %v, done %q\n%s", given.ExitCode, given.Err, given.Done, given.Stderr)
	}
}
