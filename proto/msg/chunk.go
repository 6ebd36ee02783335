package msg

import (
	"encoding/binary"

	"trireme/wire/pack"
)

// Run is a stretch of a chunk that is either content or zero.
type Run struct {
	Len  int
	Zero bool
}

// Chunk is a piece of one file of at most MaxPayload bytes.
//
//	u32 id
//	u8 codec      | 0 none, 1 zstd, 2 s2 (only what the joiner's Hello named)
//	u8 flags      | 1 the donor is going to compare the group that this is (SPEC.md section 5)
//	u16 runs
//	u64 offset
//	u64 tag       | xxh3 of the content bytes, seeded with id and offset (SPEC.md)
//	runs x u32    | length; the top bit marks zeroes, which carry no payload
//	payload       | the content runs, one after another, packed by codec
//
// Neighbouring runs differ in kind and none is empty. A packed payload is shorter than
// the content and not empty.
type Chunk struct {
	ID      uint32
	Codec   pack.Codec
	Note    bool // its digest is going to be asked for
	Offset  int64
	Tag     uint64
	Runs    []Run
	Payload []byte
}

const (
	chunkFixed = 24
	codecAt    = 4
	noteFlag   = 1
	zeroBit    = 1 << 31
)

// SetCodec changes the codec in what AppendHead has written.
func SetCodec(head []byte, c pack.Codec) { head[codecAt] = byte(c) }

// HeadLen is the length of all but the payload.
func (c Chunk) HeadLen() int { return chunkFixed + 4*len(c.Runs) }

// AppendHead adds everything but the payload, which a sender hands over as it
// lies in its buffer.
func (c Chunk) AppendHead(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, c.ID)
	flags := byte(0)
	if c.Note {
		flags |= noteFlag
	}
	b = append(b, byte(c.Codec), flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Runs)))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Offset))
	b = binary.BigEndian.AppendUint64(b, c.Tag)
	for _, r := range c.Runs {
		n := uint32(r.Len)
		if r.Zero {
			n |= zeroBit
		}
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// Len is the length of the encoded message.
func (c Chunk) Len() int { return c.HeadLen() + len(c.Payload) }

// Append adds the encoded message to b.
func (c Chunk) Append(b []byte) []byte { return append(c.AppendHead(b), c.Payload...) }

// Content is the number of bytes that the content runs cover.
func (c Chunk) Content() int {
	n := 0
	for _, r := range c.Runs {
		if !r.Zero {
			n += r.Len
		}
	}
	return n
}

// Span is the number of file bytes the runs cover.
func (c Chunk) Span() int {
	n := 0
	for _, r := range c.Runs {
		n += r.Len
	}
	return n
}

// ParseChunk reads the body of a Chunk frame. Payload aliases body; runs are put
// into dst, whose memory is reused.
func ParseChunk(dst []Run, body []byte) (Chunk, error) {
	r := reader{typ: TypeChunk, b: body}
	c := Chunk{ID: r.u32(), Codec: pack.Codec(r.u8())}
	if r.err == nil && !c.Codec.Known() {
		r.fail("unknown %v", c.Codec)
	}
	flags := r.u8()
	if r.err == nil && flags&^noteFlag != 0 {
		r.fail("unknown flags %#x", flags)
	}
	c.Note = flags&noteFlag != 0
	n := int(r.u16())
	if r.err == nil && (n == 0 || n > MaxRuns) {
		r.fail("%d runs", n)
	}
	c.Offset = r.size("offset")
	c.Tag = r.u64()
	c.Runs = dst[:0]
	span, content := 0, 0
	for i := range n {
		v := r.u32()
		if r.err != nil {
			break
		}
		run := Run{Len: int(v &^ zeroBit), Zero: v&zeroBit != 0}
		if run.Len == 0 || run.Len > MaxPayload {
			r.fail("run of %d bytes", run.Len)
			break
		}
		if i > 0 && run.Zero == c.Runs[i-1].Zero {
			r.fail("runs %d and %d are of one kind", i-1, i)
			break
		}
		span += run.Len
		if !run.Zero {
			content += run.Len
		}
		c.Runs = append(c.Runs, run)
	}
	switch {
	case r.err != nil:
	case span > MaxPayload:
		r.fail("%d bytes, the limit is %d", span, MaxPayload)
	case c.Offset > MaxSize-int64(span):
		r.fail("ends past the largest file")
	case c.Codec != pack.None && (len(r.b) == 0 || len(r.b) >= content):
		r.fail("%d bytes packed with %v for %d bytes of content", len(r.b), c.Codec, content)
	case c.Codec == pack.None && content != len(r.b):
		r.fail("%d bytes of payload for %d bytes of content", len(r.b), content)
	}
	if r.err != nil {
		return Chunk{}, r.err
	}
	c.Payload = r.b
	return c, nil
}
