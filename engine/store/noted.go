package store

import (
	"slices"
	"sync"

	"trireme/engine/block"
)

// maxNotes bounds what is remembered to 16 MiB, the digests of a TiB in large files. What is beyond is read again.
const maxNotes = 1 << 20

// fileNote is what a file takes beside its digests, in digests: its place in the map, and what the allocator adds.
const fileNote = 6

// notes are the digests of groups as they were written: a donor that compares them later need not wait until
// they have been read back. A group's digest is forgotten by whatever touches the group.
type notes struct {
	mu   sync.Mutex
	of   map[uint32][]block.Digest // by file and group; the zero digest stands for none
	room int                       // digests that may still be allotted
}

func (x *notes) init() { x.of, x.room = map[uint32][]block.Digest{}, maxNotes }

// set notes the digest of a group of a file of so many bytes.
func (x *notes) set(id uint32, group, size int64, dg block.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l, ok := x.of[id]
	if group >= int64(len(l)) {
		groups := (size + block.Unit - 1) / block.Unit
		more := groups - int64(len(l))
		if !ok {
			more += fileNote
		}
		if more > int64(x.room) {
			return
		}
		x.room -= int(more)
		longer := make([]block.Digest, groups) // not by append, which takes more than was counted
		copy(longer, l)
		l = longer
		x.of[id] = l
	}
	l[group] = dg
}

// get returns what is noted of a group.
func (x *notes) get(id uint32, group int64) (block.Digest, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if l := x.of[id]; group < int64(len(l)) {
		return l[group], l[group] != block.Digest{}
	}
	return block.Digest{}, false
}

// touch forgets the groups of a range that is about to be written.
func (x *notes) touch(id uint32, off, n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.of[id]
	for group := off / block.Unit; group*block.Unit < off+n && group < int64(len(l)); group++ {
		l[group] = block.Digest{}
	}
}

// cut forgets all groups but those that lie whole in the first n bytes.
func (x *notes) cut(id uint32, n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.of[id]
	keep := n / block.Unit
	switch {
	case keep >= int64(len(l)):
	case keep == 0:
		x.room += len(l) + fileNote
		delete(x.of, id)
	default:
		x.room += len(l) - int(keep)
		x.of[id] = slices.Clone(l[:keep]) // a part of l would keep all of it
	}
}

// ApplyNoted is Apply of a group, whose digest is remembered for Noted. Where that cannot be, because the runs are no
// whole group or one begins inside a leaf, it is Apply and no more. leaves is scratch and is returned. While it runs no other call
// may touch the group.
func (s *Store) ApplyNoted(h *block.Hasher, id uint32, off int64, runs []block.Run, payload []byte, leaves []block.Digest) ([]block.Digest, error) {
	if err := s.Apply(id, off, runs, payload); err != nil {
		return leaves, err
	}
	e, err := s.file("apply", id)
	if err != nil {
		return leaves, err
	}
	e.mu.Lock()
	leaf := e.class.Props().Leaf
	e.mu.Unlock()
	dg, leaves, ok := h.Runs(leaf, runs, payload, leaves)
	n := int64(0)
	for _, r := range runs {
		n += int64(r.Len)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if ok && e.live && e.group(off, n) {
		s.notes.set(id, off/block.Unit, e.size, dg)
	}
	return leaves, nil
}

// Noted returns the digest of a group of n bytes at off as it was written, if nothing has touched the group since.
// Safe for concurrent use.
func (s *Store) Noted(id uint32, off, n int64) (block.Digest, bool) {
	e, err := s.file("digests", id)
	if err != nil {
		return block.Digest{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.group(off, n) {
		return block.Digest{}, false
	}
	return s.notes.get(id, off/block.Unit)
}

// group says whether n bytes at off are a group of the file. The caller holds e.mu.
func (e *entry) group(off, n int64) bool {
	return off >= 0 && off%block.Unit == 0 && n > 0 && n == min(block.Unit, e.size-off)
}
