package proto

import (
	"io"
	"os"
	"sync"
	"time"

	"trireme/engine/gentle"
	"trireme/engine/innodb"
	"trireme/engine/tree"
)

// To find the changed pages of a tablespace by their LSNs the header of each of them has to be read, of a table that does not fit into
// memory from the disk, and under the lock all that counts. The redo log names the pages that were changed, and reading it takes as long
// as changing them: so a donor follows it from the first pass to the end, and looks at the pages that it names. Their own LSNs decide
// as before.
//
// Two things are written without a word in the log. A page may be scrubbed long after it was freed: the comparison after the lock finds it
// (unnamed), and what has been wrong once is not asked again. And an import writes all pages of a file that somebody has put there: the file
// was not there at first, or had another number (logged), or its first pages have changed without a word (imported).
// One that is under way when its file is read first is left to that comparison.
//
// A server that writes over what was not followed yet leaves a trail that ends before the checkpoint. The next pass finds that out; it looks
// at all headers, and begins another trail.

// follower has the donor's trail. keepUp follows the log all the time; a pass and a window begin by catching up.
type follower struct {
	mu    sync.RWMutex
	trail *innodb.Trail     // nil: there is none
	log   tree.Entry        // the file that it is about
	last  map[uint32]uint64 // by tablespace, the LSN behind the last change that it names; while it is sound
	sound bool              // it reaches the checkpoint that the present pass, or the window, began with
	wrong bool              // the comparison after the lock found a page that it should have named
}

// followEvery is often enough for a log of 100 MiB that is written at 400 MiB/s. What is faster laps the trail now and then.
const followEvery = 250 * time.Millisecond

// catchUp follows the log to its end, and begins a trail at want where there is none that reaches it. want is a checkpoint of the
// server's from before the look at the files that the log shall tell about.
func (d *donor) catchUp(want uint64) {
	x := &d.follower
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sound = false
	if d.lastLSN == 0 || x.wrong {
		return
	}
	if err := d.follow(want, true); err != nil {
		d.lose(err)
	}
	if x.sound = x.trail != nil; x.sound {
		x.last = x.trail.Spaces()
	}
}

// keepUp follows the log until stop is called, so that it is read before it is written over, and that a window has little to read.
func (d *donor) keepUp() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	d.s.run(func() error {
		defer close(ended)
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return nil
			case <-d.s.ctx.Done():
				return nil
			case <-tick.C:
			}
			d.follower.mu.Lock()
			if d.follower.trail != nil {
				if err := d.follow(0, false); err != nil {
					d.lose(err)
				}
			}
			d.follower.mu.Unlock()
		}
	})
	return func() { close(end); <-ended }
}

