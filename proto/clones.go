package proto

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// Where the file system can share extents, the files to look at are cloned under the
// lock and read after it: the lock then does not depend on their size (consistency
// 2.7). Clones have no names and vanish with the program.

const (
	// cloneFrom is the smallest file worth a clone: reading less costs about as much
	// as the two system calls.
	cloneFrom = 64 << 10
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

// drop closes all clones, or those of the ids.
func (c *clones) drop(ids ...uint32) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ids == nil {
		for id := range c.files {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if f := c.files[id]; f != nil {
			f.Close()
			delete(c.files, id)
			c.room++
		}
	}
}

// cloneable says whether the wish's file can be expected to be cloned.
func (d *donor) cloneable(w wish, t *tree.Tree) bool {
	return !d.clones.off && w.size >= cloneFrom && t.FSOf(d.cat.rows[w.id].Entry).CanClone
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
	f, err := d.c.Dirs.Clone(r.Role, r.Path)
	switch {
	case err == nil:
	case gone(err):
		return false, nil // reading it finds the same, and the next scan settles it
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOTTY):
		c.mu.Lock()
		c.off = true // XFS without reflink, an old kernel
		c.mu.Unlock()
		return false, nil
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EMFILE):
		return false, nil
	default:
		return false, failf(CodeIO, "clone under the lock: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[id] = f
	c.room--
	return true, nil
}
