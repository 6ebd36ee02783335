package store

import (
	"math/rand/v2"
	"os"
	"testing"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// TestNoted writes groups whose digests are noted, touches them in every way there is, and compares what is still noted with what
// is read: a note that outlives its group would let a wrong copy pass.
func TestNoted(t *testing.T) {
	const size = 3*block.Unit + 5000
	data := noise(3, size)
	clear(data[block.Unit+block.LeafPage : block.Unit+3*block.LeafPage])
	spec := f("db/t.ibd", data)
	for _, c := range []struct {
		name  string
		touch func(s *Store) error
		lost  []int64 // groups of which nothing may be noted
	}{
		{"nothing", func(*Store) error { return nil }, nil},
		{"a page", func(s *Store) error {
			return s.Apply(1, block.Unit+4096, []block.Run{{Len: 4096}}, noise(4, 4096))
		}, []int64{1}},
		{"across a border", func(s *Store) error {
			return s.Apply(1, 2*block.Unit-1, []block.Run{{Len: 2}}, noise(4, 2))
		}, []int64{1, 2}},
		{"zeroes", func(s *Store) error {
			return s.Apply(1, 3*block.Unit, []block.Run{{Len: 4096, Zero: true}}, nil)
		}, []int64{3}},
		{"cut inside a group and made longer again", func(s *Store) error {
			return resized(s, spec, 2*block.Unit+9, size)
		}, []int64{0, 2, 3}},
		{"cut at a border", func(s *Store) error { return resized(s, spec, 2*block.Unit) }, []int64{0}},
		{"made longer", func(s *Store) error { return resized(s, spec, 5*block.Unit) }, []int64{0, 3, 4}},
		{"gone and come back", func(s *Store) error {
			if err := s.Remove(1); err != nil {
				return err
			}
			return resized(s, spec, size)
		}, []int64{0, 1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, s := one(t, t.TempDir(), spec, nil)
			h := block.NewHasher(block.Key{1})
			mustOK(t, noteAll(s, h, data))
			for off := int64(0); off < size; off += block.Unit {
				if _, ok := s.Noted(1, off, min(block.Unit, size-off)); !ok {
					t.Fatalf("nothing was noted at %d", off)
				}
			}
			mustOK(t, c.touch(s))
			mustOK(t, s.EndPass(t.Context()))
			lost := map[int64]bool{}
			for _, g := range c.lost {
				lost[g] = true
			}
			now := s.entry(1).size
			for off := int64(0); off < now; off += block.Unit {
				n := min(block.Unit, now-off)
				noted, ok := s.Noted(1, off, n)
				if ok == lost[off/block.Unit] {
					t.Errorf("group %d is noted: %v", off/block.Unit, ok)
				}
				read, _, err := s.Digests(t.Context(), h, 1, off, n, nil, nil, make([]byte, block.Unit))
				mustOK(t, err)
				if ok && noted != read[0] {
					t.Errorf("group %d: noted %x, read %x", off/block.Unit, noted, read[0])
				}
			}
		})
	}
}

// resized gives the file the sizes one after another, as catalogues and passes do. Each time its first byte is written.
func resized(s *Store, it item, sizes ...int64) error {
	for _, n := range sizes {
		sp := it.spec(1)
		sp.Size = n
		if _, err := s.Upsert(sp); err != nil {
			return err
		}
		if n > 0 {
			if err := s.Apply(1, 0, []block.Run{{Len: 1, Zero: true}}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteAll writes the file, group after group.
func noteAll(s *Store, h *block.Hasher, data []byte) error {
	for off := 0; off < len(data); off += block.Unit {
		p := data[off:min(off+block.Unit, len(data))]
		runs := block.SplitZero(nil, p, block.LeafPage)
		var payload []byte
		at := 0
		for _, r := range runs {
			if !r.Zero {
				payload = append(payload, p[at:at+r.Len]...)
			}
			at += r.Len
		}
		if _, err := s.ApplyNoted(h, 1, int64(off), runs, payload, nil); err != nil {
			return err
		}
	}
	return nil
}

// TestNotesAreBounded has a donor announce a file of which no memory could hold the notes, one that just fits, and make that short.
func TestNotesAreBounded(t *testing.T) {
	it := f("db/t.ibd", nil)
	it.sparse = true
	_, s := one(t, t.TempDir(), it, nil)
	h := block.NewHasher(block.Key{1})
	const most = (maxNotes - fileNote) * block.Unit
	for _, c := range []struct {
		size, off int64
		noted     bool
	}{
		{most + block.Unit, most, false},
		{most, most - block.Unit, true},
		{block.Unit, 0, true},
		{2 * block.Unit, block.Unit, true},
	} {
		sp := it.spec(1)
		sp.Size = c.size
		_, err := s.Upsert(sp)
		mustOK(t, err)
		_, err = s.ApplyNoted(h, 1, c.off, []block.Run{{Len: block.Unit}}, noise(1, block.Unit), nil)
		mustOK(t, err)
		if _, ok := s.Noted(1, c.off, block.Unit); ok != c.noted {
			t.Errorf("a file of %d bytes: noted %v", c.size, ok)
		}
		mustOK(t, s.Apply(1, 0, []block.Run{{Len: block.Unit}}, noise(2, block.Unit)))
		_, err = s.ApplyNoted(h, 1, 0, []block.Run{{Len: block.Unit}}, noise(1, block.Unit), nil)
		mustOK(t, err)
		if held, counted := cap(s.notes.of[1]), maxNotes-s.notes.room; held > counted {
			t.Errorf("a file of %d bytes: %d digests are held and %d are counted", c.size, held, counted)
		}
	}
	mustOK(t, s.Remove(1))
	if s.notes.room != maxNotes || len(s.notes.of) != 0 {
		t.Errorf("room for %d notes and %d files after the last one was forgotten", s.notes.room, len(s.notes.of))
	}
}

// TestManyFilesWithNotes: a file's place in the list is memory as well, and is counted.
func TestManyFilesWithNotes(t *testing.T) {
	var x notes
	x.init()
	for id := range uint32(maxNotes) {
		x.set(id, 0, 1, block.Digest{1})
	}
	if n := len(x.of); n == 0 || n > maxNotes/(1+fileNote) || x.room < 0 {
		t.Errorf("%d files with notes, room for %d more digests", n, x.room)
	}
}

// FuzzNoted plays random writes and changes of length, and compares whatever is noted with what is read.
func FuzzNoted(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(seed, seed%2 == 0)
	}
	base := memDir(f)
	f.Fuzz(func(t *testing.T, seed uint64, sparse bool) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		dir, err := os.MkdirTemp(base, "")
		mustOK(t, err)
		defer os.RemoveAll(dir)
		it := item{role: tree.RoleData, path: "db/t.ibd", mode: 0o600, sparse: sparse, data: make([]byte, 1+rnd.IntN(3*block.Unit))}
		_, s := one(t, dir, it, noise(seed, rnd.IntN(2*block.Unit)))
		h, buf := block.NewHasher(block.Key{7}), make([]byte, block.Unit)
		sp := it.spec(1)
		size, noted := sp.Size, 0
		for range 24 {
			switch rnd.IntN(6) {
			case 0:
				size = 1 + rnd.Int64N(3*block.Unit)
				if rnd.IntN(2) == 0 {
					size = max(1, size/block.LeafPage) * block.LeafPage
				}
				sp.Size = size
				_, err := s.Upsert(sp)
				mustOK(t, err)
			case 1:
				mustOK(t, s.EndPass(t.Context()))
			case 2:
				off := rnd.Int64N(size)
				n := int(min(1+rnd.Int64N(2*block.LeafPage), size-off))
				mustOK(t, s.Apply(1, off, []block.Run{{Len: n}}, noise(rnd.Uint64(), n)))
			default:
				off := rnd.Int64N(size)
				off -= off % block.Unit
				p := noise(rnd.Uint64(), int(min(block.Unit, size-off)))
				for range rnd.IntN(3) {
					from := rnd.IntN(len(p))
					clear(p[from : from+rnd.IntN(len(p)-from+1)])
				}
				runs := block.SplitZero(nil, p, []int{block.Sector, block.LeafPage}[rnd.IntN(2)])
				_, err := s.ApplyNoted(h, 1, off, runs, payload(p, runs), nil)
				mustOK(t, err)
			}
			now := s.entry(1).size
			for off := int64(0); off < now; off += block.Unit {
				n := min(block.Unit, now-off)
				dg, ok := s.Noted(1, off, n)
				if !ok {
					continue
				}
				noted++
				if read, _, err := s.Digests(t.Context(), h, 1, off, n, nil, nil, buf); err != nil || read[0] != dg {
					t.Fatalf("seed %d: %d bytes at %d are noted as %x, read as %x: %v", seed, n, off, dg, read, err)
				}
			}
		}
		if noted == 0 && seed < 6 {
			t.Error("nothing was noted")
		}
	})
}
