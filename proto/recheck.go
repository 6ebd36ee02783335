package proto

import (
	"errors"
	"io"

	"trireme/engine/block"
	"trireme/engine/innodb"
	"trireme/engine/tree"
)

// recheck looks for what has changed in a range since it was last sent, without
// asking the joiner, and sends that. With find set it only counts.
func (w *worker) recheck(it item, find bool) error {
	r := &w.d.cat.rows[it.id]
	if it.way == along {
		return w.recheckRing(r, it, find)
	}
	if w.d.byLSN(r.Class) {
		return w.recheckPages(r, it, find)
	}
	return w.recheckLeaves(r, it, find)
}

// recheckLeaves hashes a file without page LSNs and compares with the digests of
// what was sent.
func (w *worker) recheckLeaves(r *row, it item, find bool) error {
	for off, end := it.off, it.off+it.n; off < end; off += block.Unit {
		part := item{id: it.id, off: off, n: min(end-off, block.Unit), way: it.way}
		changed, err := w.recheckUnit(r, part, find)
		if err != nil || changed && find {
			return err
		}
	}
	return nil
}

// recheckUnit does that for a unit, or what there is of it, and says whether anything
// in it has changed.
func (w *worker) recheckUnit(r *row, it item, find bool) (changed bool, err error) {
	if w.d.s.ctx.Err() != nil {
		return false, w.d.s.cause(nil)
	}
	leaf := r.Class.Props().Leaf
	p, err := w.read(it.id, w.unit[:it.n], it.off)
	if err != nil {
		return false, err
	}
	unit := int(it.off / block.Unit)
	w.leaves = w.hash.Leaves(w.leaves[:0], leaf, p)
	first := unit * leavesOf(leaf)
	from, to := -1, 0
	for i, dg := range w.leaves {
		if r.marks.known[unit] && r.marks.leaf[first+i] == dg {
			continue
		}
		if from < 0 {
			from = i
		}
		to = i + 1
	}
	w.d.p.done.Add(it.n)
	if from < 0 {
		return false, nil
	}
	if find {
		w.d.found.Add(1)
		w.d.mu.Lock()
		w.d.differs[it.id] = true
		w.d.mu.Unlock()
		return true, nil
	}
	// From the first changed leaf to the last, out of the buffer that was
	// hashed: what is between travels too, and is read only once.
	at := from * leaf
	if err := w.chunk(it.id, it.off+int64(at), p[at:min(to*leaf, len(p))]); err != nil {
		return true, err
	}
	copy(r.marks.leaf[first:], w.leaves)
	r.marks.known[unit] = int64(len(p)) == it.n
	return true, nil
}

// headPages is how many pages at a file's start are sent whenever the file has
// changed: page 0 can change without a new LSN (consistency 2.5).
const headPages = 4

// recheckPages reads the headers of the pages of a range, of those that the redo log names where it tells (trail.go), and sends those that are
// not older than the checkpoint of the last sighting. Everything older was in the
// file when it was read then, and no later write of such a page can carry an older
// LSN (consistency 2.6, performance 1.3 R1).
func (w *worker) recheckPages(r *row, it item, find bool) error {
	size, err := w.pageSize(r)
	if err != nil {
		return err
	}
	leaf := r.Class.Props().Leaf
	step := max(size, leaf) // what is judged at once: a page, or the pages of a leaf
	heads := int64(headPages * size)
	if r.seen != nil && r.seen.entry.Same(r.Entry) {
		heads = 0 // only a write that was under way is looked for
	}
	w.page = size
	defer func() { w.page = 0 }()
	told := size > 0 && r.logged(w.space)
	if size > 0 && r.Class == tree.Tablespace && r.seen != nil && r.seen.space != 0 && r.seen.space != w.space {
		w.d.noteImport(r.id) // under a name and an inode as before: only an import changes the number
	}
	if told {
		imported, err := w.imported(r, size)
		if err != nil {
			return err
		}
		told = !imported
	}
	if told {
		w.newest, told = w.d.follower.named(w.newest[:0], r.seen.lsn, w.space, uint32(it.off/int64(size)), uint32((it.n+int64(size)-1)/int64(size)))
	}
	var from, to int64 = -1, -1
	flush := func() error {
		if from < 0 {
			return nil
		}
		f := from
		from = -1
		if find {
			w.d.found.Add(1)
			return nil
		}
		w.d.rewritten.Add(min(to, it.off+it.n) - f)
		return w.sendRange(r.id, f, min(to, it.off+it.n)-f, false)
	}
	for off, end := it.off, it.off+it.n; off < end; off += int64(step) {
		if off%block.Unit == 0 {
			w.d.p.done.Add(min(block.Unit, end-off))
			if w.d.s.ctx.Err() != nil {
				return w.d.s.cause(nil)
			}
		}
		hot := size == 0 || off < heads
		if n := min(int64(step), end-off); !hot && (!told || w.named(r, off, (off-it.off)/int64(size), (n+int64(size)-1)/int64(size))) {
			if hot, err = w.newer(r, off, n, size); err != nil {
				return err
			}
		}
		if !hot {
			continue
		}
		if from >= 0 && to != off {
			if err := flush(); err != nil {
				return err
			}
			if find && w.d.found.Load() > 0 {
				return nil
			}
		}
		if from < 0 {
			from = off
		}
		to = off + int64(step)
	}
	return flush()
}

