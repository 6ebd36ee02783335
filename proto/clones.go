package proto

import (
	"errors"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// Where the file system can share extents, the files to look at are cloned under the
// lock and read after it: the lock then does not depend on their size (consistency
// 2.7). Clones have no names and vanish with the program.

const (
	// cloneFrom is the smallest file worth a clone: reading less costs about as much
	// as the two system calls.
	cloneFrom = 64 << 10
	// piece is how much of a file is read and hashed, out of memory, in the time that one or two of its extents take to be cloned
	// (XFS 28 us, btrfs 9 us).
	piece = 32 << 10
	// spareFiles is how many descriptors are left for everything else.
	spareFiles = 256
)

// clones are the donor's files as they were under the lock.
type clones struct {
	mu    sync.Mutex
	files map[uint32]*os.File
	room  int // how many more may be open
	off   bool
}

func newClones() *clones {
	c := &clones{files: map[uint32]*os.File{}}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err == nil {
		c.room = int(min(lim.Cur, 1<<20)) - spareFiles
	}
	return c
}

func (c *clones) get(id uint32) *os.File {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[id]
}

// drop closes the clones of the ids that have one.
func (c *clones) drop(ids ...uint32) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if f := c.files[id]; f != nil {
			f.Close()
			delete(c.files, id)
			c.room++
		}
	}
}

// dropAll closes all clones.
func (c *clones) dropAll() {
	if c == nil {
		return
	}
	c.mu.Lock()
	ids := slices.Collect(maps.Keys(c.files))
	c.mu.Unlock()
	c.drop(ids...)
}

// cloneable says whether the wish's file can be expected to be cloned. Log tables are not: they grow past the lock, and each
// statement would overtake the clone.
func (d *donor) cloneable(w wish, t *tree.Tree) bool {
	return !d.clones.off && w.class != tree.LogTable && w.size >= cloneFrom && t.FSOf(d.cat.rows[w.id].Entry).CanClone
}

// inPieces says whether a file lies in so many extents that there is less to read of it than to clone.
func (d *donor) inPieces(r *row, extents int) bool {
	enough := extents/2 + 1 // pieces to read that make a clone worth while
	if _, along := d.ring(r); along {
		return 2*quietUnits*block.Unit/piece < enough // as long as it did not grow much in between
	}
	if !d.byLSN(r.Class) || r.seen == nil || r.page == 0 || !r.logged(r.seen.space) {
		return r.Size/piece < int64(enough)
	}
	n, end := headPages, r.Size/int64(r.page)
	var list []uint64
	for first := int64(0); first < end && n < enough; {
		ok := false
		if list, ok = d.follower.named(list[:0], r.seen.lsn, r.seen.space, uint32(first), uint32(min(end-first, 1<<14))); !ok {
			return r.Size/piece < int64(enough)
		}
		for _, lsn := range list {
			if lsn > r.seen.lsn && !r.marks.sentAs(first*int64(r.page), stampOf(0, lsn)) {
				n++
			}
			first++
		}
	}
	return n < enough
}

// writeBack has the kernel write what it holds of files that are going to be cloned. A clone would wait for that, under the lock.
func (d *donor) writeBack() {
	if d.disks == nil || d.clones.off {
		return
	}
	for i := range d.cat.rows {
		r := &d.cat.rows[i]
		if r.gone || r.Dir || d.changed(r, true) == unchanged || !d.cloneable(d.rewish(r), d.disks) {
			continue
		}
		// What cannot be written now makes the lock longer, and no more.
		if f, err := d.c.Dirs.Handle(r.Role, r.Path, os.O_RDONLY, 0); err == nil {
			const step = 64 << 20
			for off := int64(0); off < r.Size && d.s.ctx.Err() == nil; off += step {
				_ = f.WriteBack(off, step)
				d.aside.Add(step)
			}
			f.Close()
		}
	}
}

// cloneAll splits wishes into those whose files were cloned and the rest, which must
// be read under the lock. Workers clone side by side.
func (d *donor) cloneAll(ws []wish, t *tree.Tree) (cloned, rest []wish, err error) {
	var todo []wish
	for _, w := range ws {
		if d.cloneable(w, t) {
			todo = append(todo, w)
		} else {
			rest = append(rest, w)
		}
	}
	var mu sync.Mutex
	next := 0
	err = d.each(func(*worker) error {
		for {
			mu.Lock()
			if next == len(todo) {
				mu.Unlock()
				return nil
			}
			w := todo[next]
			next++
			mu.Unlock()
			ok, err := d.clone(w.id)
			if err != nil {
				return err
			}
			mu.Lock()
			if ok {
				cloned = append(cloned, w)
			} else {
				rest = append(rest, w)
			}
			mu.Unlock()
		}
	})
	return cloned, rest, err
}

// clone clones one file, replacing an older clone; false means that it cannot be.
func (d *donor) clone(id uint32) (bool, error) {
	c, r := d.clones, &d.cat.rows[id]
	c.drop(id)
	c.mu.Lock()
	full := c.room <= 0
	c.mu.Unlock()
	if full {
		return false, nil
	}
	// A file that is written while it is cloned comes to lie in more and more pieces, which makes the next clone of it slow: until there is less to
	// read than to clone.
	if n, err := d.c.Dirs.Extents(r.Role, r.Path); err == nil && d.inPieces(r, n) {
		return false, nil
	}
	f, err := d.c.Dirs.Clone(r.Role, r.Path)
	switch {
	case err == nil:
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOTTY):
		c.mu.Lock()
		c.off = true // XFS without reflink, an old kernel
		c.mu.Unlock()
		return false, nil
	default:
		// No room, a quota, no descriptors, a file that went: a clone is a way to read later, and reading now finds out the rest.
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[id] = f
	c.room--
	return true, nil
}
