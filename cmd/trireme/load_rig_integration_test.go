//go:build integration

package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"trireme/bench/cluster"
)

// load is everything that happens on a donor at once: clients that commit to a ledger, changes in tables of every kind, DDL.
type load struct {
	w     *cluster.Writer
	m     *cluster.Mix
	c     *churn
	least int64 // rounds of the mix when the join began
}

// startLoad starts the load on node 1 and returns when it is under way: a join of a quiet donor proves nothing here.
func (r *joinRig) startLoad(t *testing.T, ctx context.Context, seed uint64) *load {
	t.Helper()
	return r.startLoadOn(t, ctx, r.one, cluster.WriterConfig{Clients: 2, Seed: seed})
}

func (r *joinRig) startLoadOn(t *testing.T, ctx context.Context, n *cluster.Node, config cluster.WriterConfig) *load {
	t.Helper()
	must(t, n.Exec(ctx, "DROP DATABASE IF EXISTS writer"))
	l := &load{}
	var err error
	l.w, err = cluster.StartWriter(ctx, n, config)
	must(t, err)
	t.Cleanup(func() { _, _ = l.w.Stop() })
	l.m, err = cluster.StartMix(ctx, n, config.Seed)
	must(t, err)
	t.Cleanup(func() { _, _ = l.m.Stop() })
	l.c, err = startChurn(ctx, n)
	must(t, err)
	t.Cleanup(func() { _, _ = l.c.stop() })
	until(t, ctx, "the load is under way", func() bool { return l.w.Load().Commits > 50 && l.m.Rounds() > 2 })
	l.least = l.m.Rounds()
	return l
}

// stop ends the load and says what it came to.
func (l *load) stop(t *testing.T) cluster.Load {
	t.Helper()
	rounds, err := l.c.stop()
	must(t, err)
	mixed, err := l.m.Stop()
	must(t, err)
	w, err := l.w.Stop()
	must(t, err)
	t.Logf("load: %d commits, longest gap %.3f s; %d rounds over tables of all kinds, %d rounds of DDL", w.Commits, w.LongestGap.Seconds(), mixed, rounds)
	return w
}

// check stops the load and holds the joiner against node 1 by O2 to O4 and O6.
func (l *load) check(t *testing.T, ctx context.Context, r *joinRig, n *cluster.Node) {
	t.Helper()
	l.stop(t)
	must(t, l.w.CheckLedger(ctx, r.one))
	oracle(t, "O6", l.w.CheckLedger(ctx, n))
	oracle(t, "O2", l.m.CheckLocal(ctx, n, l.least)) // the part that is not replicated
	r.exact(t, ctx, n)
}

// tallyLock notes how long the donor was locked for the last join.
func (r *joinRig) tallyLock(t *testing.T) {
	t.Helper()
	s := lastSummary(t, r.one)
	t.Logf("donor locked for %.3f s, of which its server took %.3f s to lock; predicted were %.3f s; %d passes", s.LockSeconds, s.LockWait, s.LockPredicted, s.Passes)
	soaked.of(t, func(k *tallied) {
		k.locks = append(k.locks, s.LockSeconds)
		switch {
		case s.LockPredicted <= 0: // there were no live passes
		case s.LockWait > s.LockPredicted:
			k.waited++
		default:
			k.accuracy = append(k.accuracy, s.LockSeconds/s.LockPredicted)
		}
	})
}

// own sets options of [trireme] for node 1 until the test ends; the program reads them at its next start.
func (r *joinRig) own(t *testing.T, options map[string]string) {
	t.Helper()
	for k, v := range options {
		r.one.Set("trireme", k, v)
	}
	must(t, r.one.WriteOptions())
	t.Cleanup(func() {
		for k := range options {
			r.one.Unset("trireme", k)
		}
		must(t, r.one.WriteOptions())
	})
}

// granted matches the donor's line about a granted lock; the position follows.
var granted = regexp.MustCompile(`locked after ([0-9.]+) s at ([0-9a-f-]+):(-?[0-9]+)`)

// windows are the seqnos of the lock windows in what a donor said.
func windows(t *testing.T, said []string) (seqnos []int64) {
	t.Helper()
	for _, line := range said {
		if m := granted.FindStringSubmatch(line); m != nil {
			n, err := strconv.ParseInt(m[3], 10, 64)
			must(t, err)
			seqnos = append(seqnos, n)
		}
	}
	return seqnos
}

// figure is the number at the first group of the last line that matches; the test fails without one.
func figure(t *testing.T, said []string, pattern string) float64 {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for i := len(said) - 1; i >= 0; i-- {
		if m := re.FindStringSubmatch(said[i]); m != nil {
			x, err := strconv.ParseFloat(m[1], 64)
			must(t, err)
			return x
		}
	}
	t.Fatalf("no line like %q in:\n%s", pattern, strings.Join(said, "\n"))
	return 0
}

// spoken are the lines that the programs of a role have printed to the server since the records were cleared, oldest call first.
func (r *joinRig) spoken(t *testing.T, role string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.records, role+".*.out"))
	must(t, err)
	var lines []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		must(t, err)
		lines = append(lines, strings.Split(strings.TrimSpace(string(data)), "\n")...)
	}
	return lines
}

// clearRecords forgets what the wrappers have recorded.
func (r *joinRig) clearRecords(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.records, "*.out"))
	must(t, err)
	for _, f := range files {
		must(t, os.Remove(f))
	}
}
