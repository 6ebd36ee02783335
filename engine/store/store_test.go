package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

func TestEmptyJoiner(t *testing.T) {
	r := newRig(t, filepath.Join(t.TempDir(), "data"))
	items := donor(1)
	s := r.store()
	mustOK(t, transfer(t.Context(), s, items))
	mustOK(t, s.Close())
	r.check(items)
}

func TestManyRoots(t *testing.T) {
	base := t.TempDir()
	r := newRig(t, filepath.Join(base, "data"))
	r.layout.InnoDBHome, r.layout.Redo = filepath.Join(base, "home"), filepath.Join(base, "data", "redo")
	r.layout.Undo, r.layout.Aria, r.layout.Binlog = filepath.Join(base, "undo"), filepath.Join(base, "aria"), filepath.Join(base, "log")
	r.layout.BinlogBase = "bin"
	r.reopen()
	// The old life has keystones and binary logs everywhere.
	r.put(in(tree.RoleUndo, f("undo004", noise(9, 4096))), in(tree.RoleRedo, f("ib_logfile1", noise(9, 4096))),
		in(tree.RoleBinlog, f("bin.000007", noise(9, 100))), in(tree.RoleBinlog, f("bin.index", []byte("./bin.000007\n"))))
	items := append(donor(2), in(tree.RoleBinlog, f("bin.000042", noise(3, 300))))
	s := r.store()
	mustOK(t, transfer(t.Context(), s, items))
	index := in(tree.RoleBinlog, f("bin.index", []byte(filepath.Join(base, "log", "bin.000042")+"\n")))
	index.mode = 0o660
	want := r.want(append(items, index))
	want["data:redo"] = "0700 dir"
	want["data:redo/ib_logfile0"] = want["redo:ib_logfile0"]
	if msg := diff(r.list(), want); msg != "" {
		t.Fatal(msg)
	}
}

// An old datadir is a basis: what is equal is not written again, what is in the way
// goes, and what belongs to this node is not touched.
func TestOldDatadirIsBasis(t *testing.T) {
	r := newRig(t, t.TempDir())
	items := donor(3)
	r.put(items...)
	old := []item{
		f("ib_logfile1", noise(1, 100)), f("undo004", noise(1, 100)), f("db1/orphan.ibd", noise(1, 20000)), f("gone/x.frm", noise(1, 10)),
		f("ddl_recovery.log", noise(1, 10)), f("tc.log", noise(1, 10)), f("aria_log.00000009", noise(1, 10)), f("ibtmp1", noise(1, 10)),
		f("mysql/user.MAD", noise(77, 20000)), // longer and different
	}
	mine := []item{
		f("grastate.dat", []byte("# GALERA saved state\nversion: 2.1\nuuid:    00000000-0000-0000-0000-000000000000\nseqno:   -1\nsafe_to_bootstrap: 0\n")),
		f("galera.cache", noise(2, 1000)), f("auto.cnf", noise(3, 50)), f("server-key.pem", noise(4, 50)),
	}
	r.put(old...)
	r.put(mine...)
	before := map[string]unix.Stat_t{}
	for _, it := range mine {
		var st unix.Stat_t
		mustOK(t, unix.Stat(filepath.Join(r.layout.Data, it.path), &st))
		before[it.path] = st
	}
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	for _, name := range []string{"ibdata1", "ib_logfile0", "ib_logfile1", "undo001", "aria_log_control", "aria_log.00000001", "ddl_recovery.log", "tc.log"} {
		if _, err := os.Lstat(filepath.Join(r.layout.Data, name)); err == nil {
			t.Errorf("%s still has its name after Prepare", name)
		}
	}
	if text, err := os.ReadFile(filepath.Join(r.layout.Data, tree.JournalName)); err != nil || !strings.Contains(string(text), "donor donor_line\n") {
		t.Errorf("journal %q, %v", text, err)
	}
	mustOK(t, send(t.Context(), s, items))
	sum, err := s.Seal(t.Context())
	mustOK(t, err)
	// One table differs, everything else was there, redo too.
	if want := int64(9000); sum.Written != want {
		t.Errorf("%d bytes were written, want %d: the basis was not used", sum.Written, want)
	}
	if sum.Entries != len(items) || sum.Files != 10 || sum.Dirs != 3 || sum.Removed != 6 || sum.Kept < len(mine) {
		t.Errorf("summary %+v", sum)
	}
	mustOK(t, s.Commit(t.Context()))
	r.check(append(items, fixMode(r, mine)...))
	for _, it := range mine {
		var st unix.Stat_t
		mustOK(t, unix.Stat(filepath.Join(r.layout.Data, it.path), &st))
		if b := before[it.path]; st.Ino != b.Ino || st.Mtim != b.Mtim || st.Ctim != b.Ctim {
			t.Errorf("%s was touched", it.path)
		}
	}
}

