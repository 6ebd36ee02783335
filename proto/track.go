package proto

import (
	"os"
	"slices"
	"strings"
	"time"

	"trireme/engine/block"
	"trireme/engine/innodb"
	"trireme/engine/tree"
)

// A donor that copies while its server works must know, under the lock, what has
// changed since. It keeps two things for each file: the sighting, which is the stat
// before the last complete read with the checkpoint of that moment, and the marks of
// what was sent. Both speak of the donor's own files only; nothing the joiner says
// enters them.

// sighting is a file as it was found before the pass that read it completely.
type sighting struct {
	entry *tree.Entry
	at    int64  // wall clock before the scan, ns
	lsn   uint64 // checkpoint before the scan; 0 when it could not be read
	space uint32 // the tablespace's number when its first page was first read; 0 when it was not
}

// marks is what the joiner was sent, per leaf.
//
// Tablespaces have a page LSN to find changes by, except where it reads 0 because
// the page is empty: for those a bit says whether zeroes were sent. Where pages were
// sent more than once, stamps say what was sent last (hot.go). Other files
// have the digest of the very bytes that were sent (R-COPY-1), 16 bytes for 64 KiB.
type marks struct {
	zero  []uint64 // zeroWords for each unit, one bit for each zeroGrain
	hot   []*hotUnit
	known []bool // by unit: all of it was sent or found equal
	size  int64  // of the file when it was last measured
	leaf  []block.Digest
}

// leavesOf is the number of leaves in a unit.
func leavesOf(leaf int) int { return block.Unit / leaf }

// unmarked are the marks of all files of which nothing is remembered. It has no units, so nobody writes to it.
var unmarked = new(marks)

// measure gives the marks of r its size.
func (r *row) measure(byLSN bool) {
	if r.marks == unmarked {
		r.marks = new(marks)
	}
	r.marks.resize(r.Size, byLSN, r.Class.Props().Leaf)
}

// resize makes room for a file of n bytes; what is new is unknown.
func (m *marks) resize(n int64, byLSN bool, leaf int) {
	units := int((n + block.Unit - 1) / block.Unit)
	if units < len(m.known) {
		m.known = m.known[:units]
	}
	// The unit in which the shorter of both ends lies: the joiner has cut or lengthened it.
	if k := int(min(n, m.size) / block.Unit); n != m.size && k < len(m.known) {
		m.known[k] = false
	}
	m.size = n
	m.known = append(m.known, make([]bool, units-len(m.known))...)
	if byLSN {
		m.zero = fit(m.zero, units*zeroWords)
		m.hot = fit(m.hot, units)
	} else {
		m.leaf = fit(m.leaf, units*leavesOf(leaf))
	}
}

func fit[T any](s []T, n int) []T {
	if len(s) >= n {
		return s[:n]
	}
	return append(s, make([]T, n-len(s))...)
}

// byLSN says whether changes of the file can be found by page LSN: tablespaces of a
// server whose checkpoint can be read and that writes all pages before it reports
// its lock (consistency 2.6).
func (d *donor) byLSN(c tree.Class) bool {
	if d.lastLSN == 0 {
		return false
	}
	switch c {
	case tree.System, tree.Undo, tree.UndoSpace, tree.Tablespace:
		return true
	}
	return false
}

// longestWrite is the margin of the skip rule (consistency 2.3): how long before the
// scan a write may have been stamped whose bytes were not there to be read.
const longestWrite = 120*time.Second + 20*time.Millisecond

// inFlight is the margin in use. Only tests change it, to show what less would miss.
var inFlight = longestWrite

// wallOf is what the wall clock showed at a moment. Tests step it.
var wallOf = time.Time.UnixNano

// change is what is known about a file against its last sighting.
type change uint8

const (
	unseen    change = iota // never read completely, or another file under the name
	unchanged               // may be skipped
	moved                   // must be looked at
)

// stamped judges a file by its stamps alone. Between two looks under one lock they are enough: no write was under way when it was granted.
func (d *donor) stamped(r *row) change {
	switch {
	case r.seen == nil || r.seen.entry.ID != r.ID || r.seen.lsn == 0 && d.byLSN(r.Class):
		return unseen
	case r.missed || !r.seen.entry.Same(r.Entry):
		return moved
	}
	return unchanged
}

// changed judges a file by its stamps with the margin. strict is set under the lock, where a wrong "unchanged" may be final: tablespaces
// are compared with the joiner after it, but a page that has changed once more by then tells nothing.
//
// Where the redo log tells of a tablespace the margin does not matter: the log says of each page what stamps say of a file, and has no
// clocks or file systems to be wrong about.
func (d *donor) changed(r *row, strict bool) change {
	c := d.stamped(r)
	if c != unchanged {
		return c
	}
	suspect := r.Suspect || r.Class.Props().Suspect
	if d.byLSN(r.Class) {
		if r.logged(r.seen.space) {
			if touched, told := d.follower.touched(r.seen.lsn, r.seen.space); touched {
				return moved
			} else if told {
				return unchanged
			}
		}
		suspect = !r.honest // a small file is as good as a large one, and what is mapped has no pages with an LSN
	}
	if strict && (suspect || d.distrust.Load() || r.Ctime >= r.seen.at-int64(inFlight)) {
		return moved
	}
	return unchanged
}

