package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"trireme/engine/block"
)

// Many workers write many files through few descriptors.
func TestConcurrentApply(t *testing.T) {
	dir := memDir(t)
	r := newRig(t, dir)
	s := Open(Config{Dirs: r.dirs, Layout: r.layout, MaxOpen: 3})
	defer s.Close()
	ctx := t.Context()
	mustOK(t, s.Prepare(ctx))
	items := []item{d("db")}
	for i := range 12 {
		data := noise(uint64(i), 300<<10+i*777)
		clear(data[64<<10 : 128<<10])
		it := f(fmt.Sprintf("db/t%d.ibd", i), data)
		it.sparse = i%2 == 0
		items = append(items, it)
	}
	for id, it := range items {
		_, err := s.Upsert(it.spec(id))
		mustOK(t, err)
	}
	type job struct{ id, off int }
	var jobs []job
	for id, it := range items {
		for off := 0; off < len(it.data); off += 50 << 10 {
			jobs = append(jobs, job{id, off})
		}
	}
	rand.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	var wg sync.WaitGroup
	h := make([]*block.Hasher, 6)
	for w := range h {
		h[w] = block.NewHasher(block.Key{})
		wg.Go(func() {
			buf := make([]byte, block.Unit)
			for i := w; i < len(jobs); i += len(h) {
				j := jobs[i]
				p := items[j.id].data[j.off:min(j.off+50<<10, len(items[j.id].data))]
				runs := block.SplitZero(nil, p, block.Sector)
				if err := s.Apply(uint32(j.id), int64(j.off), runs, payload(p, runs)); err != nil {
					t.Error(err)
				}
				if _, _, err := s.Digests(ctx, h[w], uint32(j.id), 0, 100, nil, nil, buf); err != nil {
					t.Error(err)
				}
				// A listing is not of one moment: a file that is closed and one that is opened meanwhile both get counted.
				n := countOpen(t, dir)
				for again := 0; n > 3 && again < 5; again++ {
					n = min(n, countOpen(t, dir))
				}
				if n > 3 {
					t.Errorf("%d files open, 3 are allowed", n)
				}
			}
		})
	}
	wg.Wait()
	mustOK(t, s.EndPass(ctx))
	_, err := s.Seal(ctx)
	mustOK(t, err)
	mustOK(t, s.Commit(ctx))
	r.check(items)
}

// A donor that repeats an entry while its blocks are on the way does harm to nobody; the
// race detector is the judge.
func TestUpsertWhileWriting(t *testing.T) {
	it := f("db/t.ibd", noise(1, 1<<20))
	clear(it.data[:64<<10])
	_, s := one(t, memDir(t), it, nil)
	var wg sync.WaitGroup
	h := block.NewHasher(block.Key{})
	wg.Go(func() {
		buf := make([]byte, block.Unit)
		runs := []block.Run{{Len: 64 << 10, Zero: true}, {Len: 1<<20 - 64<<10}}
		for range 200 {
			if err := s.Apply(1, 0, runs, it.data[64<<10:]); err != nil {
				t.Error(err)
			}
			_, _, _ = s.Digests(t.Context(), h, 1, 0, 1<<20, nil, nil, buf)
			if err := s.Apply(1, 1<<30, runs, it.data[64<<10:]); err == nil {
				t.Error("a stretch behind the end was taken")
			}
		}
	})
	for i := range 200 {
		spec := it.spec(1)
		spec.Mode, spec.Sparse = 0o600|uint32(i&1)<<5, i&2 == 0
		if _, err := s.Upsert(spec); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// A block that arrives after its file was removed does not bring it back.
func TestApplyToRemovedEntry(t *testing.T) {
	it := f("db/t.ibd", noise(1, 1000))
	r, s := one(t, memDir(t), it, nil)
	e := s.entry(1)
	mustOK(t, s.Remove(1))
	if _, err := s.files.acquire(e); err == nil { // what Apply does once it has seen the entry alive
		t.Error("the file of a removed entry was opened")
		s.files.release(e)
	}
	if _, ok := r.list()[filepath.Base(r.layout.Data)+":db/t.ibd"]; ok {
		t.Error("a removed file is back")
	}
}

func TestAbortWhileWriting(t *testing.T) {
	it := f("db/t.ibd", noise(1, 1<<20))
	_, s := one(t, memDir(t), it, nil)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for s.Apply(1, int64(w)<<18, []block.Run{{Len: 1 << 18}}, it.data[w<<18:(w+1)<<18]) == nil {
			}
		})
	}
	s.Abort()
	wg.Wait()
	mustFail(t, s.Apply(1, 0, []block.Run{{Len: 1}}, it.data[:1]), "closed")
}