// fixMode gives files made by put the mode that the umask left them.
func fixMode(r *rig, items []item) []item {
	out := append([]item(nil), items...)
	for i := range out {
		st, err := os.Stat(filepath.Join(r.layout.Dir(out[i].role), out[i].path))
		mustOK(r.t, err)
		out[i].mode = uint32(st.Mode().Perm())
	}
	return out
}

func TestLeftoverPartsWin(t *testing.T) {
	r := newRig(t, t.TempDir())
	items := donor(4)
	// A cut-off transfer left parts; a server then started on nothing and made new ones.
	for _, it := range items {
		if it.role != tree.RoleData {
			part := it
			part.path += tree.PartSuffix
			r.put(part, f(it.path, noise(99, 500)))
		}
	}
	r.put(f("undo007"+tree.PartSuffix, noise(1, 50)), f(tree.MarkerName, nil), f(tree.JournalName, []byte("old")))
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	mustOK(t, send(t.Context(), s, items))
	sum, err := s.Seal(t.Context())
	mustOK(t, err)
	var tables int64
	for _, it := range items {
		if it.role == tree.RoleData && !it.sparse {
			tables += int64(len(it.data))
		}
	}
	holes := int64(2*block.LeafPage + 8<<10 + 100)
	if sum.Written != tables+holes {
		t.Errorf("%d bytes written, want %d: parts were not the basis", sum.Written, tables+holes)
	}
	mustOK(t, s.Commit(t.Context()))
	r.check(items)
}

func TestKindChanges(t *testing.T) {
	r := newRig(t, t.TempDir())
	outside := t.TempDir()
	mustOK(t, os.WriteFile(filepath.Join(outside, "precious"), []byte("keep me"), 0o600))
	r.put(f("db1/x", []byte("a file")), d("db2/t.ibd"), f("db2/t.ibd/inside.frm", noise(1, 10)), d("db2"), d("db3"))
	mustOK(t, os.Symlink(filepath.Join(outside, "precious"), filepath.Join(r.layout.Data, "db2/l.ibd")))
	mustOK(t, os.Symlink(outside, filepath.Join(r.layout.Data, "db2/sub")))
	items := []item{d("db1"), d("db1/x"), d("db2"), f("db2/t.ibd", noise(1, 100)), f("db2/l.ibd", noise(2, 200)), d("db2/sub"), f("db2/sub/precious", noise(3, 30)), d("db3")}
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	mustOK(t, send(t.Context(), s, items))
	// Between passes a directory becomes a file and back, under one number.
	file := f("db3", nil)
	file.path = "db2/sub2"
	_, err := s.Upsert(file.spec(len(items)))
	mustOK(t, err)
	dir := d("db2/sub2")
	_, err = s.Upsert(dir.spec(len(items)))
	mustOK(t, err)
	_, err = s.Upsert(file.spec(len(items)))
	mustOK(t, err)
	_, err = s.Seal(t.Context())
	mustOK(t, err)
	mustOK(t, s.Commit(t.Context()))
	r.check(append(items, file))
	if p, _ := os.ReadFile(filepath.Join(outside, "precious")); string(p) != "keep me" {
		t.Fatal("a link was followed out of the directory")
	}
}

func TestOrderOfCalls(t *testing.T) {
	r := newRig(t, t.TempDir())
	s := r.store()
	ctx := t.Context()
	_, err := s.Upsert(d("db").spec(0))
	mustFail(t, err, "store is opened")
	mustFail(t, s.EndPass(ctx), "store is opened")
	mustFail(t, s.Commit(ctx), "store is opened")
	mustOK(t, s.Prepare(ctx))
	mustFail(t, s.Prepare(ctx), "store is prepared")
	mustFail(t, s.Commit(ctx), "not sealed")
	_, err = s.Seal(ctx)
	mustOK(t, err)
	_, err = s.Upsert(d("db").spec(0))
	mustOK(t, err)
	_, err = s.Upsert(f("db/a.frm", noise(1, 5)).spec(1))
	mustOK(t, err)
	mustFail(t, s.Commit(ctx), "not sealed")
	_, err = s.Seal(ctx)
	mustOK(t, err)
	mustOK(t, s.Commit(ctx))
	mustFail(t, s.Commit(ctx), "store is committed")
	mustFail(t, s.Apply(1, 0, []block.Run{{Len: 1}}, []byte{1}), "closed")
	s.Abort()
	mustOK(t, s.Close())
	mustFail(t, s.EndPass(ctx), "store is closed")
}

