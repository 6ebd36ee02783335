package innodb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"
)

// Trail is which pages were changed since an LSN, by the redo log of MariaDB 10.8 and later. What is written to a page's file was in
// the log before, so that a page which no mini-transaction from a checkpoint on has named was in its file at that checkpoint as
// it is there now. How long it takes to find that out depends on the log and not on the tables.
//
// A mini-transaction is records, a mark, and a CRC-32C of the records. A record is a byte of kind and length,
// more of the length where four bits do not hold it, and what it says; unless it is about the page of the record before or about a file it
// begins with the page's name. (In an encrypted log the names are encrypted as well.) The mark is 1 in every other generation of the ring, beginning with the first, and 0
// between them, so that what an older one has left is no continuation. LSNs count the bytes of all that.
//
// Not safe for concurrent use, but for calls of Newest at the same time.
type Trail struct {
	ring      Ring
	from, end uint64
	pages     map[chunk]uint32 // where in lsns a chunk is
	lsns      []lsns
	room      int    // chunks that may still be allotted
	buf       []byte // what was read from end on and is no whole mini-transaction
}

// chunk is a stretch of a tablespace.
type chunk struct{ space, no uint32 }

// lsns are those behind the last mini-transaction that named a page, of the pages of a chunk; newest is the highest of them.
type lsns struct {
	space  uint32
	newest uint64
	page   *[chunkPages]uint64
}

const (
	// maxMini is the longest mini-transaction, in bytes, as the server bounds it.
	maxMini = 1 << 20
	// trailRead is how much of the log is read at once, trailFirst how much at first: often there is little.
	trailRead  = 1 << 20
	trailFirst = 64 << 10
	// chunkPages is how many pages a chunk has: 4 KiB of memory for 8 MiB of a table of 16 KiB pages.
	chunkPages = 512
	// maxChunks bounds the memory to some 256 MiB, which does for 512 GiB of tables that are written all over.
	maxChunks = 1 << 16

	samePage = 0x80 // of a record's kind: about the page of the record before, or, where there is none, about a file
	lengthIn = 0x0f // of a record's kind: its length; 0 when that follows
)

// NewTrail begins a trail at from, which is a checkpoint or another LSN where a mini-transaction begins. size is that of the log's file.
// false where the format has no ring, the log is encrypted, or it may not hold that any more.
func NewTrail(c Checkpoint, size int64, from uint64) (*Trail, bool) {
	ring, ok := RingOf(c, size)
	if !ok || c.Format != "mariadb-10.8" || from < ring.first || ring.lsn > from && ring.lsn-from > uint64(ring.Capacity()) {
		return nil, false
	}
	return &Trail{ring: ring, from: from, end: from, pages: map[chunk]uint32{}, room: maxChunks}, true
}

// From is the LSN at which the trail begins, End that behind the last mini-transaction that was found whole.
func (t *Trail) From() uint64 { return t.from }
func (t *Trail) End() uint64  { return t.end }

// Newest appends to list for each of n pages of a tablespace the LSN behind the last mini-transaction between From and End that has named it,
// which the page bears once it is in its file; 0 where none has.
func (t *Trail) Newest(list []uint64, space, page, n uint32) []uint64 {
	for at, end := uint64(page), uint64(page)+uint64(n); at < end; {
		stop := min(end, at-at%chunkPages+chunkPages)
		if i, ok := t.pages[chunk{space, uint32(at / chunkPages)}]; ok {
			list = append(list, t.lsns[i].page[at%chunkPages:][:stop-at]...)
		} else {
			list = append(list, make([]uint64, stop-at)...)
		}
		at = stop
	}
	return list
}

// Spaces returns, for each tablespace of which a mini-transaction between From and End has named a page, the LSN behind the last one. The
// map is the caller's.
func (t *Trail) Spaces() map[uint32]uint64 {
	spaces := map[uint32]uint64{}
	for _, c := range t.lsns {
		spaces[c.space] = max(spaces[c.space], c.newest)
	}
	return spaces
}

// Follow reads on from End until the log ends, or whatever lies there is no whole mini-transaction: more may have come when it is
// called again. One call reads no more than a whole log. It was followed far enough if End has reached what the server says that it has written. An error is one of
// reading, or says that the log names what cannot be; then the trail is worth nothing any more.
func (t *Trail) Follow(log io.ReaderAt) error {
	t.buf = t.buf[:0] // what had no end may be another generation's by now
	n := int64(trailFirst)
	for stop := t.end + uint64(t.ring.Capacity()); t.end < stop; n = trailRead {
		if err := t.read(log, n); err != nil {
			return err
		}
		used := 0
		for {
			records, whole, more := t.mini(t.buf[used:])
			if whole > 0 {
				if err := t.note(t.buf[used:][:records], t.end+uint64(whole)); err != nil {
					return err
				}
				used += whole
				t.end += uint64(whole)
				continue
			}
			if !more {
				return nil
			}
			break
		}
		t.buf = t.buf[:copy(t.buf, t.buf[used:])]
	}
	return nil
}

