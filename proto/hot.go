package proto

import (
	"trireme/engine/block"
)

// A page counts as changed when its LSN is not older than the checkpoint before the
// last sighting, and a server's checkpoint lies as far back as its redo log is long. On
// a table that is written all over, most pages that are newer than the checkpoint were
// sent with the very same content by the pass before. So what is sent a second time is
// remembered by digest, and a third time it is read and hashed instead of sent: under
// the lock that is the difference between megabytes and hundreds of them.

// hotUnit holds the digests of the leaves of a tablespace's unit that were sent again;
// zero where none was. Only who works on the unit touches it: a unit lies in one job.
type hotUnit [block.Unit / block.LeafPage]block.Digest

// maxHotUnits bounds the memory for digests to 64 MiB, which covers 64 GiB of tables
// written all over. What is beyond is sent as often as its LSN says.
const maxHotUnits = 64 << 10

// noteHot remembers p, which was sent and lies at off in r, within one unit.
func (w *worker) noteHot(r *row, off int64, p []byte) {
	unit := int(off / block.Unit)
	h := r.marks.hot[unit]
	if h == nil {
		if r.seen == nil {
			return // the first time
		}
		if w.d.hotUnits.Add(1) > maxHotUnits {
			w.d.hotUnits.Add(-1)
			return
		}
		h = new(hotUnit)
		r.marks.hot[unit] = h
	}
	first := int(off%block.Unit) / block.LeafPage
	w.hash.Leaves(h[first:first], block.LeafPage, p)
}

// cool forgets the digests of a unit that the joiner holds otherwise.
func (d *donor) cool(r *row, unit int) {
	if r.marks.hot[unit] != nil {
		r.marks.hot[unit] = nil
		d.hotUnits.Add(-1)
	}
}

// sendHot sends what differs from what was sent last in a range of pages that may have
// changed. off is the beginning of a leaf.
func (w *worker) sendHot(r *row, off, n int64) error {
	for end := off + n; off < end; {
		unit := int(off / block.Unit)
		step := min(end-off, block.Unit-off%block.Unit)
		h := r.marks.hot[unit]
		if h == nil || !r.marks.known[unit] {
			if err := w.sendRange(r.id, off, step, false); err != nil {
				return err
			}
			off += step
			continue
		}
		p, err := w.read(r.id, w.unit[:step], off)
		if err != nil {
			return err
		}
		if err := w.sendChanged(r, h, off, p); err != nil {
			return err
		}
		if int64(len(p)) < step {
			return nil
		}
		off += step
		if w.d.s.ctx.Err() != nil {
			return w.d.s.cause(nil)
		}
	}
	return nil
}

// sendChanged sends the part of p from the first leaf that differs from what h
// remembers to the last. p lies in w.unit and at off in r.
func (w *worker) sendChanged(r *row, h *hotUnit, off int64, p []byte) error {
	w.leaves = w.hash.Leaves(w.leaves[:0], block.LeafPage, p)
	first := int(off%block.Unit) / block.LeafPage
	from, to := -1, 0
	for i, dg := range w.leaves {
		if h[first+i] == dg {
			continue
		}
		if from < 0 {
			from = i
		}
		to = i + 1
	}
	if from < 0 {
		return nil
	}
	at := from * block.LeafPage
	return w.chunk(r.id, off+int64(at), p[at:min(to*block.LeafPage, len(p))])
}
