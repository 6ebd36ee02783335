package proto

import (
	"time"

	"trireme/engine/block"
	"trireme/engine/innodb"
	"trireme/engine/tree"
)

// The redo log is as large as somebody made it, often many GiB, and none of it can be
// skipped by the file's times: the server writes to it all the time. But it is
// written from one end to the other and around again, so that between two readings
// only the stretch from the first one's end to the second one's end can have changed.
//
// A reading k remembers the checkpoint C before it. The log ended at or behind C then,
// so what was written since begins at or behind C. Under the lock the reading goes
// from there to the present checkpoint, which all that was written has reached, and
// on until several units in a row are what was sent: the server has not come so far.
// Live readings may stop too early, where the log is ahead of its checkpoint; what
// they miss lies behind the checkpoint that they remember, and is found by the next.
//
// What was skipped is compared with what was sent right after the lock (checkRing).

// quietUnits is how many units without a change end a search along the log. One would
// do, were the log written in order to the last byte; several cover what the server
// keeps ready in other buffers.
const quietUnits = 4

// redoSlots reads the checkpoint slots; a redo log that is not there or not known
// compares equal to itself and leaves the decision to its digests.
func (d *donor) redoSlots() innodb.Checkpoint {
	f, err := d.c.Dirs.OpenFile(tree.RoleRedo, "ib_logfile0", 0, 0)
	if err != nil {
		return innodb.Checkpoint{}
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return innodb.Checkpoint{}
	}
	cp, err := innodb.ReadCheckpoint(f, st.Size())
	if err != nil {
		return innodb.Checkpoint{}
	}
	return cp
}

// ring is the redo log's ring if the row is a log whose changes can be found along it.
func (d *donor) ring(r *row) (innodb.Ring, bool) {
	if r.Class != tree.Redo || d.lastLSN == 0 || r.Path != "ib_logfile0" {
		return innodb.Ring{}, false
	}
	return innodb.RingOf(d.redoSlots(), r.Size)
}

// recheckRing looks for what has changed in the redo log since its last sighting,
// and sends that; with find set it only counts. What has never been sent is looked at
// wherever it lies.
func (w *worker) recheckRing(r *row, it item, find bool) error {
	ring, ok := w.d.ring(r)
	if !ok || r.seen == nil || r.seen.lsn == 0 {
		return w.recheckLeaves(r, it, find)
	}
	units := len(r.marks.known)
	seen := 0
	defer func() {
		if !find {
			r.skipped = r.skipped || seen < units
		}
		w.d.p.done.Add(max(0, it.n-int64(seen)*block.Unit))
	}()
	look := func(unit int) (changed bool, err error) {
		seen++
		off := int64(unit) * block.Unit
		return w.recheckUnit(r, item{id: it.id, off: off, n: min(block.Unit, r.Size-off), way: recheck}, find)
	}
	// The head, and with it both checkpoint slots.
	if _, err := look(0); err != nil {
		return err
	}
	from := int(ring.Offset(r.seen.lsn) / block.Unit)
	must := units // how many units lie before the present checkpoint
	if ring.LSN()-min(r.seen.lsn, ring.LSN()) < uint64(ring.Capacity())-block.Unit {
		to := int(ring.Offset(ring.LSN()) / block.Unit)
		must = (to-from+units)%units + 1
	}
	quiet := 0
	for i := range units {
		unit := (from + i) % units
		if unit == 0 {
			continue // seen already; the first records of the log are in it
		}
		if quiet == quietUnits && r.marks.known[unit] {
			continue
		}
		changed, err := look(unit)
		if err != nil || changed && find {
			return err
		}
		switch {
		case quiet == quietUnits:
		case changed:
			quiet = 0
		case i >= must:
			quiet++
		}
	}
	return nil
}

// checkRing compares the redo log after the lock with what was sent of it: nothing
// but what the server has written since, from the window's checkpoint on, may differ.
// false means that something else does, or that the server has written so much that
// nothing can be said.
func (w *worker) checkRing(r *row, lsn uint64) (sound bool, err error) {
	ring, ok := w.d.ring(r)
	if !ok {
		return false, nil
	}
	units := len(r.marks.known)
	from := int(ring.Offset(lsn) / block.Unit)
	quiet := 0
	for i := range units {
		unit := (from + i) % units
		if unit == 0 {
			continue // the head changes with every checkpoint
		}
		off := int64(unit) * block.Unit
		changed, err := w.recheckUnit(r, item{id: r.id, off: off, n: min(block.Unit, r.Size-off), way: recheck}, true)
		switch {
		case err != nil:
			return false, err
		case !changed:
			quiet++
		case quiet < quietUnits:
			quiet = 0
		default:
			return false, nil
		}
	}
	return quiet >= quietUnits, nil
}

// checkRedo has what was skipped of the redo log under the lock compared, without the
// rate limit: the longer it takes, the more has been written over. What cannot be
// trusted is made to be sent whole in another window; it returns how many logs.
//
// A log that was cloned is compared once its clone has been read, any other one at once.
func (d *donor) checkRedo(w *window, cloned bool) (missed int64, err error) {
	for i := range d.cat.rows {
		r := &d.cat.rows[i]
		if r.gone || !r.skipped || cloned != (d.clones.get(r.id) != nil) {
			continue
		}
		began, read := time.Now(), d.p.read.Load()
		r.skipped = false
		d.workers[0].unbound = true
		sound, err := d.workers[0].checkRing(r, w.lsn)
		d.workers[0].unbound = false
		if err != nil {
			return 0, err
		}
		if !sound || d.strayed(r.id) { // another log has taken its place
			r.forget()
			missed++
		}
		d.clock.read += d.p.read.Load() - read // the pass that is still open has not read it
		d.c.Note("compared %s with what was sent of it in %.3f s", r.Path, time.Since(began).Seconds())
	}
	return missed, nil
}