// saw notes that a pass which scanned at the given moment has dealt with all the
// wishes. lsn is the checkpoint before that scan.
func (d *donor) saw(ws []wish, at time.Time, lsn uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range ws {
		r := &d.cat.rows[w.id]
		if _, ok := d.restless[w.id]; ok {
			r.forget()
			continue
		}
		r.seen, r.missed = &sighting{entry: r.Entry, at: at.UnixNano(), lsn: lsn, space: r.space}, false
	}
}

// judgePages finds out once whether pages can be judged by their LSN.
func (d *donor) judgePages() {
	cp := d.redoSlots()
	if !d.c.PageLSN || cp.LSN == 0 || !strings.HasPrefix(cp.Format, "mariadb-") {
		return
	}
	name := "ibdata1"
	if l := d.c.Dirs.Layout(); len(l.SystemFiles) > 0 {
		name = l.SystemFiles[0]
	}
	f, err := d.c.Dirs.OpenFile(tree.RoleInnoDBHome, name, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	head := make([]byte, innodb.HeaderSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		return
	}
	_, physical, _, err := innodb.PageSize(head)
	if err != nil {
		return
	}
	d.page, d.firstLSN, d.lastLSN = physical, cp.LSN, cp.LSN
}

// known is a checkpoint to search by: the one just read, or the last good one when
// that could not be read, which only makes the search wider.
func (d *donor) known(lsn uint64) uint64 {
	if d.lastLSN != 0 && lsn > d.lastLSN {
		d.lastLSN = lsn
	}
	return d.lastLSN
}

// changes wishes for everything that may differ from what the joiner was sent.
func (d *donor) changes(strict bool) []wish {
	var ws []wish
	for i := range d.cat.rows {
		r := &d.cat.rows[i]
		if r.gone || r.Dir {
			continue
		}
		r.measure(d.byLSN(r.Class))
		r.late = r.late || d.imports[r.id] // nobody else works now
		switch d.changed(r, strict) {
		case unseen:
			w := d.wishAll(r)
			if strict {
				w.have = 0 // asking the joiner would put the network into the lock
			}
			r.anew(d.passes > 0)
			ws = append(ws, w)
		case moved:
			if w := d.rewish(r); strict || w.along || r.Class.Props().Order < lockedOrders {
				ws = append(ws, w)
			}
		}
	}
	return ws
}

// anew is for a file of which nothing is known: not read yet, or another file under the name.
func (r *row) anew(late bool) {
	clear(r.marks.known)
	r.skipped, r.space, r.late = false, 0, late
}

// rewish wishes for what has changed in a file since it was sent.
func (d *donor) rewish(r *row) wish {
	w := wish{id: r.id, class: r.Class, size: r.Size, recheck: true, underWay: d.stamped(r) == unchanged}
	if r.seen != nil {
		_, w.along = d.ring(r)
	}
	return w
}

// lockedOrders: Aria's logs, and a redo log that cannot be followed, change all the
// time and are read again only under the lock.
const lockedOrders = 2

// again wishes for what a verify round looks at: what moved since the window's
// first scan, and the files whose times prove nothing. A clone that has been
// overtaken is made anew; those are counted, and read after the lock.
func (d *donor) again(w *window, t *tree.Tree) (ws []wish, recloned int, err error) {
	clonedAs := make(map[uint32]bool, len(w.cloned))
	for _, c := range w.cloned {
		clonedAs[c.id] = true
	}
	var anew []wish
	for i := range d.cat.rows {
		r := &d.cat.rows[i]
		if r.gone && clonedAs[r.id] {
			// Aria removes old logs under the lock.
			w.cloned = slices.DeleteFunc(w.cloned, func(c wish) bool { return c.id == r.id })
			d.clones.drop(r.id)
		}
		if r.gone || r.Dir {
			continue
		}
		r.measure(d.byLSN(r.Class))
		if clonedAs[r.id] {
			if was := w.entry[r.id]; d.clones.get(r.id) == nil || !was.Same(r.Entry) {
				anew = append(anew, d.rewish(r))
			}
			continue
		}
		pages := d.byLSN(r.Class)
		switch {
		case r.Class == tree.LogTable && r.seen != nil:
			continue // it grows past the lock; what was read under it counts (R-COPY-8)
		case d.stamped(r) == unseen:
			r.anew(true)
		case d.stamped(r) == moved:
		case pages:
			continue
		case r.Class.Props().Suspect, !r.honest:
		case d.mayLand(r, w.at) && !w.settled[r.id]:
			landing := d.rewish(r)
			landing.landing = true
			ws = append(ws, landing)
			continue
		default:
			continue
		}
		ws = append(ws, d.rewish(r))
	}
	if len(anew) == 0 {
		return ws, 0, nil
	}
	_, rest, err := d.cloneAll(anew, t)
	if err != nil {
		return nil, 0, err
	}
	d.remember(w)
	for i := range w.cloned {
		w.cloned[i].size = d.cat.rows[w.cloned[i].id].Size
	}
	for _, r := range rest {
		w.cloned = slices.DeleteFunc(w.cloned, func(c wish) bool { return c.id == r.id })
	}
	return append(ws, rest...), len(anew), nil
}

// mayLand says whether a write that a server had begun before it froze may still have come into a tablespace after that. Such a file need not
// hold still, but each block of it is read twice with the same result, so that none is sent in two halves (consistency 1.6). Other
// servers have written all pages before they report the lock.
func (d *donor) mayLand(r *row, at time.Time) bool {
	switch r.Class {
	case tree.System, tree.Undo, tree.UndoSpace, tree.Tablespace, tree.Dictionary, tree.Doublewrite:
		return !d.c.PageLSN && d.c.Locker != nil && (d.distrust.Load() || r.Ctime >= at.UnixNano()-int64(inFlight))
	}
	return false
}

// settle leaves out of wishes, after all of them were looked at, the files that were read again only because a write might have come in, where
// none had: they are not read a third time.
func (d *donor) settle(w *window, ws []wish) []wish {
	return slices.DeleteFunc(ws, func(x wish) bool {
		d.mu.Lock()
		differs := d.differs[x.id]
		d.mu.Unlock()
		if !x.landing || differs {
			return false
		}
		if w.settled == nil {
			w.settled = map[uint32]bool{}
		}
		w.settled[x.id] = true
		return true
	})
}

// remember keeps the stat of every cloned file, which its clone must still have at
// the end of the window.
func (d *donor) remember(w *window) {
	w.entry = make(map[uint32]tree.Entry, len(w.cloned))
	for _, c := range w.cloned {
		w.entry[c.id] = *d.cat.rows[c.id].Entry
	}
}

// watchClock compares the wall clock with the monotonic one since the last call:
// after a step, either way, time stamps prove nothing for the rest of the transfer
// (R-COPY-10).
func (d *donor) watchClock(now time.Time) {
	wall := wallOf(now) - wallOf(d.sampled)
	step := wall - now.Sub(d.sampled).Nanoseconds()
	d.sampled = now
	if step > int64(10*time.Millisecond) || step < -int64(10*time.Millisecond) {
		d.distrust.Store(true)
	}
}

// sent notes that the joiner holds p, which lies at off in r. p lies within one
// unit and begins at a leaf.
func (w *worker) sent(r *row, off int64, p []byte) {
	unit := int(off / block.Unit)
	if !w.d.tracking || unit >= len(r.marks.known) {
		return
	}
	leaf := r.Class.Props().Leaf
	w.d.learn(r, off, p)
	if w.d.byLSN(r.Class) {
		r.marks.noteZero(off, p)
		w.noteHot(r, off, p)
	} else {
		first := unit*leavesOf(leaf) + int(off%block.Unit)/leaf
		w.hash.Leaves(r.marks.leaf[first:first], leaf, p)
	}
	if off%block.Unit == 0 && int64(len(p)) >= min(block.Unit, r.Size-off) {
		r.marks.known[unit] = true
	}
}

// A page may be smaller than a leaf, and which of a leaf's pages were empty has to be known. Those below zeroGrain, of which there are only
// compressed ones, count as empty when their neighbours are.
const (
	zeroGrain = 4 << 10 // bytes
	zeroWords = block.Unit / zeroGrain / 64
)

// noteZero sets or clears the bits of p.
func (m *marks) noteZero(off int64, p []byte) {
	for bit := off / zeroGrain; len(p) > 0; bit++ {
		n := min(zeroGrain, len(p))
		if block.IsZero(p[:n]) {
			m.zero[bit/64] |= 1 << (bit % 64)
		} else {
			m.zero[bit/64] &^= 1 << (bit % 64)
		}
		p = p[n:]
	}
}

// sentZero says whether all that the range touches was sent as zeroes.
func (m *marks) sentZero(off, n int64) bool {
	for bit := off / zeroGrain; bit <= (off+n-1)/zeroGrain; bit++ {
		if m.zero[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// forget makes the next pass look at all of the file with the joiner's help: what is
// remembered of it may be wrong.
func (r *row) forget() {
	r.seen, r.space = nil, 0
	clear(r.marks.known)
}
