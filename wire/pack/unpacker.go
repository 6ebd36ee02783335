package pack

import (
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Unpacker undoes a Packer's work. Its zero value is ready.
type Unpacker struct {
	dec *zstd.Decoder
}

// Unpack fills dst with the content of packed. It is an error when the content is not
// exactly len(dst) bytes, which may be MaxPiece at most. After an error dst holds
// anything.
func (u *Unpacker) Unpack(c Codec, dst, packed []byte) error {
	if len(dst) > MaxPiece {
		return fmt.Errorf("unpack %v: %d bytes announced, at most %d are allowed", c, len(dst), MaxPiece)
	}
	var n int
	switch c {
	case Zstd:
		if u.dec == nil {
			// No input can make the result outgrow dst, nor the decoder a window.
			dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(MaxPiece), zstd.WithDecoderMaxWindow(MaxPiece))
			if err != nil {
				return fmt.Errorf("make a zstd decoder: %w", err)
			}
			u.dec = dec
		}
		got, err := u.dec.DecodeAll(packed, dst[:0:len(dst)])
		if err != nil {
			return fmt.Errorf("unpack %v: %w", c, err)
		}
		n = len(got)
	case S2:
		var err error
		if n, err = s2.DecodedLen(packed); err != nil {
			return fmt.Errorf("unpack %v: %w", c, err)
		}
		if n == len(dst) {
			if _, err = s2.Decode(dst, packed); err != nil {
				return fmt.Errorf("unpack %v: %w", c, err)
			}
		}
	default:
		return fmt.Errorf("unpack %v: not a codec", c)
	}
	if n != len(dst) {
		return fmt.Errorf("unpack %v: %d bytes, %d were announced", c, n, len(dst))
	}
	return nil
}
