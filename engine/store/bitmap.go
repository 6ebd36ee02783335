package store

import "trireme/engine/block"

// bitmap has one bit per unit of a file: set when the unit may hold something else
// than zeroes. It covers the first TiB; units beyond count as used, so that a file's
// size cannot make it large.
type bitmap []uint64

const maxBits = 1 << 20

func (b *bitmap) mark(off, n int64) {
	if n <= 0 {
		return
	}
	for u := off / block.Unit; u <= (off+n-1)/block.Unit && u < maxBits; u++ {
		for int(u/64) >= len(*b) {
			*b = append(*b, 0)
		}
		(*b)[u/64] |= 1 << (u % 64)
	}
}

// clean reports whether the whole range is known to hold zeroes only.
func (b bitmap) clean(off, n int64) bool {
	for u := off / block.Unit; u <= (off+n-1)/block.Unit; u++ {
		if u >= maxBits || int(u/64) < len(b) && b[u/64]&(1<<(u%64)) != 0 {
			return false
		}
	}
	return true
}
