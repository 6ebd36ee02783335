package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/engine/block"
	"trireme/engine/tree"
)

func TestPlantedLinks(t *testing.T) {
	r := newRig(t, t.TempDir())
	outside := filepath.Join(t.TempDir(), "outside")
	mustOK(t, os.WriteFile(outside, []byte("keep me"), 0o600))
	for _, name := range []string{tree.MarkerName, tree.JournalName} {
		mustOK(t, os.Symlink(outside, filepath.Join(r.layout.Data, name)))
	}
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	// Planted while the transfer runs, after the scan.
	_, err := s.Upsert(d("db").spec(0))
	mustOK(t, err)
	mustOK(t, os.Symlink(outside, filepath.Join(r.layout.Data, "db/t.ibd")))
	mustOK(t, os.Symlink(t.TempDir(), filepath.Join(r.layout.Data, "db/sub")))
	it := f("db/t.ibd", noise(1, 50))
	_, err = s.Upsert(it.spec(1))
	mustOK(t, err)
	mustOK(t, s.Apply(1, 0, []block.Run{{Len: 50}}, it.data))
	_, err = s.Upsert(d("db/sub").spec(2))
	mustOK(t, err)
	_, err = s.Seal(t.Context())
	mustOK(t, err)
	mustOK(t, s.Commit(t.Context()))
	r.check([]item{d("db"), it, d("db/sub")})
	if p, _ := os.ReadFile(outside); string(p) != "keep me" {
		t.Fatal("a link was followed")
	}
}

func TestLinkedKeystoneIsRefused(t *testing.T) {
	r := newRig(t, t.TempDir())
	mustOK(t, os.Symlink("/nowhere", filepath.Join(r.layout.Data, "ibdata1")))
	r.put(f("undo001", noise(1, 10)))
	before := r.list()
	mustFail(t, r.store().Prepare(t.Context()), "ibdata1", "innodb_data_home_dir", "nothing has been changed")
	if msg := diff(r.list(), before); msg != "" {
		t.Fatal(msg)
	}
}

func TestHostileCatalog(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.layout.BinlogBase = ""
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	_, err := s.Upsert(d("db").spec(0))
	mustOK(t, err)
	_, err = s.Upsert(f("db/a.ibd", noise(1, 10)).spec(1))
	mustOK(t, err)
	before := r.list()
	data := func(p string, size int64) Spec {
		return Spec{ID: 2, Role: tree.RoleData, Path: p, Size: size, Mode: 0o660}
	}
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"dotdot":             {data("../x.ibd", 1), "not clean"},
		"dotdot inside":      {data("db/../../x.ibd", 1), "not clean"},
		"absolute":           {data("/etc/passwd", 1), "absolute"},
		"empty":              {data("", 1), "empty"},
		"nul":                {data("db/a\x00.ibd", 1), "NUL"},
		"too long":           {data("db/"+strings.Repeat("x", 300), 1), "255"},
		"provider state":     {data("grastate.dat", 1), "may not be written"},
		"provider cache":     {data("galera.cache", 1), "may not be written"},
		"state directory":    {Spec{ID: 2, Role: tree.RoleData, Path: "grastate.dat", Dir: true}, "may not be written"},
		"key directory":      {Spec{ID: 2, Role: tree.RoleData, Path: "server-key.pem", Dir: true}, "may not be written"},
		"marker directory":   {Spec{ID: 2, Role: tree.RoleData, Path: tree.MarkerName, Dir: true}, "may not be written"},
		"key in a database":  {data("db/server-key.pem", 1), "may not be written"},
		"identity":           {data("auto.cnf", 1), "may not be written"},
		"certificate":        {data("server-key.pem", 1), "may not be written"},
		"marker":             {data(tree.MarkerName, 1), "may not be written"},
		"journal":            {data(tree.JournalName, 1), "may not be written"},
		"ddl log":            {data("ddl_recovery.log", 1), "may not be written"},
		"part":               {data("ibdata1"+tree.PartSuffix, 1), "may not be written"},
		"part of a table":    {data("db/x"+tree.PartSuffix, 1), "may not be written"},
		"huge":               {data("db/t.ibd", 1<<50+1), "at most"},
		"negative":           {data("db/t.ibd", -1), "at most"},
		"largest integer":    {data("db/t.ibd", 1<<63-1), "at most"},
		"no directory":       {data("nodb/t.ibd", 1), "before its directory"},
		"below a file":       {data("db/a.ibd/x.ibd", 1), "before its directory"},
		"two numbers":        {data("db/a.ibd", 1), "entry 1 already"},
		"gap":                {Spec{ID: 3, Role: tree.RoleData, Path: "db/t.ibd"}, "where 2 comes next"},
		"far gap":            {Spec{ID: 1<<32 - 1, Role: tree.RoleData, Path: "db/t.ibd"}, "where 2 comes next"},
		"other path":         {Spec{ID: 1, Role: tree.RoleData, Path: "db/t.ibd"}, "number was that of"},
		"undefined role":     {Spec{ID: 2, Role: 9, Path: "db/t.ibd"}, "undefined role"},
		"zero role":          {Spec{ID: 2, Path: "db/t.ibd"}, "undefined role"},
		"role without place": {Spec{ID: 2, Role: tree.RoleBinlog, Path: "bin.000001"}, "log_bin"},
		"wrong role":         {Spec{ID: 2, Role: tree.RoleUndo, Path: "ibdata1"}, "belongs to role"},
		"keystone as data":   {Spec{ID: 2, Role: tree.RoleData, Path: "undo001"}, "belongs to role"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Upsert(c.spec)
			mustFail(t, err, c.want)
		})
	}
	if msg := diff(r.list(), before); msg != "" {
		t.Fatal("a refused entry changed the disk: ", msg)
	}
	// Bits that make programs privileged are dropped, not refused.
	spec := data("db/s.frm", 3)
	spec.Mode = 0o104755
	_, err = s.Upsert(spec)
	mustOK(t, err)
	mustOK(t, s.EndPass(t.Context()))
	st, err := os.Stat(filepath.Join(r.layout.Data, "db/s.frm"))
	mustOK(t, err)
	if st.Mode() != 0o755 {
		t.Fatalf("mode %v", st.Mode())
	}
}

