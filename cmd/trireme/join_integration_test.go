//go:build integration

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trireme/bench/cluster"
	"trireme/engine/tree"
)

// notCopied is what donor and joiner may differ in while the donor is locked, beside what belongs to each server (O5).
func notCopied(rel string) bool {
	switch rel {
	case "ddl_recovery.log", "ddl_recovery-backup.log", "multi-master.info", "mysql_upgrade_info", "tc.log", tree.MarkerName, tree.JournalName:
		return true
	}
	return cluster.NotTransferred(rel)
}

// checkPosition is O1 at the moment when the joiner's program has printed its coordinates and the server has not read them: they
// are those of the donor's last lock window, and the storage engine of the copy agrees.
func checkPosition(t *testing.T, ctx context.Context, r *joinRig, n *cluster.Node, flushed []string) {
	t.Helper()
	if len(flushed) == 0 {
		t.Fatal("no tables_flushed was seen at the donor")
	}
	want := flushed[len(flushed)-1]
	printed := lastLine(t, r, n)
	if printed != want {
		t.Errorf("the joiner printed %q, the donor's last lock window was at %q", printed, want)
	}
	ended(t, ctx, n)
	got := recovered(t, ctx, n)
	soaked.judged("O1", printed == want && got == strings.Fields(want)[0])
	if got != strings.Fields(want)[0] {
		t.Errorf("the copy recovers to %s, the lock window was at %s", got, want)
	}
	if state := "at " + want + ":"; !says(n.ScriptLog(), state) {
		t.Errorf("the joiner's closing line does not say %q", state)
	}
}

// recovered is the position in a copy of a node's datadir. With transactions to roll back and DDL just before, the purge of 10.11.19
// races with the shutdown behind the answer and crashes the server now and then; a damaged copy would crash it each time.
func recovered(t *testing.T, ctx context.Context, n *cluster.Node) string {
	t.Helper()
	const attempts = 3
	var err error
	for range attempts {
		var uuid string
		var seqno int64
		if uuid, seqno, err = n.Recover(ctx); err == nil {
			return fmt.Sprintf("%s:%d", uuid, seqno)
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		t.Logf("%s; once more on a new copy", first)
	}
	t.Fatal(err)
	return ""
}

// ended waits until the program at a node has ended, where its last line is held back: it removes its lock file at the very end.
func ended(t *testing.T, ctx context.Context, n *cluster.Node) {
	t.Helper()
	whileUp(t, ctx, n, "the transfer program has ended", func() bool {
		_, err := os.Stat(filepath.Join(n.Datadir(), "wsrep_sst.pid"))
		return os.IsNotExist(err)
	})
}

// lastLine is the last line of the newest joiner's record; the line that is held back stands in no record yet, so the wrapper's hold
// must be on it and it is taken from the log.
func lastLine(t *testing.T, r *joinRig, n *cluster.Node) string {
	t.Helper()
	for _, line := range n.ScriptLog() {
		if _, rest, ok := strings.Cut(line, "complete at "); ok {
			at := strings.Index(rest, ": ")
			return rest[:max(0, at)]
		}
	}
	t.Fatal("the joiner did not say where it is complete")
	return ""
}

// TestJoin is T-1: an empty datadir, then the same node over its old copy, then a third node, each with all oracles.
func TestJoin(t *testing.T) {
	ctx, r := sharedRig(t)
	uuid := r.uuid(t, ctx)
	steps := []struct {
		name string
		node *cluster.Node
		prep func(t *testing.T, n *cluster.Node)
	}{
		{"empty datadir", r.two, r.fresh},
		{"old datadir", r.two, r.over},
		{"third node", r.three, r.fresh},
	}
	for i, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			n := step.node
			if n.Running() {
				must(t, n.Stop(ctx))
			}
			step.prep(t, n)
			must(t, r.one.Exec(ctx, fmt.Sprintf("CREATE DATABASE IF NOT EXISTS step; CREATE TABLE step.s%d AS SELECT seq, SHA2(seq, 256) h FROM step.seq_1_to_5000", i)))
			t.Cleanup(func() { _ = r.one.Exec(ctx, "DROP DATABASE IF EXISTS step") })
			flushed := watchFlushed(r.one)
			defer flushed.stop()
			r.holding(t, "continue", uuid)
			r.start(t, ctx, n)
			// The donor's program has said "continue", so the joiner goes on to its end, but the donor's server has not heard it and
			// is locked; nor has the joiner's server heard where it is.
			r.held(t, ctx, "continue")
			r.held(t, ctx, uuid)
			lockedTrees(t, ctx, r, n)
			checkPosition(t, ctx, r, n, flushed.stop())
			r.release(t)
			must(t, n.WaitSynced(ctx))
			r.exact(t, ctx, n)
			for _, at := range []*cluster.Node{r.one, n} {
				if s := lastSummary(t, at); s.Result != "complete" || s.Files == 0 || s.WireBytes < s.BytesSent {
					t.Errorf("closing summary %+v", s)
				}
			}
		}) {
			return
		}
	}
	must(t, r.two.Stop(ctx))
	must(t, cluster.CheckOffline(ctx, r.two))
}

