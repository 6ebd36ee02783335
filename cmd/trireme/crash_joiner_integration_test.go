//go:build integration

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/engine/tree"
)

// victim is what is killed at the joiner.
type victim int

const (
	theProgram victim = iota // kill -9 of the transfer program
	theServer                // kill -9 of the server: the program has to notice
	everything               // a power cut without the loss of the cache
)

// zeroPosition is what galera_recovery finds where there is nothing.
const zeroPosition = "00000000-0000-0000-0000-000000000000:-1"

// TestJoinerKilled is T-21: the joiner's program, its server or both are killed at a point of the transfer. A restart the way systemd
// does it never takes a position from a half-copied datadir, and the next transfer heals it unaided.
func TestJoinerKilled(t *testing.T) {
	ctx, r := sharedRig(t)
	at := func(rel string) string { return filepath.Join(r.two.Datadir(), rel) }
	exists := func(rel string) bool { _, err := os.Lstat(at(rel)); return err == nil }
	half := func([]string) bool {
		size, _, _, err := cluster.Usage(r.two.Datadir())
		return err == nil && size > 100<<20 && !says(r.two.ScriptLog(), "locked pass")
	}
	verifying := func([]string) bool {
		log := r.two.ScriptLog()
		return says(log, "locked pass") && !says(log, "verify pass")
	}
	commit := func() bool { return exists("ibdata1") || exists("undo001") || exists("aria_log_control") }
	points := []struct {
		name   string
		over   bool                      // over an old datadir, otherwise over an empty one
		so     func(donor []string) bool // nil: at once
		then   func() bool               // looked for in small steps from there; nil: nothing
		victim victim
		after  bool // keystones may have their names, as the copy is complete
	}{
		{"prepared", true, nil, nil, theProgram, false},
		{"prepared", false, nil, nil, theServer, false},
		{"in the copy", false, half, nil, everything, false},
		{"at the end of the copy, over an old datadir", true, verifying, nil, everything, false},
		{"in the verify round", false, verifying, nil, theServer, false},
		{"in the verify round", true, verifying, nil, theProgram, false},
		{"in the commit", true, verifying, commit, everything, true},
	}
	for _, p := range points {
		if !t.Run(p.name+" "+[]string{"program", "server", "everything"}[p.victim], func(t *testing.T) {
			pid, donor := r.inFlight(t, ctx, func() {
				if p.over && exists("ibdata1") {
					r.over(t, r.two)
				} else {
					r.fresh(t, r.two)
				}
			}, p.so)
			if p.then != nil && !slowMotion(t, ctx, pid, shortInstant, p.then) {
				t.Log("the program was faster than this test and ended before the point")
			}
			r.strike(t, ctx, pid, p.victim)
			found := keystones(t, r.two)
			if len(found) > 0 && !p.after {
				t.Errorf("after the kill %q have their real names", found)
			}
			t.Logf("killed with marker %v, redo in place %v, %d keystones in place", exists(tree.MarkerName), exists("ib_logfile0"), len(found))
			whole := exists("ib_logfile0")
			idle(t, ctx, r.one)
			if !says(donor(), "complete at") {
				explains(t, "the donor", donor())
			}
			r.writable(t, ctx)
			argument, err := r.two.GaleraRecovery(ctx)
			if between := !whole && (exists("ibdata1") || exists("undo001")); between && err != nil {
				// The one moment that README's limits name: no mixture is used, and the datadir must be emptied.
				t.Logf("killed between two renames; galera_recovery: %v", err)
				r.fresh(t, r.two)
			} else {
				must(t, err)
			}
			if _, position, _ := strings.Cut(argument, "="); !whole && position != "" && position != zeroPosition {
				t.Errorf("galera_recovery found %q in a half-copied datadir", argument)
			}
			// T-24: what was finished before may not be trusted either.
			spoil(t, at("bulk/big.ibd"))
			r.heal(t, ctx)
		}) {
			return
		}
	}
}

