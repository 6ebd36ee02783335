package msg

import "encoding/binary"

// Entry is one line of the catalogue: a file or directory of the donor.
//
//	u32 id     | dense, from 0; an id keeps its path for the whole transfer
//	u8 role    | which root (engine/tree.Role)
//	u8 flags   | 1 directory, 2 the donor's file has holes, 4 gone
//	u16 mode   | permission bits
//	u64 size   | bytes; 0 for directories and for what is gone
//	text path  | slash-separated, relative to the root; empty when gone
type Entry struct {
	ID     uint32
	Role   uint8
	Dir    bool
	Sparse bool
	Gone   bool
	Mode   uint16
	Size   int64
	Path   string
}

const (
	entryDir    = 1
	entrySparse = 2
	entryGone   = 4

	entryFixed = 18 // bytes of an entry without its path
)

// Catalog carries entries that are new or changed since the last pass, or gone.
// Parents come before what lies in them.
//
//	u16 n, then n entries
type Catalog struct{ Entries []Entry }

// Len is the length of the encoded message.
func (c Catalog) Len() int {
	n := 2
	for i := range c.Entries {
		n += entryFixed + len(c.Entries[i].Path)
	}
	return n
}

// Append adds the encoded message to b.
func (c Catalog) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Entries)))
	for i := range c.Entries {
		e := &c.Entries[i]
		var flags byte
		if e.Dir {
			flags |= entryDir
		}
		if e.Sparse {
			flags |= entrySparse
		}
		if e.Gone {
			flags |= entryGone
		}
		b = binary.BigEndian.AppendUint32(b, e.ID)
		b = append(b, e.Role, flags)
		b = binary.BigEndian.AppendUint16(b, e.Mode)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Size))
		b = appendText(b, e.Path)
	}
	return b
}

// ParseCatalog reads the body of a Catalog frame.
func ParseCatalog(body []byte) (Catalog, error) {
	r := reader{typ: TypeCatalog, b: body}
	n := r.count("entries", MaxEntries, entryFixed)
	c := Catalog{Entries: make([]Entry, 0, n)}
	for range n {
		e := Entry{ID: r.u32(), Role: r.u8()}
		flags := r.flags(entryDir | entrySparse | entryGone)
		e.Dir, e.Sparse, e.Gone = flags&entryDir != 0, flags&entrySparse != 0, flags&entryGone != 0
		e.Mode = r.u16()
		e.Size = r.size("file size")
		e.Path = r.text("path", MaxPath)
		switch {
		case r.err != nil:
		case e.ID >= MaxID:
			r.fail("id %d is over the limit of %d", e.ID, MaxID)
		case e.Mode&^0o777 != 0:
			r.fail("mode %o has more than permission bits", e.Mode)
		case e.Gone && (e.Path != "" || e.Size != 0 || e.Dir || e.Sparse || e.Mode != 0 || e.Role != 0):
			r.fail("entry %d is gone and yet described", e.ID)
		case !e.Gone && e.Path == "":
			r.fail("entry %d has no path", e.ID)
		case e.Dir && (e.Size != 0 || e.Sparse):
			r.fail("directory %d has content", e.ID)
		}
		c.Entries = append(c.Entries, e)
	}
	if err := r.done(); err != nil {
		return Catalog{}, err
	}
	return c, nil
}

// Have answers one Catalog, entry by entry: how many bytes from the file's start
// the joiner holds and can compare. Zero means nothing: send it all.
//
//	u16 n, then n times u64
type Have struct{ Sizes []int64 }

// Len is the length of the encoded message.
func (h Have) Len() int { return 2 + 8*len(h.Sizes) }

// Append adds the encoded message to b.
func (h Have) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Sizes)))
	for _, n := range h.Sizes {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// ParseHave reads the body of a Have frame.
func ParseHave(body []byte) (Have, error) {
	r := reader{typ: TypeHave, b: body}
	n := r.count("sizes", MaxEntries, 8)
	h := Have{Sizes: make([]int64, 0, n)}
	for range n {
		h.Sizes = append(h.Sizes, r.size("size"))
	}
	if err := r.done(); err != nil {
		return Have{}, err
	}
	return h, nil
}
