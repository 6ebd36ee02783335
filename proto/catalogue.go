package proto

import (
	"sort"
	"strings"

	"trireme/engine/tree"
	"trireme/proto/msg"
)

// row is what the donor remembers of one entry. There may be millions: what few files have lies behind a pointer, and
// what a scan found belongs to the scan as long as nothing changes.
type row struct {
	*tree.Entry           // never changed, only replaced
	seen        *sighting // nil: not read completely yet
	marks       *marks    // what the joiner was sent; unmarked when nothing is remembered
	have        int64     // what the joiner could compare when the entry was announced
	id          uint32
	gone        bool

	cached bool // reading it fills the page cache
	honest bool // its file system's times tell of every write call

	space  uint32             // the tablespace's number as its first page told first; 0 when that was not read yet
	late   bool               // not there from the first pass on
	page   int                // the size of its pages, with space
	firsts [firstPages]uint64 // the LSNs of its first pages as they were sent last
	looked uint64             // under the lock, pages that the log names since that LSN were looked at; 0: the log did not decide

	missed  bool // something was wrongly skipped; its units are not known any more
	skipped bool // redo log: parts of it were taken to be what was sent
}

// catalogue is the donor's list of everything the joiner shall have. Ids are dense
// and an id keeps its path, so a file that comes back gets its old id.
type catalogue struct {
	rows  []row
	order []uint32 // ids by role and path: a scan is in that order too, and is merged with it
}

func newCatalogue() *catalogue { return &catalogue{} }

// diff is what a scan found against the catalogue.
type diff struct {
	announce []news // what the joiner must hear, parents first
	touched  []bool // by id
}

// nothing is what a scan finds that shows all as it was.
func (c *catalogue) nothing() diff { return diff{touched: make([]bool, len(c.rows))} }

// news is one entry that the joiner must hear of. What it is, the row says when the message is made.
type news struct {
	id   uint32
	gone bool
}

func (n news) message(c *catalogue) msg.Entry {
	if n.gone {
		return msg.Entry{ID: n.id, Gone: true}
	}
	r := &c.rows[n.id]
	return msg.Entry{
		ID: n.id, Role: uint8(r.Role), Dir: r.Dir, Sparse: r.Sparse(),
		Mode: uint16(r.Mode & 0o777), Size: size(r.Entry), Path: r.Path,
	}
}

// honest says whether every write call shows in a file's times. On tmpfs only stores
// through a mapping do not (consistency 2.1), and the classes that a server maps are
// suspect by themselves.
func honest(fs tree.FSInfo) bool { return fs.Trusted || fs.Name == "tmpfs" }

// update takes over a scan, whose entries must not be changed any more. live says whether files of classes that only travel
// under the lock are to be left out.
func (c *catalogue) update(t *tree.Tree, live, again bool) diff {
	first := len(c.rows) == 0
	if first {
		c.rows = make([]row, 0, len(t.Entries))
	}
	known := c.order // what the scan has not come to yet
	fresh := make([]uint32, 0, cap(c.rows)-len(c.rows))
	d := diff{touched: make([]bool, len(c.rows), max(len(c.rows), len(t.Entries)))}
	seen := make([]bool, len(c.rows), cap(d.touched))
	for i := range t.Entries {
		e := &t.Entries[i]
		if !e.Sent() {
			continue
		}
		for len(known) > 0 && c.rows[known[0]].Before(e) {
			known = known[1:]
		}
		var r *row
		if len(known) > 0 && !e.Before(c.rows[known[0]].Entry) {
			r = &c.rows[known[0]]
		}
		if live && e.Class.Props().Send == tree.Locked {
			// One that an abandoned window has announced stays as it is until the next.
			if r != nil && !r.gone {
				seen[r.id] = true
			}
			continue
		}
		if r == nil {
			if !first {
				e = alone(e)
			}
			id := uint32(len(c.rows))
			fs := t.FSOf(e)
			c.rows = append(c.rows, row{Entry: e, id: id, marks: unmarked, honest: honest(fs), cached: fs.Name != "tmpfs"})
			fresh = append(fresh, id)
			seen, d.touched = append(seen, true), append(d.touched, true)
			d.announce = append(d.announce, news{id: id})
			continue
		}
		seen[r.id] = true
		old, back := r.Entry, r.gone
		size := e.Size
		if e.Class == tree.LogTable && !back && again && size > old.Size {
			// A log table that only grows is cut where it was first seen under
			// the lock (R-COPY-8).
			size = old.Size
		}
		if *old != *e || size != e.Size {
			e = alone(e)
			e.Path, e.Size = old.Path, size
			r.Entry = e
		}
		r.gone = false
		if back {
			r.forget() // the joiner has removed its copy
		}
		if back || old.Dir != e.Dir || old.Size != size || old.Mode != e.Mode {
			d.touched[r.id] = true
			d.announce = append(d.announce, news{id: r.id})
			continue
		}
		if old.ID != e.ID || old.Mtime != e.Mtime || old.Ctime != e.Ctime {
			d.touched[r.id] = true
		}
	}
	c.enter(fresh)
	d.vanish(c, seen)
	return d
}

// alone copies an entry, whose scan would be kept in memory as a whole for its sake.
func alone(e *tree.Entry) *tree.Entry {
	c := *e
	c.Path = strings.Clone(c.Path)
	return &c
}

// enter merges the ids of new rows, which are in order, into order.
func (c *catalogue) enter(fresh []uint32) {
	if len(fresh) == 0 {
		return
	}
	if len(c.order) == 0 {
		c.order = fresh
		return
	}
	merged := make([]uint32, 0, len(c.order)+len(fresh))
	for old := c.order; len(old)+len(fresh) > 0; {
		from := &old
		if len(old) == 0 || len(fresh) > 0 && c.rows[fresh[0]].Before(c.rows[old[0]].Entry) {
			from = &fresh
		}
		merged, *from = append(merged, (*from)[0]), (*from)[1:]
	}
	c.order = merged
}

// after puts before d what an earlier scan found and the joiner has not heard of.
func (d diff) after(first diff) diff {
	d.announce = append(first.announce, d.announce...)
	return d
}

// vanish announces what the scan no longer found, children before parents.
func (d *diff) vanish(c *catalogue, seen []bool) {
	var lost []uint32
	for id := range seen {
		if r := &c.rows[id]; !seen[id] && !r.gone {
			r.gone = true
			lost = append(lost, r.id)
		}
	}
	sort.Slice(lost, func(i, j int) bool { return c.rows[lost[i]].Path > c.rows[lost[j]].Path })
	for _, id := range lost {
		d.announce = append(d.announce, news{id, true})
	}
}

func size(e *tree.Entry) int64 {
	if e.Dir {
		return 0
	}
	return e.Size
}

// totals counts the entries that are there, their content and their disk space.
func (c *catalogue) totals() (entries uint32, bytes, allocated int64) {
	for i := range c.rows {
		if r := &c.rows[i]; !r.gone {
			entries++
			bytes += size(r.Entry)
			allocated += max(0, r.Allocated)
		}
	}
	return entries, bytes, allocated
}
