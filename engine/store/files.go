package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// files is the table of open files: reference counted, bounded, least recently used
// first out. A file stays open between calls, because opening costs more than writing
// a page, and a datadir may have more files than a process may open.
type files struct {
	s    *Store
	max  int
	mu   sync.Mutex
	turn sync.Cond // signalled when a slot may have become free or opened
	// idle is a ring of open entries that nobody uses, the oldest first.
	idle   ring
	spare  *slot // the last one that was given back
	open   int
	closed bool
}

// slot is the part of an entry whose file is open, or being opened. It is guarded by the mutex of files, but for
// what account keeps.
type slot struct {
	e          *entry
	f          *tree.Handle // nil while it is being opened
	refs       int
	prev, next *slot

	// Guarded by the entry's mutex.
	pending int64 // bytes written since writeback was last started
	lo, hi  int64 // the range they lie in
}

// ring is a doubly linked list threaded through the slots, so that moving one
// allocates nothing.
type ring struct{ first, last *slot }

func (r *ring) push(x *slot) {
	x.prev, x.next = r.last, nil
	if r.last != nil {
		r.last.next = x
	} else {
		r.first = x
	}
	r.last = x
}

func (r *ring) drop(x *slot) {
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		r.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	} else {
		r.last = x.prev
	}
	x.prev, x.next = nil, nil
}

func (t *files) init(s *Store, limit int) {
	t.s, t.max = s, limit
	t.turn.L = &t.mu
}

// acquire returns the open file of e, which stays open until release. It waits while
// all allowed files are in use, so nobody may hold two. The caller must not hold e.mu.
func (t *files) acquire(e *entry) (*tree.Handle, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch x := e.slot; {
		case t.closed:
			return nil, errClosed
		case x != nil && x.f != nil:
			if x.refs == 0 {
				t.idle.drop(x)
			}
			x.refs++
			return x.f, nil
		case x != nil:
			t.turn.Wait()
		case t.open < t.max:
			return t.openLocked(e)
		case t.idle.first != nil:
			if err := t.evictLocked(t.idle.first); err != nil {
				return nil, err
			}
		default:
			t.turn.Wait()
		}
	}
}

// openLocked opens e's file with the table unlocked meanwhile.
func (t *files) openLocked(e *entry) (*tree.Handle, error) {
	t.open++
	x := t.spare
	if x == nil {
		x = new(slot)
	}
	t.spare = nil
	*x = slot{e: e}
	e.slot = x
	t.mu.Unlock()
	f, err := t.s.openEntry(e)
	t.mu.Lock()
	t.turn.Broadcast()
	if err != nil {
		t.vacate(x)
		return nil, err
	}
	x.f, x.refs = f, 1
	return f, nil
}

// vacate takes the slot from its entry.
func (t *files) vacate(x *slot) {
	x.e.slot = nil
	*x = slot{}
	t.spare = x
	t.open--
}

// evictLocked closes the file of an idle entry with the table unlocked meanwhile.
func (t *files) evictLocked(x *slot) error {
	t.idle.drop(x)
	e, f := x.e, x.f
	t.vacate(x)
	t.open++ // until it is closed
	t.mu.Unlock()
	err := t.s.closeEntry(e, f)
	t.mu.Lock()
	t.open--
	t.turn.Broadcast()
	return err
}

// release ends one use.
func (t *files) release(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := e.slot
	if x == nil || x.refs <= 0 {
		panic("store: internal error: file released more often than acquired")
	}
	if x.refs--; x.refs == 0 {
		t.idle.push(x)
		t.turn.Broadcast()
	}
}

// forget closes the file of an entry that is about to be unlinked, once nobody uses
// it. Nothing of it has to reach the disk, so errors do not matter.
func (t *files) forget(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e.slot != nil && (e.slot.refs > 0 || e.slot.f == nil) {
		t.turn.Wait()
	}
	x := e.slot
	if x == nil {
		return
	}
	t.idle.drop(x)
	_ = x.f.Close()
	t.vacate(x)
	t.turn.Broadcast()
}

// closeAll lets nobody in any more, waits for running uses and closes every file.
func (t *files) closeAll() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.turn.Broadcast()
	var errs []error
	for t.open > 0 {
		if x := t.idle.first; x != nil {
			t.idle.drop(x)
			if err := x.f.Close(); err != nil {
				errs = append(errs, err)
			}
			t.vacate(x)
			continue
		}
		t.turn.Wait()
	}
	return errors.Join(errs...)
}

// openEntry opens the file of e, making it if there is none.
func (s *Store) openEntry(e *entry) (*tree.Handle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, name := e.spec.Role, e.name
	if !e.live || e.spec.Dir {
		// It was one when the block came; making it again would bring back what is gone.
		return nil, fmt.Errorf("open %s: the entry was removed from the catalog meanwhile", s.abs(r, name))
	}
	if !e.onDisk {
		return s.createEntry(e)
	}
	if e.mode&0o600 != 0o600 {
		// The donor may have files that their owner cannot write; an earlier pass has
		// given ours that mode already. EndPass puts it back.
		if err := s.chmod(r, name, e.mode|0o600); err != nil {
			return nil, err
		}
		e.mode |= 0o600
	}
	f, err := s.open(r, name, os.O_RDWR, 0)
	if err != nil {
		return nil, s.ioError("open", r, name, fmt.Errorf("what was there is gone: %w", bare(err)))
	}
	// Only the size is looked at: what was scanned may have been cut since.
	if f.Size() != e.size {
		_ = f.Close()
		return nil, s.ioError("open", r, name, fmt.Errorf("it has %d bytes where %d were left: something else writes here", f.Size(), e.size))
	}
	// Comparing reads front to back; a doubled window keeps a cold disk busy.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
	return f, nil
}

// createEntry makes the file of e, empty, with its mode. Whatever is in the way was
// not in the scan or not a regular file; it is unlinked, never followed.
func (s *Store) createEntry(e *entry) (*tree.Handle, error) {
	r, name, mode := e.spec.Role, e.name, e.spec.Mode
	const flag = os.O_RDWR | os.O_CREATE | os.O_EXCL
	f, err := s.open(r, name, flag, mode)
	if errors.Is(err, fs.ErrExist) {
		if err = s.remove(r, name); err == nil {
			f, err = s.open(r, name, flag, mode)
		}
	}
	if err != nil {
		return nil, s.ioError(opCreate, r, name, err)
	}
	// Where the umask had its say at creation the mode is not right yet. What a default ACL of the directory took is
	// for Seal to see.
	fitted := mode&s.umask == 0
	if !fitted {
		if err = s.pass(opChmod, r, name); err == nil {
			err = f.Chmod(mode)
		}
		if err != nil {
			_ = f.Close()
			return nil, s.ioError(opChmod, r, name, err)
		}
	}
	e.onDisk, e.size, e.mode, e.used, e.dirty, e.bare, e.fitted = true, 0, mode, nil, true, false, fitted
	return f, nil
}

// closeEntry closes a file that makes room for another. Where syncfs does not report
// errors the data must be durable first: an error found later would be nobody's.
func (s *Store) closeEntry(e *entry, f *tree.Handle) error {
	e.mu.Lock()
	r, name, dirty := e.spec.Role, e.name, e.dirty
	e.mu.Unlock()
	var err error
	if dirty && s.fsyncAll.Load() {
		err = s.syncFile(r, name, f)
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = s.ioError("close", r, name, cerr)
	}
	return err
}