// follow follows the log that is there now. A trail that does not come to want, or is about another file (the log was resized), is
// dropped. For who waits for it, which catching up is, it has to come to the checkpoint that the log names as well, another one is begun at
// want, and reading counts as movement. The caller holds the lock.
func (d *donor) follow(want uint64, catchUp bool) error {
	x := &d.follower
	f, err := d.c.Dirs.Handle(tree.RoleRedo, "ib_logfile0", os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	now, _, err := tree.StatFile(f)
	if err != nil {
		return err
	}
	cp, err := innodb.ReadCheckpoint(f, now.Size)
	if err != nil {
		return err
	}
	end := want
	if catchUp {
		end = max(want, cp.LSN)
	}
	log := d.kindly(f, catchUp)
	if x.trail != nil && now.ID == x.log.ID && now.Size == x.log.Size && (!catchUp || cp.LSN != 0) {
		if err := x.trail.Follow(log); err != nil || x.trail.End() >= end {
			return err
		}
	}
	x.trail, x.sound = nil, false
	if !catchUp {
		return nil
	}
	trail, ok := innodb.NewTrail(cp, now.Size, want)
	if !ok {
		return nil
	}
	if err := trail.Follow(log); err != nil || trail.End() < end {
		return err
	}
	x.trail, x.log = trail, now
	return nil
}

// kindly reads the log until the session ends, and leaves the page cache as it was. The rate limit does not hold: it is the server that says how
// much there is to read, and what comes too late is worth nothing.
func (d *donor) kindly(f gentle.File, counted bool) io.ReaderAt {
	return readerAt(func(p []byte, off int64) (int, error) {
		if counted {
			d.aside.Add(int64(len(p)))
		}
		switch {
		case d.s.ctx.Err() != nil:
			return 0, d.s.cause(nil)
		case d.c.Gentle && d.working.Load():
			return gentle.ReadAt(f, p, off)
		}
		return f.ReadAt(p, off)
	})
}

type readerAt func([]byte, int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// lose drops the trail. The caller holds the lock.
func (d *donor) lose(err error) {
	d.follower.trail, d.follower.sound = nil, false
	if !gone(err) && d.s.ctx.Err() == nil {
		d.c.Note("the redo log does not tell which pages were changed, so all are looked at: %v", err)
	}
}

// doubt ends the use of the log for this transfer.
func (x *follower) doubt() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.trail, x.sound, x.wrong = nil, false, true
}

// named appends to list the LSN that each of n pages of a tablespace has by the log; what is not newer than since has not changed since that
// checkpoint. false where the log does not tell.
func (x *follower) named(list []uint64, since uint64, space, page, n uint32) ([]uint64, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if !x.sound || x.trail.From() > since {
		return list, false
	}
	return x.trail.Newest(list, space, page, n), true
}

// touched says whether the log names any page of a tablespace with a change that is newer than since; told is false where it does not tell.
func (x *follower) touched(since uint64, space uint32) (touched, told bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if !x.sound || x.trail.From() > since {
		return false, false
	}
	return x.last[space] > since, true
}

// logged says whether the log can tell of all changes of a tablespace since its last sighting. Not of the system's, among whose
// pages is the doublewrite buffer, nor of undo logs, which are cut and lengthened without a word about each page, and not of what an import may
// have written: a file that was not there at the beginning, or that had another number.
func (r *row) logged(space uint32) bool {
	return r.Class == tree.Tablespace && !r.late && r.seen != nil && space != 0 && r.seen.space == space
}

// looking notes since when the log decides about the pages of files that are about to be looked at under the lock. What becomes of the
// trail after that does not change what was decided by it.
func (d *donor) looking(ws []wish) {
	x := &d.follower
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, w := range ws {
		if r := &d.cat.rows[w.id]; r.looked == 0 && x.sound && r.seen != nil && r.logged(r.seen.space) && x.trail.From() <= r.seen.lsn {
			r.looked = r.seen.lsn
		}
	}
}

// unnamed says of a page that is found empty after the lock that nobody has looked at it under the lock, because the log did not name it, and that
// the log does not name it now: then it was empty already. What the log does not tell any more counts as that too, and costs another window at most.
func (d *donor) unnamed(r *row, space, page uint32) bool {
	x := &d.follower
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.looked == 0 || !r.logged(space) {
		return false
	}
	var lsn [1]uint64
	named := func() bool { return x.trail != nil && x.trail.Newest(lsn[:0], space, page, 1)[0] > r.looked }
	if named() {
		return false
	}
	// What was written since the log was read last. The log comes first, so it is there. Where there is another window anyway it
	// need not be read once more for each page.
	if x.trail != nil && d.missed.Load() == 0 {
		if err := d.follow(d.redoSlots().LSN, false); err != nil {
			d.lose(err)
		}
	}
	return !named()
}

// number remembers the number of a tablespace, and the size of its pages, by the head of the first one.
func (d *donor) number(r *row, head []byte) {
	if len(head) < innodb.HeaderSize || !d.byLSN(r.Class) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, physical, _, err := innodb.PageSize(head); err == nil && r.space == 0 {
		r.space, r.page = innodb.Space(head), physical
	}
}
