package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// one is a prepared store with a database and one file of the given role and name.
func one(t testing.TB, dir string, it item, old []byte) (*rig, *Store) {
	t.Helper()
	r := newRig(t, dir)
	if old != nil {
		o := it
		o.data = old
		r.put(o)
	}
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	if _, err := s.Upsert(d("db").spec(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upsert(it.spec(1)); err != nil {
		t.Fatal(err)
	}
	return r, s
}

// onDisk is where the file lies before Commit.
func onDisk(r *rig, s *Store) string {
	e := s.entry(1)
	return filepath.Join(r.layout.Dir(e.spec.Role), e.name)
}

func TestHoles(t *testing.T) {
	const size = 2 << 20
	full := noise(1, size)
	half := bytes.Clone(full)
	clear(half[512<<10 : 1536<<10])
	sectors := bytes.Clone(full[:size])
	for off := 0; off < size; off += 2 * block.Sector {
		clear(sectors[off : off+block.Sector])
	}
	table := func(sparse bool) item {
		it := f("db/t.ibd", nil)
		it.sparse = sparse
		return it
	}
	redo := in(tree.RoleRedo, f("ib_logfile0", nil))
	undo := in(tree.RoleUndo, f("undo001", nil))
	lying := undo
	lying.sparse = true
	for _, c := range []struct {
		name     string
		it       item
		old, now []byte
		blocks   int64 // bytes that the file must occupy, ± slack
	}{
		{"sparse file, fresh", table(true), nil, half, 1 << 20},
		{"sparse file, block becomes hole", table(true), full, half, 1 << 20},
		{"sparse file, holes of one sector inside leaves", table(true), nil, sectors, 1 << 20},
		{"sparse file, sectors become holes", table(true), full, sectors, 1 << 20},
		{"sparse file, hole becomes block", table(true), half, full, 2 << 20},
		{"full file, fresh zeroes", table(false), nil, half, 2 << 20},
		{"full file, zeroes over data", table(false), full, half, 2 << 20},
		{"redo, fresh zeroes", redo, nil, half, 2 << 20},
		{"undo, sparse at the donor", lying, nil, half, 2 << 20},
		{"undo, sparse at the donor, zeroes over data", lying, full, half, 2 << 20},
		{"undo, zeroes over data", undo, full, half, 2 << 20},
	} {
		check := func(t *testing.T, dir string) {
			c.it.data = c.now
			r, s := one(t, dir, c.it, c.old)
			for off := 0; off < size; off += block.Unit {
				p := c.now[off : off+block.Unit]
				runs := block.SplitZero(nil, p, block.LeafPage)
				if err := s.Apply(1, int64(off), runs, payload(p, runs)); err != nil {
					t.Fatal(err)
				}
			}
			mustOK(t, s.EndPass(t.Context()))
			s.Abort()
			name := onDisk(r, s)
			if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, c.now) {
				t.Fatalf("content differs, %v", err)
			}
			flush(t, name)
			if got := blocks(t, name); got < c.blocks-64<<10 || got > c.blocks+64<<10 {
				t.Errorf("occupies %d KiB, want about %d", got>>10, c.blocks>>10)
			}
		}
		t.Run(c.name, func(t *testing.T) { check(t, t.TempDir()) })
		t.Run(c.name+", in memory", func(t *testing.T) { check(t, memDir(t)) })
	}
}

// flush makes delayed allocation real, so that st_blocks means something.
func flush(t testing.TB, name string) {
	t.Helper()
	fd, err := os.Open(name)
	mustOK(t, err)
	mustOK(t, fd.Sync())
	mustOK(t, fd.Close())
}

// An undo file of an old life that lies there with holes gets its blocks, also when
// all of it is equal and nothing is sent.
func TestHolesOfTheBasisAreFilled(t *testing.T) {
	it := in(tree.RoleUndo, f("undo001", make([]byte, 2<<20)))
	r := newRig(t, t.TempDir())
	name := filepath.Join(r.layout.Data, "undo001")
	mustOK(t, os.WriteFile(name, nil, 0o660))
	mustOK(t, os.Truncate(name, 2<<20))
	s := r.store()
	mustOK(t, s.Prepare(t.Context()))
	have, err := s.Upsert(it.spec(0))
	mustOK(t, err)
	if have != 2<<20 {
		t.Fatalf("have %d", have)
	}
	mustOK(t, s.EndPass(t.Context()))
	if got := blocks(t, name+tree.PartSuffix); got < 2<<20 {
		t.Fatalf("occupies %d bytes", got)
	}
	s.Abort()
}

// A sparse file's short last sector goes too when it becomes zero.
func TestTailBecomesHole(t *testing.T) {
	it := f("db/t.ibd", make([]byte, 64<<10+100))
	it.sparse = true
	r, s := one(t, t.TempDir(), it, noise(1, 64<<10+100))
	mustOK(t, s.Apply(1, 0, []block.Run{{Len: 64<<10 + 100, Zero: true}}, nil))
	s.Abort()
	name := onDisk(r, s)
	got, err := os.ReadFile(name)
	mustOK(t, err)
	if !bytes.Equal(got, it.data) {
		t.Fatal("not zero or not its length")
	}
	if n := blocks(t, name); n > 0 {
		t.Fatalf("occupies %d bytes", n)
	}
}

// payload is the data of the runs of p.
func payload(p []byte, runs []block.Run) []byte {
	var out []byte
	for _, r := range runs {
		if !r.Zero {
			out = append(out, p[:r.Len]...)
		}
		p = p[r.Len:]
	}
	return out
}

// File systems without fallocate, hole punching or zeroing still get the right bytes.
func TestWithoutFallocate(t *testing.T) {
	for _, it := range []item{in(tree.RoleUndo, f("undo001", nil)), f("db/t.ibd", nil), {role: tree.RoleData, path: "db/s.ibd", mode: 0o600, sparse: true}} {
		t.Run(it.path, func(t *testing.T) {
			now := noise(2, 2<<20)
			clear(now[100<<10 : 900<<10])
			it.data = now
			r, s := one(t, t.TempDir(), it, noise(3, 1<<20))
			s.gate = hook(func(o op, _ tree.Role, _ string) error {
				if o == opAllocate || o == opPunch || o == opZero {
					return unix.EOPNOTSUPP
				}
				return nil
			})
			runs := block.SplitZero(nil, now, block.Sector)
			mustOK(t, s.Apply(1, 0, runs, payload(now, runs)))
			mustOK(t, s.EndPass(t.Context()))
			s.Abort()
			name := onDisk(r, s)
			if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, now) {
				t.Fatalf("content differs, %v", err)
			}
			if it.role == tree.RoleUndo {
				flush(t, name)
				if n := blocks(t, name); n < 2<<20 {
					t.Fatalf("undo occupies %d bytes", n)
				}
			}
		})
	}
}

