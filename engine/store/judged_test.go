package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"trireme/engine/tree"
)

// TestBasisClass: whatever lies in a datadir, what the scan has taken it for is what a catalogue that names it is judged by, or it is
// judged anew.
func TestBasisClass(t *testing.T) {
	r := newRig(t, t.TempDir())
	for _, p := range []string{
		"db/t.ibd", "db/t.frm", "db/t.MYD", "db/t.MYI", "db/t.MAI", "db/t.MAD", "db/t.CSV", "db/t.ibu", "db/db.opt", "db/sub/t.ibd", "top.ibd",
		"db/#sql-1.ibd", "db/#sql-temptable-1-2.MAI", "db/x.pem", "db/t.sstpart", "db/.nfs1", "db/x-relay-bin.000001", "db/.hidden/t.ibd", "db/t.tokudb",
		"db/tokudb.frm", "mysql/general_log.CSV", "mysql/slow_log.frm", "mysql/user.frm", "my.db/t.ibd", "#x/t.ibd", "lost+found/t.ibd",
		"auto.cnf", "grastate.dat", "ibdata1", "undo001", "ib_logfile0", "aria_log_control", "ib_buffer_pool", "server.key", "t.frm", "#sql-1.ibd",
	} {
		name := filepath.Join(r.layout.Data, p)
		mustOK(t, os.MkdirAll(filepath.Dir(name), 0o750))
		mustOK(t, os.WriteFile(name, []byte("x"), 0o600))
	}
	mustOK(t, os.Mkdir(filepath.Join(r.layout.Data, "db/dir.ibd"), 0o750))
	mustOK(t, os.Symlink("t.ibd", filepath.Join(r.layout.Data, "db/link.ibd")))
	s := r.store()
	s.compareRoles()
	s.classes = r.dirs.Classifier()
	scan, err := r.dirs.Scan(t.Context())
	mustOK(t, err)
	s.basis = newBasis(scan)
	known := 0
	for i := range scan.Entries {
		for _, dir := range []bool{false, true} {
			for _, role := range tree.Roles {
				spec := Spec{Role: role, Path: scan.Entries[i].Path, Dir: dir}
				class, ok := s.basis.class(spec)
				if !ok {
					continue
				}
				known++
				if want, err := s.judge(spec); err != nil || class != want {
					t.Errorf("%+v is taken for a %s, and judged %s (%v)", spec, class, want, err)
				}
			}
		}
	}
	if known != 11 {
		t.Errorf("the scan knows %d files, and 11 are those of tables", known)
	}
}

// TestFind compares what is found of a catalogue over an old copy with a map, over a random life: entries come in any order, go, and come
// back under their number or another one.
func TestFind(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t, memDir(t))
	const files = 40
	path := func(i int) string { return fmt.Sprintf("db/t%02d.ibd", i) }
	mustOK(t, os.Mkdir(filepath.Join(r.layout.Data, "db"), 0o750))
	for i := 0; i < files; i += 2 {
		mustOK(t, os.WriteFile(filepath.Join(r.layout.Data, path(i)), []byte("old"), 0o600))
	}
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	_, err := s.Upsert(d("db").spec(0))
	mustOK(t, err)
	paths := []string{"db"} // by id
	live := map[string]uint32{"db": 0}
	for range 1000 {
		p := path(rnd.IntN(files))
		switch id, there := live[p]; {
		case there && rnd.IntN(2) == 0:
			mustOK(t, s.Remove(id))
			delete(live, p)
		case there:
			_, err := s.Upsert(f(p, nil).spec(len(paths)))
			mustFail(t, err, fmt.Sprintf("is entry %d already", id))
		default:
			id := len(paths)
			if old := rnd.IntN(len(paths)); paths[old] == p {
				id = old
			} else {
				paths = append(paths, p)
			}
			_, err := s.Upsert(f(p, nil).spec(id))
			mustOK(t, err)
			live[p] = uint32(id)
		}
		for i := range files {
			id, ok := s.find(tree.RoleData, path(i))
			if want, there := live[path(i)]; ok != there || ok && id != want {
				t.Fatalf("%s is %d %v, want %d %v", path(i), id, ok, want, there)
			}
		}
	}
}
