package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// TestHardLinksOfBasis: files of the old copy that are one file under several names become files of their own, and a name outside keeps
// what it had.
func TestHardLinksOfBasis(t *testing.T) {
	r := newRig(t, t.TempDir())
	items := donor(77)
	r.put(items...)
	name := func(p string) string { return filepath.Join(r.layout.Data, p) }
	mustOK(t, os.Rename(name("aria_log_control"), name("aria_log_control"+tree.PartSuffix))) // of a transfer that was cut off
	backup := t.TempDir()
	was := map[string]string{}
	for _, p := range []string{"db1/t.ibd", "ibdata1", "aria_log_control" + tree.PartSuffix} {
		to := filepath.Join(backup, filepath.Base(p))
		mustOK(t, os.Link(name(p), to))
		b, err := os.ReadFile(to)
		mustOK(t, err)
		was[to] = string(b)
	}
	mustOK(t, os.Remove(name("mysql/user.frm")))
	mustOK(t, os.Link(name("mysql/user.MAD"), name("mysql/user.frm")))
	mustOK(t, os.Remove(name("undo001")))
	mustOK(t, os.Link(name("ib_logfile0"), name("undo001")))
	want := donor(78)
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	for id, it := range want {
		_, err := s.Upsert(it.spec(id))
		mustOK(t, err)
	}
	for id, it := range want {
		if len(it.data) > 0 {
			mustOK(t, s.Apply(uint32(id), 0, []block.Run{{Len: len(it.data)}}, it.data))
		}
	}
	mustOK(t, s.EndPass(t.Context()))
	_, err := s.Seal(t.Context())
	mustOK(t, err)
	mustOK(t, s.Commit(t.Context()))
	if msg := diff(r.list(), r.want(want)); msg != "" {
		t.Error(msg)
	}
	for p, old := range was {
		if now, err := os.ReadFile(p); err != nil || string(now) != old {
			t.Errorf("%s holds something else now: %v", p, err)
		}
	}
}

// TestDirectoryTwice: two names of one directory cannot hold two databases, and nothing is changed.
func TestDirectoryTwice(t *testing.T) {
	for what, link := range map[string]func(name func(string) string){
		"a link to a database": func(name func(string) string) {
			mustOK(t, os.Symlink("db1", name("db2")))
		},
		"two links to a directory elsewhere": func(name func(string) string) {
			elsewhere := t.TempDir()
			mustOK(t, os.Symlink(elsewhere, name("db3")))
			mustOK(t, os.Symlink(elsewhere, name("db2")))
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, t.TempDir())
			r.put(donor(79)...)
			link(func(p string) string { return filepath.Join(r.layout.Data, p) })
			r.reopen()
			before := r.list()
			err := r.store().Prepare(t.Context())
			var refused *RefusedError
			if !errors.As(err, &refused) || len(refused.Refusals) != 1 || !strings.Contains(err.Error(), "db2") {
				t.Errorf("prepared: %v", err)
			}
			if msg := diff(r.list(), before); msg != "" {
				t.Error(msg)
			}
		})
	}
}