// FuzzApply plays random stretches against a plain byte slice.
func FuzzApply(f *testing.F) {
	f.Add(uint64(1), uint16(300), true)
	f.Add(uint64(2), uint16(5), false)
	for seed := range uint64(10) {
		f.Add(seed, uint16(seed*100), seed%3 == 0)
	}
	base := memDir(f)
	n := 0
	f.Fuzz(func(t *testing.T, seed uint64, kib uint16, sparse bool) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		size := int(kib)<<10 + rnd.IntN(5000) + 1
		n++
		dir := filepath.Join(base, fmt.Sprint(os.Getpid(), "-", n))
		mustOK(t, os.Mkdir(dir, 0o700))
		defer os.RemoveAll(dir)
		it := item{role: tree.RoleData, path: "db/t.ibd", mode: 0o600, sparse: sparse, data: make([]byte, size)}
		want := noise(seed, rnd.IntN(size+1))
		if seed%2 == 0 {
			want = nil // a new file
		}
		r, s := one(t, dir, it, bytes.Clone(want))
		want = append(want, make([]byte, size-len(want))...)
		for range 20 {
			off := rnd.IntN(size)
			if rnd.IntN(3) > 0 {
				off -= off % block.Sector
			}
			var runs []block.Run
			var data []byte
			at := off
			for at < size && len(runs) < 1+rnd.IntN(6) {
				run := block.Run{Len: min(1+rnd.IntN(40<<10), size-at), Zero: rnd.IntN(2) == 0}
				p := want[at : at+run.Len]
				clear(p)
				if !run.Zero {
					for i := 0; i < len(p); i += 1 + rnd.IntN(12<<10) {
						p[i] = byte(rnd.UintN(256))
					}
					data = append(data, p...)
				}
				runs = append(runs, run)
				at += run.Len
			}
			mustOK(t, s.Apply(1, int64(off), runs, data))
		}
		mustOK(t, s.EndPass(t.Context()))
		s.Abort()
		got, err := os.ReadFile(filepath.Join(r.layout.Data, "db/t.ibd"))
		mustOK(t, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: content differs", seed)
		}
	})
}

// countOpen counts this process' descriptors on files below dir/db.
func countOpen(t *testing.T, dir string) (n int) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd: ", err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && filepath.Ext(target) == ".ibd" && filepath.Dir(target) == filepath.Join(dir, "db") {
			n++
		}
	}
	return n
}

