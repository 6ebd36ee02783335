//go:build integration

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trireme/bench/cluster"
)

// pair is a cluster of two nodes whose state transfer program is the one under test. Methods stop the test at the first error.
type pair struct {
	*testing.T
	ctx      context.Context
	c        *cluster.Cluster
	one, two *cluster.Node
}

// pairRoom is what a pair needs in memory; elsewhere the disk serves.
const pairRoom = 3 << 30

// newPair makes the cluster; no server runs yet.
func newPair(t *testing.T, config cluster.Config) *pair {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	config.Method, config.Dir, config.Nodes = "trireme", cluster.RoomyDir(pairRoom), 2
	c, err := cluster.New(ctx, config)
	var missing *cluster.MissingError
	if errors.As(err, &missing) {
		cancel()
		t.Skip(missing)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Destroy()
		cancel()
	})
	r := &pair{T: t, ctx: ctx, c: c, one: c.Node(1), two: c.Node(2)}
	r.must(c.InstallMethod("trireme", binary))
	return r
}

// in lends the pair to a subtest.
func (r *pair) in(t *testing.T) *pair {
	s := *r
	s.T = t
	return &s
}

func (r *pair) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// boot founds the cluster with node 1.
func (r *pair) boot() {
	r.Helper()
	r.must(r.one.Init(r.ctx))
	r.must(r.one.Start(r.ctx, true))
	r.must(r.one.WaitSynced(r.ctx))
}

func (r *pair) exec(n *cluster.Node, statements string) {
	r.Helper()
	r.must(n.Exec(r.ctx, statements))
}

// shared makes a directory that the servers may write to.
func (r *pair) shared(name string) string {
	r.Helper()
	dir, err := r.c.Shared(name)
	r.must(err)
	return dir
}

// talk is what the transfer programs of both nodes said during one attempt.
type talk struct{ joiner, donor []string }

// join starts a stopped node and waits until it is synced. What both ends said is returned, and logged when it fails.
func (r *pair) join(joiner, donor *cluster.Node) talk {
	r.Helper()
	mark := len(donor.ErrorLog())
	asks(r.T, r.ctx, joiner, donor, func() error { return joiner.Start(r.ctx, false) })
	if err := joiner.WaitSynced(r.ctx); err != nil {
		r.Fatalf("%v\nthe donor's program said:\n%s", err, strings.Join(scriptLines(donor.ErrorLog()[mark:]), "\n"))
	}
	// The donor prints its summary after the joiner has gone on.
	r.idle(donor)
	if bad := cluster.LogProblems(joiner.ErrorLog()); len(bad) > 0 {
		r.Errorf("the joiner's log has %q", bad)
	}
	return talk{joiner: joiner.ScriptLog(), donor: scriptLines(donor.ErrorLog()[mark:])}
}

// rejoin stops node two and lets it come back by a full transfer over its old data.
func (r *pair) rejoin() talk {
	r.Helper()
	r.must(r.two.Stop(r.ctx))
	r.must(r.two.ForceFullSST())
	return r.join(r.two, r.one)
}

// start starts node two, which joins.
func (r *pair) start() {
	r.Helper()
	asks(r.T, r.ctx, r.two, r.one, func() error { return r.two.Start(r.ctx, false) })
}

// fail starts node two, whose transfer must fail, and waits until its server has ended and the donor is a synced member again
// that takes writes.
func (r *pair) fail() talk {
	r.Helper()
	mark := len(r.one.ErrorLog())
	r.start()
	r.ended()
	r.idle(r.two)
	r.idle(r.one)
	r.must(r.one.WaitSynced(r.ctx))
	r.writable()
	return talk{joiner: r.two.ScriptLog(), donor: scriptLines(r.one.ErrorLog()[mark:])}
}

// ended waits until node two's server has given up, and does not wait for one that joined instead.
func (r *pair) ended() {
	r.Helper()
	r.until("the joiner's server to give up", func() bool {
		if strings.Contains(r.two.ErrorLog(), "Server status change joined -> synced") {
			r.Fatalf("the joiner joined; its program said:\n%s", strings.Join(r.two.ScriptLog(), "\n"))
		}
		return !r.two.Running()
	})
	if err := r.two.Wait(r.ctx); err == nil {
		r.Fatalf("the joiner's server ended in good order; its program said:\n%s", strings.Join(r.two.ScriptLog(), "\n"))
	}
}

