package proto

import (
	"trireme/engine/block"
	"trireme/engine/innodb"
)

// A page counts as changed when its LSN is not older than the checkpoint before the
// last sighting, and a server's checkpoint lies as far back as its redo log is long. On
// a table that is written all over, most pages that are newer than the checkpoint were
// sent as they are by the pass before. So of what is sent a second time the LSNs are
// remembered, and a third time it is skipped while they are the same: under the lock
// that is the difference between megabytes and hundreds of them.
//
// An LSN does not stand for a page's content in general (consistency 2.5): a live read
// may find a new head over an old body. So only pages whose checksum says that they
// were read whole are remembered, and like all that is skipped by LSN they are compared
// with the joiner's copy after the lock.

// hotUnit holds a stamp for each leaf of a tablespace's unit that was sent again, made
// of the LSNs of the pages in it; 0 where none was, or one was not whole. Only who works on the unit touches
// it: a unit lies in one job.
type hotUnit [block.Unit / block.LeafPage]uint64

// maxHotUnits bounds the memory for stamps to 64 MiB, which covers 128 GiB of tables
// written all over. What is beyond is sent as often as its LSNs say.
const maxHotUnits = 128 << 10

// stampOf goes on with a stamp: the stamp of several pages tells their order too.
func stampOf(stamp, lsn uint64) uint64 {
	const odd = 0x9e3779b97f4a7c15 // spreads the low bits, in which LSNs differ
	return (stamp ^ lsn) * odd
}

// noteHot remembers p, which was sent and lies at off in r, within one unit. w.page is
// the size of the pages in it, 0 when nobody asked.
func (w *worker) noteHot(r *row, off int64, p []byte) {
	unit := int(off / block.Unit)
	h := r.marks.hot[unit]
	if h == nil {
		if w.page == 0 || w.d.hotUnits.Add(1) > maxHotUnits {
			return
		}
		h = new(hotUnit)
		r.marks.hot[unit] = h
	}
	step := max(w.page, block.LeafPage)
	for at := 0; at < len(p); at += step {
		stamp := uint64(0)
		for page := at; w.page > 0 && page < min(at+step, len(p)); page += w.page {
			if !innodb.Whole(p[page:min(page+w.page, len(p))]) {
				stamp = 0
				break
			}
			stamp = stampOf(stamp, innodb.PageLSN(p[page:]))
		}
		first := (int(off%block.Unit) + at) / block.LeafPage
		h[first] = stamp
	}
}

// cool forgets the stamps of a unit that the joiner was given in another way.
func (m *marks) cool(unit int) {
	if m.hot[unit] != nil {
		clear(m.hot[unit][:])
	}
}

// sentAs says whether the leaf at off was sent with the pages of that stamp.
func (m *marks) sentAs(off int64, stamp uint64) bool {
	h := m.hot[off/block.Unit]
	return h != nil && stamp != 0 && h[int(off%block.Unit)/block.LeafPage] == stamp
}
