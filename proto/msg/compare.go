package msg

import "encoding/binary"

// DigestSize is the length of every digest on the wire.
const DigestSize = 16

// GroupSize is the data under one group digest; segments start at a multiple.
const GroupSize = 1 << 20

// Digest is one keyed 128-bit digest, of a leaf or of a group.
type Digest = [DigestSize]byte

// Segment is a range of one file. Groups lie at multiples of GroupSize from the
// file's start; the last may be short.
//
//	u32 id
//	u32 length in bytes
//	u64 offset
type Segment struct {
	ID     uint32
	Length uint32
	Offset int64
}

// Groups is the number of group digests that cover the segment.
func (s Segment) Groups() int { return (int(s.Length) + GroupSize - 1) / GroupSize }

// Compare asks for the group digests of some ranges.
//
//	u16 reserved
//	u16 n, then n segments
//
// A donor has at most one Compare or Ask open on a connection.
type Compare struct{ Segments []Segment }

// Len is the length of the encoded message.
func (c Compare) Len() int { return 4 + 16*len(c.Segments) }

// Append adds the encoded message to b.
func (c Compare) Append(b []byte) []byte {
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Segments)))
	for _, s := range c.Segments {
		b = binary.BigEndian.AppendUint32(b, s.ID)
		b = binary.BigEndian.AppendUint32(b, s.Length)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Offset))
	}
	return b
}

// ParseCompare reads the body of a Compare frame. Its segments lie in dst, whose memory
// is reused.
func ParseCompare(dst []Segment, body []byte) (Compare, error) {
	r := reader{typ: TypeCompare, b: body}
	r.zero(2)
	n := r.count("segments", MaxSegments, 16)
	dst = dst[:0]
	groups := 0
	for range n {
		s := Segment{ID: r.u32(), Length: r.u32(), Offset: r.size("offset")}
		switch {
		case r.err != nil:
		case s.Length == 0:
			r.fail("segment of file %d is empty", s.ID)
		case s.Length > MaxGroups*GroupSize:
			r.fail("segment of file %d is %d bytes", s.ID, s.Length)
		case s.Offset%GroupSize != 0:
			r.fail("segment of file %d starts at %d, inside a group", s.ID, s.Offset)
		}
		groups += s.Groups()
		if groups > MaxGroups {
			r.fail("more than %d groups", MaxGroups)
		}
		dst = append(dst, s)
	}
	if err := r.done(); err != nil {
		return Compare{Segments: dst[:0]}, err
	}
	return Compare{Segments: dst}, nil
}

// Ask names groups of the preceding Compare whose leaves are wanted, by their
// place in the answer, ascending.
//
//	u16 n, then n times u16
type Ask struct{ Groups []uint16 }

// Len is the length of the encoded message.
func (a Ask) Len() int { return 2 + 2*len(a.Groups) }

// Append adds the encoded message to b.
func (a Ask) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(a.Groups)))
	for _, g := range a.Groups {
		b = binary.BigEndian.AppendUint16(b, g)
	}
	return b
}

// ParseAsk reads the body of an Ask frame into dst, whose memory is reused. The
// indices are ascending and below limit.
func ParseAsk(dst []uint16, body []byte, limit int) ([]uint16, error) {
	r := reader{typ: TypeAsk, b: body}
	n := r.count("groups", MaxGroups, 2)
	dst = dst[:0]
	for i := range n {
		g := r.u16()
		switch {
		case r.err != nil:
		case int(g) >= limit:
			r.fail("group %d of %d", g, limit)
		case i > 0 && g <= dst[i-1]:
			r.fail("group %d after %d", g, dst[i-1])
		}
		dst = append(dst, g)
	}
	if err := r.done(); err != nil {
		return dst[:0], err
	}
	return dst, nil
}

// Digests is the body of both Groups and Leaves: digests in the order asked for.
//
//	u32 n, then n times 16 bytes
type Digests struct{ List []Digest }

// Len is the length of the encoded message.
func (d Digests) Len() int { return 4 + DigestSize*len(d.List) }

// Append adds the encoded message to b.
func (d Digests) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(d.List)))
	for i := range d.List {
		b = append(b, d.List[i][:]...)
	}
	return b
}

// ParseDigests reads the body of a Groups or Leaves frame of exactly want digests
// into dst, whose memory is reused.
func ParseDigests(dst []Digest, t Type, body []byte, want int) ([]Digest, error) {
	r := reader{typ: t, b: body}
	n := r.u32()
	if r.err == nil && int64(n) != int64(want) {
		r.fail("%d digests where %d were asked for", n, want)
	}
	dst = dst[:0]
	if r.err == nil && len(r.b) != want*DigestSize {
		r.fail("%d bytes for %d digests", len(r.b), want)
	}
	for range want {
		if r.err != nil {
			break
		}
		var d Digest
		copy(d[:], r.take(DigestSize))
		dst = append(dst, d)
	}
	if err := r.done(); err != nil {
		return dst[:0], err
	}
	return dst, nil
}

// Flush asks for an answer once everything before it on this connection has been
// applied; Flushed is that answer and repeats the token.
//
//	u64 token
type Flush struct{ Token uint64 }

// Len is the length of the encoded message.
func (f Flush) Len() int { return 8 }

// Append adds the encoded message to b.
func (f Flush) Append(b []byte) []byte { return binary.BigEndian.AppendUint64(b, f.Token) }

// ParseFlush reads the body of a Flush or Flushed frame.
func ParseFlush(t Type, body []byte) (Flush, error) {
	r := reader{typ: t, b: body}
	f := Flush{Token: r.u64()}
	if err := r.done(); err != nil {
		return Flush{}, err
	}
	return f, nil
}
