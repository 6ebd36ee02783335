package pack

import (
	"fmt"

	"github.com/klauspost/compress/s2"   // both codecs in pure Go, without allocation per piece
	"github.com/klauspost/compress/zstd" // at level "fastest" about twice zlib's ratio per processor second
)

const (
	// MaxPiece is the most content one piece may have: a transfer unit.
	MaxPiece = 1 << 20
	// window is how far back zstd looks. Pages repeat within themselves and with their
	// neighbours; a larger window costs cache and gains next to nothing.
	window = 256 << 10
	// minPiece is the smallest piece worth a try: one system call costs more than the
	// bytes that could be saved.
	minPiece = 512
	// firstSkip and mostSkip are how many pieces go raw after one that did not shrink
	// by an eighth: doubled each time, so that content that does not shrink costs a
	// sixty-fourth of what packing it would.
	firstSkip = 7
	mostSkip  = 64
	// maxLevel keeps the encoder's tables below some MiB for each connection.
	maxLevel = 9
)

// Packer packs pieces of content. Its zero value packs nothing; see Use.
type Packer struct {
	codec Codec
	level int

	enc  *zstd.Encoder
	out  []byte
	skip int // pieces that go raw before the next try
	last int // length of the last skip; 0 after a success
}

// Use sets the codec of the pieces to come. level is that of the zstd command; 0 means
// fastest. It is cheap when nothing changes.
func (p *Packer) Use(c Codec, level int) error {
	if !c.Known() {
		return fmt.Errorf("pack with %v: not known", c)
	}
	if level = min(level, maxLevel); c == Zstd && (p.enc == nil || level != p.level) {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(level, 1))), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return fmt.Errorf("make a zstd encoder: %w", err)
		}
		p.enc, p.level = enc, level
	}
	if c != None && p.out == nil {
		p.out = make([]byte, 0, s2.MaxEncodedLen(MaxPiece))
	}
	if c != p.codec {
		p.Fresh() // what the other one could not shrink says nothing about this one
	}
	p.codec = c
	return nil
}

// Fresh forgets that earlier content did not shrink: another file begins.
func (p *Packer) Fresh() { p.skip, p.last = 0, 0 }

// Pack packs content and returns the result with its codec, or content itself and
// None. The result is valid until the next call. It panics when content is longer than
// MaxPiece.
func (p *Packer) Pack(content []byte) ([]byte, Codec) {
	if len(content) > MaxPiece {
		panic(fmt.Sprintf("pack: internal error: a piece of %d bytes, at most %d are allowed", len(content), MaxPiece))
	}
	if p.codec == None || len(content) < minPiece {
		return content, None
	}
	if p.skip > 0 {
		p.skip--
		return content, None
	}
	switch p.codec {
	case Zstd:
		p.out = p.enc.EncodeAll(content, p.out[:0])
	case S2:
		p.out = s2.Encode(p.out[:cap(p.out)], content)
	}
	if len(p.out) > len(content)-len(content)/8 {
		p.last = min(max(firstSkip, 2*p.last), mostSkip)
		p.skip = p.last
		return content, None
	}
	p.last = 0
	return p.out, p.codec
}