// spoil flips a byte in the middle of a file, if there is one, and leaves its times as they were.
func spoil(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if os.IsNotExist(err) || err == nil && info.Size() == 0 {
		return
	}
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], info.Size()/2)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], info.Size()/2)
	must(t, err)
	must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
}

// strike kills and waits until nothing of node 2 is left.
func (r *joinRig) strike(t *testing.T, ctx context.Context, pid int, v victim) {
	t.Helper()
	switch v {
	case theProgram:
		kill(pid)
		down(t, ctx, r.two)
	case theServer:
		r.two.Kill()
		// The program must see for itself that nobody waits for it any more.
		must(t, syscall.Kill(pid, syscall.SIGCONT))
	case everything:
		r.two.KillAll()
	}
	idle(t, ctx, r.two)
}

// TestJoinerKilledWaiting kills the program while it waits for the donor: the node may yet be served by IST, so nothing of its data
// may have been touched (R-JOIN-1), and a restart brings it back.
func TestJoinerKilledWaiting(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	r.fresh(t, n)
	r.join(t, ctx, n)
	must(t, n.Stop(ctx))
	before := marks(t, n.Datadir())
	r.holding(t, "ready")
	r.start(t, ctx, n)
	r.held(t, ctx, "ready")
	kill(n.Scripts()...)
	down(t, ctx, n)
	for rel, was := range before {
		if now, ok := marks(t, n.Datadir())[rel]; !ok || now != was {
			t.Fatalf("%s was touched before the donor came", rel)
		}
	}
	r.heal(t, ctx)
}

// TestJoinerKilledComplete kills everything when the program has printed its coordinates and the server has not read them. The copy
// is whole and says where it is; that the node asks for another one is the provider's care.
func TestJoinerKilledComplete(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	r.fresh(t, n)
	flushed := watchFlushed(r.one)
	defer flushed.stop()
	uuid := r.uuid(t, ctx)
	r.holding(t, uuid)
	r.start(t, ctx, n)
	r.held(t, ctx, uuid)
	ended(t, ctx, n)
	n.KillAll()
	idle(t, ctx, r.one)
	for _, name := range []string{tree.MarkerName, tree.JournalName} {
		if _, err := os.Lstat(filepath.Join(n.Datadir(), name)); !os.IsNotExist(err) {
			t.Errorf("%s is there after the coordinates were printed (%v)", name, err)
		}
	}
	argument, err := n.GaleraRecovery(ctx)
	must(t, err)
	seen := flushed.stop()
	if want := "--wsrep_start_position=" + strings.Fields(seen[len(seen)-1])[0]; !strings.HasPrefix(argument, want) {
		t.Errorf("galera_recovery found %q, want %q", argument, want)
	}
	r.heal(t, ctx)
}

// TestJoinerKilledAnywhere kills everything at moments chosen by a seed, as often as SOAK says; once without it.
func TestJoinerKilledAnywhere(t *testing.T) {
	_, r := sharedRig(t)
	for _, i := range repeats(t, 1) {
		if !repeat(t, i, func(t *testing.T) { killedAnywhere(t, r, i) }) {
			return
		}
	}
}

func killedAnywhere(t *testing.T, r *joinRig, i int) {
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	r.fresh(t, r.two)
	// The transfer takes less than a second here; the delay is the fault that is injected, not a wait for something.
	delay := time.Duration((i-1)*7919%1000) * time.Millisecond
	r.start(t, ctx, r.two)
	said(t, ctx, r.two, "about to receive")
	<-time.After(delay)
	r.two.KillAll()
	idle(t, ctx, r.one)
	whole := len(keystones(t, r.two)) > 0
	argument, err := r.two.GaleraRecovery(ctx)
	must(t, err)
	if _, position, _ := strings.Cut(argument, "="); !whole && position != "" && position != zeroPosition {
		t.Errorf("after %v galera_recovery found %q in a half-copied datadir", delay, argument)
	}
	r.heal(t, ctx)
	soaked.of(t, func(k *tallied) { k.kills++ })
}
