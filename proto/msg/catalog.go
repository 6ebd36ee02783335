package msg

import "encoding/binary"

// Entry is one line of the catalogue: a file or directory of the donor.
//
//	u32 id     | dense, from 0; an id keeps its path for the whole transfer
//	u8 role    | which root (engine/tree.Role)
//	u8 flags   | 1 directory, 2 the donor's file has holes, 4 gone, 8 a stamp follows the path
//	u16 mode   | permission bits
//	u64 size   | bytes; 0 for directories and for what is gone
//	text path  | slash-separated, relative to the root; empty when gone
//	16 stamp   | only with flag 8: stands for the file's present state at the donor; not zero
type Entry struct {
	ID     uint32
	Role   uint8
	Dir    bool
	Sparse bool
	Gone   bool
	Mode   uint16
	Size   int64
	Path   string
	Stamp  Stamp // zero: none
}

// Stamp is opaque to everybody but who made it (tree.Stamp).
type Stamp = [16]byte

const (
	entryDir     = 1
	entrySparse  = 2
	entryGone    = 4
	entryStamped = 8

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
		if c.Entries[i].Stamp != (Stamp{}) {
			n += len(Stamp{})
		}
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
		if e.Stamp != (Stamp{}) {
			flags |= entryStamped
		}
		b = binary.BigEndian.AppendUint32(b, e.ID)
		b = append(b, e.Role, flags)
		b = binary.BigEndian.AppendUint16(b, e.Mode)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Size))
		b = appendText(b, e.Path)
		if e.Stamp != (Stamp{}) {
			b = append(b, e.Stamp[:]...)
		}
	}
	return b
}

// ParseCatalog reads the body of a Catalog frame. The entries lie in memory if that suffices; nothing of body is kept.
func ParseCatalog(memory []Entry, body []byte) (Catalog, error) {
	r := reader{typ: TypeCatalog, b: body}
	n := r.count("entries", MaxEntries, entryFixed)
	c := Catalog{Entries: memory[:0]}
	if memory == nil || cap(memory) < n {
		c.Entries = make([]Entry, 0, n)
	}
	for range n {
		e := Entry{ID: r.u32(), Role: r.u8()}
		flags := r.flags(entryDir | entrySparse | entryGone | entryStamped)
		e.Dir, e.Sparse, e.Gone = flags&entryDir != 0, flags&entrySparse != 0, flags&entryGone != 0
		e.Mode = r.u16()
		e.Size = r.size("file size")
		e.Path = r.text("path", MaxPath)
		stamped := flags&entryStamped != 0
		if stamped {
			copy(e.Stamp[:], r.take(len(e.Stamp)))
		}
		switch {
		case r.err != nil:
		case stamped && (e.Gone || e.Dir || e.Stamp == (Stamp{})):
			r.fail("entry %d has a stamp that it cannot have", e.ID)
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
//	u16 n, then n times u64; the top bit says that the file is, untouched since, the
//	copy of what the entry's stamp stands for
type Have struct {
	Sizes []int64
	// Vouched has the top bits; nil: none is set.
	Vouched []bool
}

const haveVouched = 1 << 63

// Vouches says whether the top bit of the entry number i is set.
func (h Have) Vouches(i int) bool { return i < len(h.Vouched) && h.Vouched[i] }

// Vouch sets the top bit of the entry number i.
func (h *Have) Vouch(i int) {
	if h.Vouched == nil {
		h.Vouched = make([]bool, len(h.Sizes))
	}
	h.Vouched[i] = true
}

// Len is the length of the encoded message.
func (h Have) Len() int { return 2 + 8*len(h.Sizes) }

// Append adds the encoded message to b.
func (h Have) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Sizes)))
	for i, n := range h.Sizes {
		v := uint64(n)
		if h.Vouches(i) {
			v |= haveVouched
		}
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

// ParseHave reads the body of a Have frame.
func ParseHave(body []byte) (Have, error) {
	r := reader{typ: TypeHave, b: body}
	n := r.count("sizes", MaxEntries, 8)
	h := Have{Sizes: make([]int64, n)}
	for i := range n {
		v := r.u64()
		if v&haveVouched != 0 {
			h.Vouch(i)
			v &^= haveVouched
		}
		if v > MaxSize {
			r.fail("size %d is over the limit of %d", v, int64(MaxSize))
			break
		}
		h.Sizes[i] = int64(v)
	}
	if err := r.done(); err != nil {
		return Have{}, err
	}
	return h, nil
}
