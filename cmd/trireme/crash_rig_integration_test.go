//go:build integration

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"trireme/bench/cluster"
)

// processOf waits for the program itself at a node, not a shell in front of it.
func processOf(t *testing.T, ctx context.Context, n *cluster.Node) int {
	t.Helper()
	found := 0
	whileUp(t, ctx, n, "the transfer program runs", func() bool {
		for _, pid := range n.Scripts() {
			if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && strings.HasSuffix(exe, "trireme") {
				found = pid
			}
		}
		return found != 0
	})
	return found
}

// The instants of slowMotion: long enough to get through a copy in a second, and short enough for the renames of a commit.
const (
	longInstant  = 200 * time.Microsecond
	shortInstant = 20 * time.Microsecond
)

// slowMotion lets a process run for an instant at a time until something is so, and leaves it stopped there. It returns false when
// the process ended first. This is how a test gets into the middle of what takes a millisecond.
func slowMotion(t *testing.T, ctx context.Context, pid int, instant time.Duration, so func() bool) bool {
	t.Helper()
	for {
		if syscall.Kill(pid, syscall.SIGSTOP) != nil {
			return false
		}
		for state := ""; state != "T"; {
			if state = stateOf(pid); state == "" || state == "Z" || state == "X" {
				return false
			}
		}
		if so() {
			return true
		}
		if ctx.Err() != nil {
			t.Fatalf("slow motion: %v", context.Cause(ctx))
		}
		if syscall.Kill(pid, syscall.SIGCONT) != nil {
			return false
		}
		// A timer is not exact enough for this.
		for began := time.Now(); time.Since(began) < instant; {
		}
	}
}

// stateOf is the letter of a process's state, empty when there is none.
func stateOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// kill is SIGKILL for processes; one that is gone already is fine.
func kill(pids ...int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// idle waits until no transfer program of a node is left.
func idle(t *testing.T, ctx context.Context, n *cluster.Node) {
	t.Helper()
	until(t, ctx, "no transfer program is left", func() bool { return len(n.Scripts()) == 0 })
}

// down waits until a node's server has given up by itself.
func down(t *testing.T, ctx context.Context, n *cluster.Node) {
	t.Helper()
	until(t, ctx, "the joiner's server gives up", func() bool { return !n.Running() })
}

// keystones are the files of a datadir with which a server would start (R-JOIN-3), under their real names.
func keystones(t *testing.T, n *cluster.Node) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"ibdata*", "undo*", "ib_logfile*", "aria_log*"} {
		names, err := filepath.Glob(filepath.Join(n.Datadir(), pattern))
		must(t, err)
		for _, name := range names {
			if !strings.HasSuffix(name, ".sstpart") {
				found = append(found, filepath.Base(name))
			}
		}
	}
	return found
}

// inTime sets a scene up, once more where its moment was missed because others had the processors then.
func (r *joinRig) inTime(t *testing.T, ctx context.Context, scene func() bool) {
	t.Helper()
	const most = 5
	for try := 1; !scene(); try++ {
		if try == most {
			t.Fatalf("the joiner's program was never stopped in time, %d times", try)
		}
		t.Logf("the joiner's program was not stopped in time, try %d", try)
		r.two.KillAll()
		idle(t, ctx, r.one)
		must(t, r.one.WaitSynced(ctx))
		r.heal(t, ctx)
	}
}

// inFlight brings node 2, which prepare makes ready, into a transfer and stops its program as soon as something is so (nil: at once);
// the donor is then locked or about to be. It returns the program's process and what the donor says of the transfer.
func (r *joinRig) inFlight(t *testing.T, ctx context.Context, prepare func(), so func(donor []string) bool) (pid int, donor func() []string) {
	t.Helper()
	r.inTime(t, ctx, func() bool {
		prepare()
		r.holding(t, "flush tables")
		donor = since(r.one)
		r.start(t, ctx, r.two)
		r.held(t, ctx, "flush tables")
		pid = processOf(t, ctx, r.two)
		must(t, syscall.Kill(pid, syscall.SIGSTOP))
		r.release(t)
		whileUp(t, ctx, r.two, "the donor is locked", func() bool { return says(donor(), "locked after") })
		return so == nil || slowMotion(t, ctx, pid, longInstant, func() bool { return so(donor()) })
	})
	return pid, donor
}

// reason is the first error line of a transfer program.
var reason = regexp.MustCompile(`\[ERROR\].* failed: .+`)

// explains fails the test when a program's lines do not say why it ended.
func explains(t *testing.T, who string, lines []string) {
	t.Helper()
	for _, line := range lines {
		if m := reason.FindString(line); m != "" {
			t.Logf("%s: %s", who, m)
			return
		}
	}
	t.Errorf("%s does not say why it ended: %q", who, lines)
}

// heal joins node 2 once more over whatever it has and compares.
func (r *joinRig) heal(t *testing.T, ctx context.Context) {
	t.Helper()
	r.release(t)
	must(t, r.c.InstallMethod("trireme", binary))
	asks(t, ctx, r.two, r.one, func() error { return r.two.Restart(ctx, false) })
	must(t, r.two.WaitSynced(ctx))
	r.exact(t, ctx, r.two)
	must(t, r.two.Stop(ctx))
}
