package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// zeroes is compared against, 16 KiB at a time: large enough to amortise the call
// of the vectorised compare, small enough to stay in the first-level cache.
var zeroes [16 << 10]byte

// IsZero reports whether p holds only zero bytes. An empty p is zero. Safe for
// concurrent use. Data usually ends the search in the first word.
func IsZero(p []byte) bool {
	if len(p) >= 8 && binary.NativeEndian.Uint64(p) != 0 {
		return false
	}
	for len(p) > len(zeroes) {
		if !bytes.Equal(p[:len(zeroes)], zeroes[:]) {
			return false
		}
		p = p[len(zeroes):]
	}
	return bytes.Equal(p, zeroes[:len(p)])
}

// Run is a stretch of a buffer that is all zero or is treated as data. Len is in
// bytes.
type Run struct {
	Len  int
	Zero bool
}

// SplitZero appends to dst the maximal runs of zero and data grains of p, in order;
// their lengths add up to len(p). A grain counts as zero only as a whole; the tail
// may be shorter than a grain. Runs already in dst are not extended. Nothing is
// allocated when dst has room for one run per grain. Safe for concurrent use.
func SplitZero(dst []Run, p []byte, grain int) []Run {
	if grain <= 0 {
		panic(fmt.Sprintf("block: internal error: grain of %d bytes", grain))
	}
	first := len(dst)
	for len(p) > 0 {
		n := min(grain, len(p))
		zero := IsZero(p[:n])
		if last := len(dst) - 1; last >= first && dst[last].Zero == zero {
			dst[last].Len += n
		} else {
			dst = append(dst, Run{Len: n, Zero: zero})
		}
		p = p[n:]
	}
	return dst
}