func TestAbortKeepsMarkerAndHidesKeystones(t *testing.T) {
	r := newRig(t, t.TempDir())
	items := donor(5)
	r.put(items...)
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	mustOK(t, send(t.Context(), s, items))
	s.Abort()
	got := r.list()
	base := filepath.Base(r.layout.Data)
	for _, name := range []string{tree.MarkerName, tree.JournalName, "ibdata1" + tree.PartSuffix} {
		if _, ok := got[base+":"+name]; !ok {
			t.Errorf("%s is missing after Abort", name)
		}
	}
	if _, ok := got[base+":ibdata1"]; ok {
		t.Error("ibdata1 has its real name after Abort")
	}
	mustFail(t, s.Apply(0, 0, []block.Run{{Len: 1}}, []byte{1}), "closed")
	if _, err := s.Upsert(items[0].spec(0)); err == nil {
		t.Error("Upsert after Abort")
	}
}

func TestKeptDirectoriesStay(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.layout.Keep = keepPatterns(`/olddb/mine\.frm$`)
	r.reopen()
	r.put(f("olddb/mine.frm", noise(1, 10)), f("olddb/theirs.frm", noise(1, 10)))
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	_, err := s.Upsert(d("db").spec(0))
	mustOK(t, err)
	sum, err := s.Seal(t.Context())
	mustOK(t, err)
	mustOK(t, s.Commit(t.Context()))
	got := r.list()
	base := filepath.Base(r.layout.Data)
	if _, ok := got[base+":olddb/mine.frm"]; !ok || len(got) != 3 || sum.Removed != 1 || sum.Kept != 2 {
		t.Fatalf("kept %v, summary %+v", got, sum)
	}
	// What is kept here cannot be sent either.
	s = r.store()
	mustOK(t, s.Prepare(t.Context()))
	_, err = s.Upsert(d("olddb").spec(0))
	mustOK(t, err)
	_, err = s.Upsert(f("olddb/mine.frm", nil).spec(1))
	mustFail(t, err, "keep pattern")
	// A kept file is not thrown away with its directory either.
	_, err = s.Upsert(f("olddb", nil).spec(0))
	if err == nil {
		t.Fatal("a directory with a kept file was replaced")
	}
}

func TestVanishedAndChangedFiles(t *testing.T) {
	r := newRig(t, t.TempDir())
	s := r.store()
	ctx := t.Context()
	mustOK(t, s.Prepare(ctx))
	items := []item{d("db"), f("db/a.ibd", noise(1, 3<<20)), f("db/b.ibd", noise(2, 100)), d("old"), f("old/c.frm", noise(3, 10))}
	mustOK(t, send(ctx, s, items))
	mustOK(t, s.Remove(2))
	mustOK(t, s.Remove(2)) // told twice
	mustFail(t, s.Remove(99), "no entry 99")
	mustOK(t, s.Remove(3))
	_, err := s.Seal(ctx)
	mustFail(t, err, "lies in a directory that the donor removed")
	mustOK(t, s.Remove(4))
	// The number of a dead entry stays that of its path, which may come back.
	_, err = s.Upsert(f("db/new.ibd", noise(4, 40)).spec(2))
	mustFail(t, err, "number was that of", "db/b.ibd", "db/new.ibd")
	_, err = s.Upsert(in(tree.RoleUndo, f("undo001", noise(4, 40))).spec(2))
	mustFail(t, err, "number was that of")
	mustFail(t, s.Apply(2, 0, []block.Run{{Len: 40}}, noise(4, 40)), "entry 2 is no file")
	items[2].data = noise(4, 40)
	if have, err := s.Upsert(items[2].spec(2)); err != nil || have != 0 {
		t.Fatalf("have %d, %v of a file that was removed and came back", have, err)
	}
	// Shrunk and grown between passes.
	items[1].data = items[1].data[:1<<20+10]
	have, err := s.Upsert(items[1].spec(1))
	mustOK(t, err)
	if have != 1<<20+10 {
		t.Fatalf("have %d after a cut", have)
	}
	items[1].data = append(items[1].data, make([]byte, 2<<20)...)
	if have, err = s.Upsert(items[1].spec(1)); err != nil || have != 1<<20+10 {
		t.Fatalf("have %d, %v after growth: bytes beyond the old end are not a basis", have, err)
	}
	mustOK(t, s.Apply(1, 1<<20+10, []block.Run{{Len: 2 << 20, Zero: true}}, nil))
	mustOK(t, s.Apply(2, 0, []block.Run{{Len: 40}}, noise(4, 40)))
	mustOK(t, s.EndPass(ctx))
	sum, err := s.Seal(ctx)
	mustOK(t, err)
	if sum.Entries != 3 || sum.Bytes != int64(len(items[1].data))+40 {
		t.Fatalf("summary %+v", sum)
	}
	mustOK(t, s.Commit(ctx))
	r.check([]item{items[0], items[1], items[2]})
}