// named says whether, by the log, one of n pages of the range that is being rechecked must be looked at, or what lies there at off has not been
// sent yet. A page that was sent with the very LSN of its last change need not be.
func (w *worker) named(r *row, off, page, n int64) bool {
	unit := int(off / block.Unit)
	if unit >= len(r.marks.known) || !r.marks.known[unit] {
		return true
	}
	for _, lsn := range w.newest[page:][:n] {
		if lsn > r.seen.lsn && (n > 1 || !r.marks.sentAs(off, stampOf(0, lsn))) {
			return true
		}
	}
	return false
}

// headerCost is what reading a page's header takes of the disk: a block.
const headerCost = 4096

// newer says whether any page of the range must be sent again.
func (w *worker) newer(r *row, off, n int64, size int) (bool, error) {
	unit := int(off / block.Unit)
	if r.seen == nil || unit >= len(r.marks.known) || !r.marks.known[unit] {
		return true, nil
	}
	f, err := w.file(r.id)
	if err != nil || f == nil {
		return false, err
	}
	newest, stamp := false, uint64(0)
	for at, end := off, off+n; at < end; at += int64(size) {
		head := w.header[:]
		if err := w.hold(headerCost); err != nil {
			return false, err
		}
		if _, err := f.ReadAt(head, at); err != nil {
			if errors.Is(err, io.EOF) {
				w.d.unrest(r.id, "became shorter")
				return false, nil
			}
			return false, failf(CodeIO, "read %s at %d: %w", w.d.c.Dirs.Path(r.Role, r.Path), at, err)
		}
		lsn := innodb.PageLSN(head)
		stamp = stampOf(stamp, lsn)
		switch {
		case lsn >= r.seen.lsn:
			newest = true
			w.d.sawLSN(lsn)
		case lsn == 0:
			// Never written, freed or scrubbed. If zeroes were sent it is taken to
			// be still empty, which is verified after the lock; else it must go.
			if !r.marks.sentZero(at, int64(size)) {
				return true, nil
			}
		}
	}
	return newest && !r.marks.sentAs(off, stamp), nil
}

// pageSize is the size of a page in the file, 0 when its first page does not say:
// then all of it counts as changed.
func (w *worker) pageSize(r *row) (int, error) {
	if r.Class == tree.System {
		return w.d.page, nil // only the first of several files says it
	}
	f, err := w.file(r.id)
	if err != nil || f == nil {
		return 0, err
	}
	head := w.header[:]
	if _, err := f.ReadAt(head, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		return 0, failf(CodeIO, "read %s at 0: %w", w.d.c.Dirs.Path(r.Role, r.Path), err)
	}
	_, physical, _, err := innodb.PageSize(head)
	if err != nil {
		return 0, nil
	}
	w.space = innodb.Space(head)
	w.d.number(r, head)
	return physical, nil
}