func TestHotPathAllocatesNothing(t *testing.T) {
	for _, sparse := range []bool{false, true} {
		it := f("db/t.ibd", noise(1, 4<<20))
		clear(it.data[:64<<10])
		it.sparse = sparse
		_, s := one(t, memDir(t), it, it.data)
		runs := block.SplitZero(nil, it.data[:1<<20], block.LeafPage)
		data := payload(it.data[:1<<20], runs)
		if n := testing.AllocsPerRun(20, func() {
			if err := s.Apply(1, 0, runs, data); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("Apply, sparse=%v: %.0f allocations", sparse, n)
		}
		h, buf := block.NewHasher(block.Key{}), make([]byte, block.Unit)
		groups, leaves := make([]block.Digest, 0, 4), make([]block.Digest, 0, 4*block.MaxLeaves)
		if n := testing.AllocsPerRun(3, func() {
			if _, _, err := s.Digests(t.Context(), h, 1, 0, 4<<20, groups, leaves, buf); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("Digests: %.0f allocations", n)
		}
	}
}

// Neighbouring runs reach the file in one call (H30: count operations, not only bytes).
func TestRunsAreMerged(t *testing.T) {
	it := f("db/t.ibd", noise(1, 256<<10))
	clear(it.data[64<<10 : 128<<10])
	it.sparse = true
	_, s := one(t, memDir(t), it, noise(2, 256<<10))
	g := &tape{}
	s.gate = g
	const k = 16 << 10
	runs := []block.Run{{Len: k}, {Len: k}, {Len: 2 * k}, {Len: k, Zero: true}, {Len: k, Zero: true}, {Len: 2 * k}, {Len: 2 * k}, {Len: 6 * k}}
	mustOK(t, s.Apply(1, 0, runs, payload(it.data, runs)))
	want := []string{"write db/t.ibd", "punch db/t.ibd", "write db/t.ibd"}
	if fmt.Sprint(g.log) != fmt.Sprint(want) {
		t.Fatalf("operations %q, want %q", g.log, want)
	}
	// Zeroes where nothing was ever written cost nothing, unless the donor has blocks there and tmpfs was not asked for any.
	bare := f("db/v.ibd", make([]byte, 3<<20))
	_, err := s.Upsert(bare.spec(2))
	mustOK(t, err)
	g.log = nil
	mustOK(t, s.Apply(2, 1<<20, []block.Run{{Len: 1 << 20, Zero: true}}, nil))
	want = []string{"create db/v.ibd", "chmod db/v.ibd", "truncate db/v.ibd", "zero db/v.ibd", "write db/v.ibd"}
	if !s.inMemory.Load() {
		want = []string{"create db/v.ibd", "chmod db/v.ibd", "allocate db/v.ibd"}
	}
	if fmt.Sprint(g.log) != fmt.Sprint(want) {
		t.Fatalf("operations %q, want %q", g.log, want)
	}
	fresh := f("db/u.ibd", make([]byte, 3<<20))
	fresh.sparse = true
	_, err = s.Upsert(fresh.spec(3))
	mustOK(t, err)
	mustOK(t, s.Apply(3, 0, []block.Run{{Len: 1 << 20, Zero: true}}, nil))
	g.log = nil
	mustOK(t, s.Apply(3, 1<<20, []block.Run{{Len: 1 << 20, Zero: true}}, nil))
	if len(g.log) != 0 {
		t.Fatalf("operations %q for known zeroes", g.log)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, kind := range []string{"data", "sparse", "mixed"} {
		b.Run("size=1MiB/kind="+kind, func(b *testing.B) {
			it := f("db/t.ibd", noise(1, 64<<20))
			it.sparse = kind != "data"
			_, s := one(b, memDir(b), it, nil)
			p := it.data[:block.Unit]
			if kind == "mixed" {
				for off := 0; off < len(p); off += 4 * block.Sector {
					clear(p[off : off+block.Sector])
				}
			}
			runs := block.SplitZero(nil, p, block.LeafPage)
			data := payload(p, runs)
			b.SetBytes(block.Unit)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Apply(1, int64(i%64)<<20, runs, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDigests(b *testing.B) {
	it := f("db/t.ibd", noise(1, 16<<20))
	_, s := one(b, memDir(b), it, it.data)
	h, buf := block.NewHasher(block.Key{}), make([]byte, block.Unit)
	groups, leaves := make([]block.Digest, 0, 16), make([]block.Digest, 0, 16*block.MaxLeaves)
	b.SetBytes(16 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Digests(b.Context(), h, 1, 0, 16<<20, groups, leaves, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSmallFiles is the cost per file of a datadir with many tables.
func BenchmarkSmallFiles(b *testing.B) {
	r := newRig(b, memDir(b))
	s := r.store()
	mustOK(b, s.Prepare(b.Context()))
	_, err := s.Upsert(d("db").spec(0))
	mustOK(b, err)
	data := noise(1, 700)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		it := f(fmt.Sprintf("db/t%d.frm", i), data)
		if _, err := s.Upsert(it.spec(i)); err != nil {
			b.Fatal(err)
		}
		if err := s.Apply(uint32(i), 0, []block.Run{{Len: len(data)}}, data); err != nil {
			b.Fatal(err)
		}
	}
}
