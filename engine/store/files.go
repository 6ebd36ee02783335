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
	idle   entryRing
	open   int
	closed bool
}

// slot is the part of an entry that belongs to files and is guarded by its mutex.
type slot struct {
	f          *tree.Handle
	refs       int
	opening    bool
	prev, next *entry
}

// entryRing is a doubly linked list threaded through the entries, so that moving one
// allocates nothing.
type entryRing struct{ first, last *entry }

func (r *entryRing) push(e *entry) {
	e.slot.prev, e.slot.next = r.last, nil
	if r.last != nil {
		r.last.slot.next = e
	} else {
		r.first = e
	}
	r.last = e
}

func (r *entryRing) drop(e *entry) {
	if e.slot.prev != nil {
		e.slot.prev.slot.next = e.slot.next
	} else {
		r.first = e.slot.next
	}
	if e.slot.next != nil {
		e.slot.next.slot.prev = e.slot.prev
	} else {
		r.last = e.slot.prev
	}
	e.slot.prev, e.slot.next = nil, nil
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
		switch {
		case t.closed:
			return nil, errClosed
		case e.slot.f != nil:
			if e.slot.refs == 0 {
				t.idle.drop(e)
			}
			e.slot.refs++
			return e.slot.f, nil
		case e.slot.opening:
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
	e.slot.opening = true
	t.mu.Unlock()
	f, err := t.s.openEntry(e)
	t.mu.Lock()
	e.slot.opening = false
	t.turn.Broadcast()
	if err != nil {
		t.open--
		return nil, err
	}
	e.slot.f, e.slot.refs = f, 1
	return f, nil
}

// evictLocked closes the file of an idle entry with the table unlocked meanwhile.
func (t *files) evictLocked(e *entry) error {
	t.idle.drop(e)
	f := e.slot.f
	e.slot.f = nil
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
	if e.slot.refs <= 0 {
		panic("store: internal error: file released more often than acquired")
	}
	if e.slot.refs--; e.slot.refs == 0 {
		t.idle.push(e)
		t.turn.Broadcast()
	}
}

// forget closes the file of an entry that is about to be unlinked, once nobody uses
// it. Nothing of it has to reach the disk, so errors do not matter.
func (t *files) forget(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for e.slot.refs > 0 || e.slot.opening {
		t.turn.Wait()
	}
	if e.slot.f == nil {
		return
	}
	t.idle.drop(e)
	_ = e.slot.f.Close()
	e.slot.f = nil
	t.open--
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
		if e := t.idle.first; e != nil {
			t.idle.drop(e)
			if err := e.slot.f.Close(); err != nil {
				errs = append(errs, err)
			}
			e.slot.f = nil
			t.open--
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
	// The umask had its say at creation.
	err = s.pass(opChmod, r, name)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err != nil {
		_ = f.Close()
		return nil, s.ioError(opChmod, r, name, err)
	}
	e.onDisk, e.size, e.mode, e.used, e.dirty, e.bare = true, 0, mode, nil, true, false
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