func TestReadOnlyFilesAreWrittenAgain(t *testing.T) {
	r := newRig(t, t.TempDir())
	s := Open(Config{Dirs: r.dirs, Layout: r.layout, MaxOpen: 1})
	defer s.Close()
	ctx := t.Context()
	mustOK(t, s.Prepare(ctx))
	ro := f("db/ro.MYI", noise(1, 100))
	ro.mode = 0o440
	items := []item{d("db"), ro, f("db/other.MYI", noise(2, 100))}
	mustOK(t, send(ctx, s, items))
	items[1].data = noise(3, 200)
	g := &tape{}
	s.gate = g
	mustOK(t, send(ctx, s, items))
	// Root may write without, so only the operations show that the bit was lent and
	// taken back.
	if want := "chmod db/ro.MYI"; len(g.log) == 0 || g.log[0] != want || g.log[len(g.log)-1] != want {
		t.Errorf("operations %q, want %q first and last", g.log, want)
	}
	_, err := s.Seal(ctx)
	mustOK(t, err)
	s.fsyncAll.Store(true) // opens every file once more
	mustOK(t, s.Commit(ctx))
	r.check(items)
}

func TestSealFindsStrangers(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"keystone under its real name": func(dir string) error {
			name := filepath.Join(dir, "ibdata1")
			return errors.Join(os.WriteFile(name, noise(2, 100), 0o660), os.Chmod(name, 0o660))
		},
		"changed size":      func(dir string) error { return os.Truncate(filepath.Join(dir, "db/a.frm"), 3) },
		"changed mode":      func(dir string) error { return os.Chmod(filepath.Join(dir, "db/a.frm"), 0o604) },
		"missing file":      func(dir string) error { return os.Remove(filepath.Join(dir, "db/a.frm")) },
		"missing directory": func(dir string) error { return os.Remove(filepath.Join(dir, "empty")) },
		"file became directory": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "db/a.frm")), os.Mkdir(filepath.Join(dir, "db/a.frm"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, t.TempDir())
			s := r.store()
			mustOK(t, s.Prepare(t.Context()))
			mustOK(t, send(t.Context(), s, []item{d("db"), d("empty"), f("db/a.frm", noise(1, 10)), in(tree.RoleInnoDBHome, f("ibdata1", noise(2, 100)))}))
			// Something strikes between the two scans of Seal.
			struck := errors.New("Seal did not remove the extra file")
			s.gate = hook(func(o op, _ tree.Role, n string) error {
				if n == "db/extra.frm" {
					struck = spoil(r.layout.Data)
				}
				return nil
			})
			mustOK(t, os.WriteFile(filepath.Join(r.layout.Data, "db/extra.frm"), nil, 0o600))
			_, err := s.Seal(t.Context())
			mustOK(t, struck)
			mustFail(t, err, r.layout.Data)
			mustFail(t, s.Commit(t.Context()), "not sealed")
		})
	}
}

type hook func(o op, r tree.Role, name string) error

func (h hook) pass(o op, r tree.Role, name string) error { return h(o, r, name) }

func ExampleStore() {
	// A joiner's life, errors left out.
	join := func(ctx context.Context, dirs *tree.Dirs, l tree.Layout, specs []Spec) {
		s := Open(Config{Dirs: dirs, Layout: l, CheckGrastate: true})
		defer s.Close()
		_ = s.Prepare(ctx)
		for _, spec := range specs {
			have, _ := s.Upsert(spec)
			_ = have // compare so many bytes, then Apply what differs
		}
		_ = s.EndPass(ctx)
		_, _ = s.Seal(ctx)
		_ = s.Commit(ctx)
	}
	fmt.Println(join != nil)
	// Output: true
}
