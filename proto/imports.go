package proto

import (
	"trireme/engine/block"
	"trireme/engine/innodb"
)

// An import (ALTER TABLE ... IMPORT TABLESPACE) writes all pages of a file without a word in the redo log, and leaves LSN 0 in them. Where the
// file was there before, under the number of the table, only its first pages tell.

// imported says whether the tablespace was written by an import since its first pages were sent last: they have other LSNs, of which the log says
// nothing. (An import leaves 0 there.) What was once is remembered, since an import takes its time, and the first pages are sent again.
func (w *worker) imported(r *row, size int) (bool, error) {
	d := w.d
	d.mu.Lock()
	known, was := d.imports[r.id], r.firsts
	d.mu.Unlock()
	if known {
		return true, nil
	}
	f, err := w.file(r.id)
	if err != nil || f == nil {
		return false, err
	}
	if err := w.hold(firstPages * headerCost); err != nil {
		return false, err
	}
	for page := range was {
		if _, err := f.ReadAt(w.header[:], int64(page*size)); err != nil {
			return false, nil // whoever reads in earnest finds out
		}
		// What the log says of a page counts only where the page has it: an import may be followed by changes that are in memory so far.
		if lsn := innodb.PageLSN(w.header[:]); lsn != was[page] && (lsn <= r.seen.lsn || !d.tells(r, w.space, uint32(page))) {
			d.noteImport(r.id)
			return true, nil
		}
	}
	return false, nil
}

// tells says whether the log names a page with a change that is newer than the sighting of its file. A page that is in its file is in the
// log, if need be in what was not followed yet. Where the log does not tell any more nobody goes by it.
func (d *donor) tells(r *row, space, page uint32) bool {
	var lsn [1]uint64
	for try := range 2 {
		if try > 0 {
			d.follower.mu.Lock()
			if d.follower.trail != nil {
				if err := d.follow(d.redoSlots().LSN, false); err != nil {
					d.lose(err)
				}
			}
			d.follower.mu.Unlock()
		}
		if list, told := d.follower.named(lsn[:0], r.seen.lsn, space, page, 1); !told || list[0] > r.seen.lsn {
			return true
		}
	}
	return false
}

// noteImport notes that an import has written a tablespace.
func (d *donor) noteImport(id uint32) {
	d.mu.Lock()
	d.imports[id] = true
	d.mu.Unlock()
}

// firstPages are those whose LSNs are remembered of each tablespace: few changes touch all of them.
const firstPages = 3

// learn remembers what the joiner was sent of the first pages of a tablespace, or holds of them: p lies at off.
func (d *donor) learn(r *row, off int64, p []byte) {
	if off == 0 {
		d.number(r, p)
	}
	if off >= block.Unit || !d.byLSN(r.Class) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range r.firsts {
		if at := int64(i*r.page) - off; r.page > 0 && at >= 0 && at+innodb.HeaderSize <= int64(len(p)) {
			lsn := innodb.PageLSN(p[at:])
			if lsn == 0 && r.firsts[i] != 0 {
				d.imports[r.id] = true // since these pages were looked at (worker.imported)
			}
			r.firsts[i] = lsn
		}
	}
}