// read appends the next stretch of the log, of most bytes, to t.buf, which begins at t.end.
func (t *Trail) read(log io.ReaderAt, most int64) error {
	off := t.ring.Offset(t.end + uint64(len(t.buf)))
	n := int(min(most, t.ring.size-off)) // the rest comes with the next call
	old := len(t.buf)
	t.buf = slices.Grow(t.buf, n)[:old+n]
	if n, err := log.ReadAt(t.buf[old:], off); n < len(t.buf)-old {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read redo log at %d: %w", off, err)
	}
	return nil
}

// mini looks for a whole mini-transaction at the beginning of b, which is at t.end. It returns the bytes of its records and
// of all of it, or whether more of the log could tell.
func (t *Trail) mini(b []byte) (records, whole int, more bool) {
	i := 0
	for {
		switch {
		case i > maxMini:
			return 0, 0, false
		case i >= len(b):
			return 0, 0, true
		}
		if b[i] <= 1 {
			break
		}
		_, n := record(b[i:])
		if n == 0 {
			return 0, 0, len(b)-i < maxRecordHead
		}
		i += n
	}
	if i == 0 || b[i] != t.ring.mark(t.end+uint64(i)) {
		return 0, 0, false
	}
	tail := b[i+1:]
	if len(tail) < crc32.Size {
		return 0, 0, true
	}
	if crc32.Checksum(b[:i], castagnoli) != binary.BigEndian.Uint32(tail) {
		return 0, 0, false
	}
	return i, i + 1 + crc32.Size, false
}

// maxRecordHead is how many bytes at most say how long a record is.
const maxRecordHead = 6

// record returns where what a record says begins, and where the record ends, which may be behind the end of b; 0 where its
// beginning makes no sense, or is cut off.
func record(b []byte) (body, end int) {
	if n := int(b[0] & lengthIn); n > 0 {
		return 1, 1 + n
	}
	more, n := number(b[1:])
	if n == 0 || more > maxMini {
		return 0, 0
	}
	return 1 + n, 1 + lengthIn + int(more)
}

// number decodes a number: the bits that lead its first byte say how many bytes follow, and each length begins where the shorter ones end.
// n is 0 where that makes none.
func number(b []byte) (v uint32, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = bits.LeadingZeros8(^b[0]) + 1
	if n > min(5, len(b)) || n == 5 && b[0] != 0xf0 {
		return 0, 0
	}
	v = uint32(b[0]) & (0xff >> n)
	for _, c := range b[1:n] {
		v = v<<8 | uint32(c)
	}
	first := [...]uint32{1: 0, 2: 1 << 7, 3: 1<<7 + 1<<14, 4: 1<<7 + 1<<14 + 1<<21, 5: 1<<7 + 1<<14 + 1<<21 + 1<<28}[n]
	if v+first < v {
		return 0, 0
	}
	return v + first, n
}

// note remembers the pages that the records of a mini-transaction which ends at an LSN name.
func (t *Trail) note(b []byte, lsn uint64) error {
	for len(b) > 0 {
		from, end := record(b)
		if from == 0 || end > len(b) || end < from {
			return fmt.Errorf("redo log at LSN %d: a record of %d bytes with %d left", t.end, end, len(b))
		}
		kind, body := b[0], b[from:end]
		b = b[end:]
		if kind&samePage != 0 {
			continue
		}
		space, n := number(body)
		page, m := number(body[n:])
		if n == 0 || m == 0 {
			return fmt.Errorf("redo log at LSN %d: a record of kind %#x does not say which page it is about", t.end, kind)
		}
		at := chunk{space, page / chunkPages}
		i, ok := t.pages[at]
		if !ok {
			if t.room == 0 {
				return fmt.Errorf("redo log at LSN %d: the pages that it names lie too far apart to be remembered", t.end)
			}
			t.room--
			i = uint32(len(t.lsns))
			t.pages[at], t.lsns = i, append(t.lsns, lsns{space: space, page: new([chunkPages]uint64)})
		}
		c := &t.lsns[i]
		c.newest, c.page[page%chunkPages] = lsn, lsn
	}
	return nil
}
