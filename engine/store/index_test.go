package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// TestIndex compares the index with a map over a random life of a catalog.
func TestIndex(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var specs []Spec
	var x index
	x.init(func(id uint32) *Spec { return &specs[id] })
	want := map[key]uint32{}
	roles := []tree.Role{tree.RoleData, tree.RoleBinlog}
	for step := range 20000 {
		k := key{roles[r.IntN(2)], fmt.Sprintf("db/t%d", r.IntN(3000))}
		id, ok := x.get(k.role, k.path)
		if w, there := want[k]; ok != there || ok && id != w {
			t.Fatalf("step %d: %v is %d %v, want %d %v", step, k, id, ok, w, there)
		}
		switch {
		case ok && r.IntN(2) == 0:
			x.drop(id)
			delete(want, k)
			if r.IntN(4) == 0 {
				x.drop(id) // changes nothing
			}
		case !ok:
			specs = append(specs, Spec{ID: uint32(len(specs)), Role: k.role, Path: k.path})
			x.put(uint32(len(specs) - 1))
			want[k] = uint32(len(specs) - 1)
		}
	}
	if len(x.slots) > 8*3000*2 {
		t.Errorf("%d slots for at most 6000 paths", len(x.slots))
	}
}

// TestCatalogMemory holds the figure of the package comment against a catalog of many small files.
func TestCatalogMemory(t *testing.T) {
	const files = 30000
	r := newRig(t, memDir(t))
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	_, err := s.Upsert(Spec{Role: tree.RoleData, Path: "shop", Dir: true, Mode: 0o700})
	mustOK(t, err)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range uint32(files) {
		_, err := s.Upsert(Spec{ID: i + 1, Role: tree.RoleData, Path: fmt.Sprintf("shop/table_%09d.ibd", i), Mode: 0o660, Size: 8 << 10})
		mustOK(t, err)
	}
	each := (heap() - before) / files
	runtime.KeepAlive(s)
	t.Logf("%d bytes a file", each)
	if each > 200 {
		t.Errorf("%d bytes a file, at most 200 are documented", each)
	}
}

// TestModeNotGiven: what a directory takes of the mode that a file is made with, Seal gives.
func TestModeNotGiven(t *testing.T) {
	defer unix.Umask(unix.Umask(0o027))
	if got := processUmask(); got != 0o027 {
		t.Fatalf("the umask is %03o, want 027", got)
	}
	r := newRig(t, t.TempDir())
	s := r.store()
	s.umask = 0 // as where a default ACL does the same, which not every file system here has
	items := donor(1)
	mustOK(t, transfer(t.Context(), s, items))
	r.check(items)
}
