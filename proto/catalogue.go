package proto

import (
	"sort"

	"trireme/engine/tree"
	"trireme/proto/msg"
)

// key is where an entry of the catalogue lies.
type key struct {
	role tree.Role
	path string
}

// row is what the donor remembers of one entry.
type row struct {
	tree.Entry
	id   uint32
	have int64 // what the joiner could compare when the entry was announced
	gone bool

	cached bool      // reading it fills the page cache
	honest bool      // its file system's times tell of every write call
	seen   *sighting // nil: not read completely yet
	marks  marks     // what the joiner was sent

	missed  bool // something was wrongly skipped; its units are not known any more
	skipped bool // redo log: parts of it were taken to be what was sent
}

// catalogue is the donor's list of everything the joiner shall have. Ids are dense
// and an id keeps its path, so a file that comes back gets its old id.
type catalogue struct {
	rows  []row
	index map[key]uint32
}

func newCatalogue() *catalogue { return &catalogue{index: map[key]uint32{}} }

// diff is what a scan found against the catalogue.
type diff struct {
	announce []msg.Entry // what the joiner must hear, parents first
	ids      []uint32    // of announce
	touched  map[uint32]bool
}

// honest says whether every write call shows in a file's times. On tmpfs only stores
// through a mapping do not (consistency 2.1), and the classes that a server maps are
// suspect by themselves.
func honest(fs tree.FSInfo) bool { return fs.Trusted || fs.Name == "tmpfs" }

// update takes over a scan. live says whether files of classes that only travel
// under the lock are to be left out.
func (c *catalogue) update(t *tree.Tree, live, again bool) diff {
	d := diff{touched: map[uint32]bool{}}
	seen := make([]bool, len(c.rows))
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Class.Props().Send {
		case tree.Never:
			continue
		case tree.Locked:
			if live {
				// One that an abandoned window has announced stays as it is until the next.
				if id, known := c.index[key{e.Role, e.Path}]; known && !c.rows[id].gone {
					seen[id] = true
				}
				continue
			}
		}
		k := key{e.Role, e.Path}
		id, known := c.index[k]
		if !known {
			id = uint32(len(c.rows))
			c.index[k] = id
			c.rows = append(c.rows, row{Entry: *e, id: id, honest: honest(t.FSOf(e)), cached: t.FSOf(e).Name != "tmpfs"})
			seen = append(seen, true)
			d.say(&c.rows[id])
			continue
		}
		seen[id] = true
		r := &c.rows[id]
		old := r.Entry
		back := r.gone
		if e.Class == tree.LogTable && !back && again && e.Size > old.Size {
			// A log table that only grows is cut where it was first seen under
			// the lock (R-COPY-8).
			e.Size = old.Size
		}
		r.Entry, r.gone = *e, false
		if back {
			r.forget() // the joiner has removed its copy
		}
		if back || old.Dir != e.Dir || old.Size != e.Size || old.Mode != e.Mode {
			d.say(r)
			continue
		}
		if old.ID != e.ID || old.Mtime != e.Mtime || old.Ctime != e.Ctime {
			d.touched[id] = true
		}
	}
	d.vanish(c, seen)
	return d
}

func (d *diff) say(r *row) {
	d.touched[r.id] = true
	d.ids = append(d.ids, r.id)
	d.announce = append(d.announce, msg.Entry{
		ID: r.id, Role: uint8(r.Role), Dir: r.Dir, Sparse: r.Sparse(),
		Mode: uint16(r.Mode & 0o777), Size: size(&r.Entry), Path: r.Path,
	})
}

// after puts before d what an earlier scan found and the joiner has not heard of.
func (d diff) after(first diff) diff {
	d.announce = append(first.announce, d.announce...)
	d.ids = append(first.ids, d.ids...)
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
		d.ids = append(d.ids, id)
		d.announce = append(d.announce, msg.Entry{ID: id, Gone: true})
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
			bytes += size(&r.Entry)
			allocated += max(0, r.Allocated)
		}
	}
	return entries, bytes, allocated
}
