//go:build integration

package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mark is what tells whether a file was touched at all.
type mark struct {
	inode      uint64
	size       int64
	mode       fs.FileMode
	mtim, ctim syscall.Timespec
}

// marks lists every file and directory of a datadir, except what the provider itself writes while it looks for a donor.
func marks(t *testing.T, root string) map[string]mark {
	t.Helper()
	found := map[string]mark{}
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel == "." || rel == "galera.cache" || rel == "grastate.dat" || rel == "gvwstate.dat" || strings.HasPrefix(rel, "gvwstate.dat") {
			return nil // the directory's own times move with the provider's files
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		found[rel] = mark{st.Ino, st.Size, info.Mode(), st.Mtim, st.Ctim}
		return nil
	}))
	return found
}

// TestIST is T-16: a node that was away briefly gets its missing transactions from the group, and the program neither moves data nor
// touches a file.
func TestIST(t *testing.T) {
	ctx, r := sharedRig(t)
	n := r.two
	r.fresh(t, n)
	r.join(t, ctx, n)
	must(t, n.Stop(ctx))
	must(t, r.one.Exec(ctx, "CREATE DATABASE IF NOT EXISTS away; CREATE OR REPLACE TABLE away.t AS SELECT seq FROM away.seq_1_to_1000"))
	defer func() { _ = r.one.Exec(ctx, "DROP DATABASE IF EXISTS away") }()
	before := marks(t, n.Datadir())
	grastate := inode(t, filepath.Join(n.Datadir(), "grastate.dat"))
	uuid := r.uuid(t, ctx)
	donorSays := since(r.one)
	r.holding(t, uuid)
	r.start(t, ctx, n)
	// The joiner's program has done all it does; its server, which opens its files only after the last line, has not read it.
	r.held(t, ctx, uuid)
	ended(t, ctx, n)
	after := marks(t, n.Datadir())
	for rel, was := range before {
		now, ok := after[rel]
		switch {
		case !ok:
			t.Errorf("%s is gone", rel)
		case now != was:
			t.Errorf("%s was touched: %s", rel, difference(was, now))
		}
	}
	for rel := range after {
		if _, ok := before[rel]; !ok {
			t.Errorf("%s is new", rel)
		}
	}
	if len(before) < 300 {
		t.Errorf("the comparison covered only %d names", len(before))
	}
	if now := inode(t, filepath.Join(n.Datadir(), "grastate.dat")); now != grastate {
		t.Errorf("grastate.dat is inode %d, was %d", now, grastate)
	}
	r.release(t)
	must(t, n.WaitSynced(ctx))
	if !says(n.ScriptLog(), "bypass: IST follows from "+uuid) || !says(n.ScriptLog(), "no data was moved and no file was touched") {
		t.Errorf("the joiner does not say that IST follows: %q", n.ScriptLog())
	}
	if !says(donorSays(), "bypass: IST follows from "+uuid) {
		t.Errorf("the donor does not say that IST follows: %q", donorSays())
	}
	if log := n.ErrorLog(); !strings.Contains(log, "IST received") && !strings.Contains(log, "Receiving IST") {
		t.Error("the server's log has no word of IST: the bypass was not one")
	}
	r.exact(t, ctx, n)
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Stat(path, &st))
	return st.Ino
}

func difference(was, now mark) string {
	at := func(ts syscall.Timespec) string { return time.Unix(ts.Unix()).UTC().Format("15:04:05.000000000") }
	return fmt.Sprintf("inode %d %d, size %d %d, mode %v %v, mtime %s %s, ctime %s %s", was.inode, now.inode, was.size, now.size,
		was.mode, now.mode, at(was.mtim), at(now.mtim), at(was.ctim), at(now.ctim))
}