// writable proves that the donor is not locked any more.
func (r *pair) writable() {
	r.Helper()
	r.must(r.one.Exec(r.ctx, "CREATE DATABASE IF NOT EXISTS rig; CREATE TABLE IF NOT EXISTS rig.t (id INT PRIMARY KEY AUTO_INCREMENT) ENGINE=InnoDB; INSERT INTO rig.t VALUES ()"))
}

// idle waits until no transfer program of the node runs.
func (r *pair) idle(n *cluster.Node) {
	r.Helper()
	r.until("the transfer program of the node to end", func() bool { return len(n.Scripts()) == 0 })
}

// until polls for a condition that has no event.
func (r *pair) until(what string, done func() bool) {
	r.Helper()
	for !done() {
		select {
		case <-r.ctx.Done():
			r.Fatalf("waiting for %s: %v", what, context.Cause(r.ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func scriptLines(log string) []string {
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "WSREP_SST") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// level picks the lines of one level from what a program said.
func level(lines []string, level string) []string {
	var hits []string
	for _, l := range lines {
		if strings.Contains(l, "WSREP_SST: ["+level+"]") {
			hits = append(hits, l)
		}
	}
	return hits
}

// expectOne demands that exactly one error line was said and that it holds all texts; no texts demand that nothing went wrong.
func (r *pair) expectOne(end string, lines, texts []string) {
	r.Helper()
	hits := level(lines, "ERROR")
	if len(texts) == 0 {
		if len(hits) > 0 {
			r.Errorf("the %s complains without need: %q", end, hits)
		}
		return
	}
	if len(hits) != 1 {
		r.Errorf("the %s has %d error lines, want one:\n%s", end, len(hits), strings.Join(lines, "\n"))
		return
	}
	for _, text := range texts {
		if !strings.Contains(hits[0], text) {
			r.Errorf("the %s's line lacks %q:\n%s", end, text, hits[0])
		}
	}
}

// footprint is how a file can be told to be the same and untouched.
type footprint struct {
	ino   uint64
	mtime time.Time
	size  int64
}

// footprints lists everything below the directories. What belongs to the server that merely starts and ends is left out.
func (r *pair) footprints(dirs ...string) map[string]footprint {
	r.Helper()
	all := map[string]footprint{}
	for _, dir := range dirs {
		r.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil || ofTheServer(rel) {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			p := footprint{ino: info.Sys().(*syscall.Stat_t).Ino, mtime: info.ModTime(), size: info.Size()}
			if rel == "." { // grastate.dat and its like come and go in it
				p.mtime, p.size = time.Time{}, 0
			}
			all[path] = p
			return nil
		}))
	}
	return all
}

func ofTheServer(rel string) bool {
	switch rel {
	case "grastate.dat", "gvwstate.dat", "galera.cache", "mysqld.pid":
		return true
	}
	return strings.HasPrefix(rel, "core")
}

// same reports every difference of two footprints.
func (r *pair) same(before, after map[string]footprint) {
	r.Helper()
	var diff []string
	for path, b := range before {
		if a, ok := after[path]; !ok {
			diff = append(diff, "gone: "+path)
		} else if a != b {
			diff = append(diff, fmt.Sprintf("changed: %s %+v, was %+v", path, a, b))
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			diff = append(diff, "new: "+path)
		}
	}
	slices.Sort(diff)
	if len(diff) > 0 {
		r.Errorf("the joiner's tree was touched:\n%s", strings.Join(diff[:min(len(diff), 20)], "\n"))
	}
}

// put writes a file that the servers own.
func (r *pair) put(path, content string, mode os.FileMode) string {
	r.Helper()
	r.must(os.WriteFile(path, []byte(content), 0o600))
	r.must(r.one.Give(path))
	r.must(os.Chmod(path, mode))
	return path
}