// lockedTrees is O5: while the donor is locked, both trees are equal but for what is not copied.
func lockedTrees(t *testing.T, ctx context.Context, r *joinRig, n *cluster.Node) {
	t.Helper()
	x, err := cluster.TreeHash(ctx, r.one.Datadir(), notCopied)
	must(t, err)
	y, err := cluster.TreeHash(ctx, n.Datadir(), notCopied)
	must(t, err)
	held, err := os.Stat(r.at("continue") + ".reached")
	must(t, err)
	// The lock does not stop Aria's checkpoint thread (proto/FINDINGS.md): what it writes after the transfer's last look is in neither copy.
	diff := slices.DeleteFunc(cluster.Diff(x, y), func(line string) bool {
		name, ok := strings.CutPrefix(line, "content: ")
		if !ok || !strings.HasPrefix(name, "aria_log") {
			return false
		}
		at, err := os.Stat(filepath.Join(r.one.Datadir(), name))
		late := err == nil && at.ModTime().After(held.ModTime())
		if late {
			t.Logf("the donor's server has written %s since the transfer looked last, %v after it was done with the lock", name, at.ModTime().Sub(held.ModTime()))
		}
		return late
	})
	soaked.judged("O5", len(diff) == 0)
	if len(diff) > 0 {
		t.Errorf("trees under the lock differ: %q", diff)
	}
	if len(x) < 300 {
		t.Errorf("the comparison covered only %d names", len(x))
	}
	for name, e := range x {
		// Where the donor has holes the joiner has them too, give or take a file system block.
		if holes := e.Size/512 - e.Blocks; holes > e.Size/1024 && y[name].Blocks > e.Blocks+e.Blocks/10+64 {
			t.Errorf("%s takes %d blocks at the joiner, %d at the donor", name, y[name].Blocks, e.Blocks)
		}
	}
}

// TestLeftovers is T-15: what an earlier life left in the joiner's datadir is gone before its server sees the copy, and what belongs
// to the provider was not even touched.
func TestLeftovers(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	if _, err := os.Stat(filepath.Join(n.Datadir(), "ibdata1")); err != nil {
		r.fresh(t, n)
		r.join(t, ctx, n)
		must(t, n.Stop(ctx))
	}
	at := func(rel string) string { return filepath.Join(n.Datadir(), filepath.FromSlash(rel)) }
	plant := func(rel string, data []byte) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(at(rel)), 0o700))
		must(t, n.Give(filepath.Dir(at(rel))))
		must(t, os.WriteFile(at(rel), data, 0o660))
		must(t, n.Give(at(rel)))
	}
	junk := func(size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i*i>>3) ^ byte(i)
		}
		return b
	}
	undo, err := os.ReadFile(at("undo003"))
	must(t, err)
	left := map[string][]byte{
		"ddl_recovery.log": junk(16384), "tc.log": junk(24576), "ib_logfile1": junk(1 << 20), "ib_logfile101": junk(4096), "undo004": undo,
		"zoo/orphan.ibd": junk(65536), "zoo/orphan.frm": junk(900), "stranger/db.opt": []byte("default-character-set=latin1\n"),
		"stranger/t.ibd": junk(98304), "aria_log.00000099": junk(8192), "ibdata1.sstpart": junk(16384), "rsync_sst_complete": junk(10),
	}
	for rel, data := range left {
		plant(rel, data)
	}
	// A state that asks for a full transfer, written in place like the provider does; the cache stays.
	must(t, os.WriteFile(at("grastate.dat"), []byte("# GALERA saved state\nversion: 2.1\nuuid:    00000000-0000-0000-0000-000000000000\nseqno:   -1\nsafe_to_bootstrap: 0\n"), 0o660))
	provider := map[string]os.FileInfo{}
	for _, rel := range []string{"grastate.dat", "galera.cache"} {
		info, err := os.Stat(at(rel))
		must(t, err)
		provider[rel] = info
	}
	// The program is not started before the provider has opened its files; what it makes then must stay as well.
	uuid := r.uuid(t, ctx)
	r.holding(t, uuid)
	r.start(t, ctx, n)
	said(t, ctx, n, "joiner listens")
	if info, err := os.Stat(at("gvwstate.dat")); err == nil {
		provider["gvwstate.dat"] = info
	}
	r.held(t, ctx, uuid)
	for rel := range left {
		if _, err := os.Lstat(at(rel)); !os.IsNotExist(err) {
			t.Errorf("%s is still there after the transfer (%v)", rel, err)
		}
	}
	if _, err := os.Lstat(at("stranger")); !os.IsNotExist(err) {
		t.Errorf("the database of the old life is still there (%v)", err)
	}
	for rel, was := range provider {
		if now, err := os.Stat(at(rel)); err != nil || !os.SameFile(was, now) {
			t.Errorf("%s was replaced (%v)", rel, err)
		}
	}
	r.release(t)
	must(t, n.WaitSynced(ctx))
	r.exact(t, ctx, n)
}