func TestCatalogIsBounded(t *testing.T) {
	r := newRig(t, t.TempDir())
	s := Open(Config{Dirs: r.dirs, Layout: r.layout, MaxEntries: 3})
	defer s.Close()
	mustOK(t, s.Prepare(t.Context()))
	for id, it := range []item{d("db"), f("db/a.frm", nil), f("db/b.frm", nil)} {
		_, err := s.Upsert(it.spec(id))
		mustOK(t, err)
	}
	mustOK(t, s.Remove(2)) // makes no room: the number stays taken
	_, err := s.Upsert(f("db/c.frm", nil).spec(3))
	mustFail(t, err, "db/c.frm", "at most 3 are allowed")
	_, err = s.Upsert(f("db/b.frm", nil).spec(2))
	mustOK(t, err)
	for _, n := range []int{0, -1, MaxEntries + 1} {
		if got := Open(Config{Dirs: r.dirs, MaxEntries: n}).cfg.MaxEntries; got != MaxEntries {
			t.Errorf("MaxEntries %d became %d", n, got)
		}
	}
}

// What this node keeps stays, whatever the donor wants in its place and whenever it appeared.
func TestKeptFilesAreNotReplaced(t *testing.T) {
	r := newRig(t, t.TempDir())
	r.put(f("notes", noise(7, 20)), f("keyring", noise(1, 20)), f("db/certs/ca.pem", noise(2, 20)), f("db/.snapshot/x.ibd", noise(3, 20)),
		f("old/server.key", noise(4, 20)), f("old/gone.frm", noise(5, 20)), f("db/dir.pem", noise(6, 20)))
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	_, err := s.Upsert(d("db").spec(0))
	mustOK(t, err)
	for _, it := range []item{d("notes"), d("keyring"), f("db/.snapshot", noise(1, 10)), f("db/certs", noise(1, 10)), d("db/dir.pem")} {
		_, err := s.Upsert(it.spec(1))
		mustFail(t, err, it.path, "this node keeps")
	}
	sum, err := s.Seal(t.Context())
	mustOK(t, err)
	mustOK(t, s.Commit(t.Context()))
	got, base := r.list(), filepath.Base(r.layout.Data)+":"
	for _, name := range []string{"notes", "keyring", "db/certs/ca.pem", "db/.snapshot/x.ibd", "old/server.key", "db/dir.pem"} {
		if _, ok := got[base+name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	if sum.Removed != 1 {
		t.Errorf("%d removed, want old/gone.frm alone", sum.Removed)
	}

	// A file that came after the scan.
	s = r.store()
	mustOK(t, s.Prepare(t.Context()))
	mustOK(t, os.WriteFile(filepath.Join(r.layout.Data, "late"), noise(1, 20), 0o600))
	_, err = s.Upsert(d("late").spec(0))
	mustFail(t, err, filepath.Join(r.layout.Data, "late"), "in the way", "move it away")
	if _, ok := r.list()[base+"late"]; !ok {
		t.Error("a file that was not in the scan was removed")
	}
	mustFail(t, s.EndPass(t.Context()), "in the way")
}

func TestHostileApply(t *testing.T) {
	r := newRig(t, t.TempDir())
	s := r.store()
	mustFail(t, s.Apply(0, 0, nil, nil), "no entry 0")
	mustOK(t, s.Prepare(t.Context()))
	_, err := s.Upsert(d("db").spec(0))
	mustOK(t, err)
	_, err = s.Upsert(f("db/a.ibd", make([]byte, 100)).spec(1))
	mustOK(t, err)
	big := int(^uint(0) >> 1)
	for name, c := range map[string]struct {
		id      uint32
		off     int64
		runs    []block.Run
		payload int
	}{
		"directory":        {0, 0, []block.Run{{Len: 1}}, 1},
		"unknown":          {7, 0, []block.Run{{Len: 1}}, 1},
		"beyond the end":   {1, 0, []block.Run{{Len: 101}}, 101},
		"offset at end":    {1, 100, []block.Run{{Len: 1}}, 1},
		"negative offset":  {1, -1, []block.Run{{Len: 1}}, 1},
		"far offset":       {1, 1<<63 - 1, []block.Run{{Len: 1}}, 1},
		"empty run":        {1, 0, []block.Run{{Len: 0}}, 0},
		"negative run":     {1, 0, []block.Run{{Len: 5}, {Len: -5}}, 5},
		"overflowing runs": {1, 0, []block.Run{{Len: big}, {Len: big, Zero: true}, {Len: 3}}, 1},
		"wrapped runs":     {1, 0, []block.Run{{Len: big, Zero: true}, {Len: big, Zero: true}, {Len: 102, Zero: true}}, 0},
		"short payload":    {1, 0, []block.Run{{Len: 10}}, 9},
		"long payload":     {1, 0, []block.Run{{Len: 10}, {Len: 5, Zero: true}}, 15},
	} {
		if err := s.Apply(c.id, c.off, c.runs, make([]byte, c.payload)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	h, buf := block.NewHasher(block.Key{}), make([]byte, block.Unit)
	for _, c := range [][3]int64{{1, 0, 1}, {1, 5, 1}, {1, -block.Unit, 1}, {0, 0, 1}, {1, 0, 1<<63 - 1}, {1, 1 << 40, 1}} {
		if _, _, err := s.Digests(t.Context(), h, uint32(c[0]), c[1], c[2], nil, nil, buf); err == nil {
			t.Errorf("digests of %v were given", c)
		}
	}
	// None of that ends the transfer.
	mustOK(t, s.Apply(1, 0, []block.Run{{Len: 100}}, noise(1, 100)))
}

// Something else that writes into the directory is noticed, not copied over.
func TestForeignWriter(t *testing.T) {
	for name, spoil := range map[string]func(name string) error{
		"cut":     func(name string) error { return os.Truncate(name, 3) },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, t.TempDir())
			s := Open(Config{Dirs: r.dirs, Layout: r.layout, MaxOpen: 1})
			defer s.Close()
			mustOK(t, s.Prepare(t.Context()))
			items := []item{d("db"), f("db/a.frm", noise(1, 100)), f("db/b.frm", noise(2, 100))}
			mustOK(t, send(t.Context(), s, items))
			mustOK(t, spoil(filepath.Join(r.layout.Data, "db/a.frm")))
			h, buf := block.NewHasher(block.Key{}), make([]byte, block.Unit)
			_, _, err := s.Digests(t.Context(), h, 1, 0, 100, nil, nil, buf)
			mustFail(t, err, "db/a.frm")
			mustFail(t, s.EndPass(t.Context()), "db/a.frm")
		})
	}
	t.Run("cut while open", func(t *testing.T) {
		it := f("db/t.ibd", noise(1, 100))
		r, s := one(t, t.TempDir(), it, nil)
		mustOK(t, s.Apply(1, 0, []block.Run{{Len: 100}}, it.data))
		mustOK(t, os.Truncate(onDisk(r, s), 3))
		h, buf := block.NewHasher(block.Key{}), make([]byte, block.Unit)
		_, _, err := s.Digests(t.Context(), h, 1, 0, 100, nil, nil, buf)
		mustFail(t, err, "became shorter", "db/t.ibd")
	})
}
