package store

import (
	"slices"

	"trireme/engine/block"
)

// span is a range of units of a file, hi not included. MaxSize is 2^30 units, so that
// their numbers fit.
type span struct{ lo, hi uint32 }

// spans are the units of a file that may hold something else than zeroes, in order and
// with a gap between any two. Memory follows what was written, not the size that a
// donor announced: a file that is written front to back has one span, and one byte at
// the end of a PiB costs no more than one at its start.
type spans []span

// maxSpans bounds the memory of one file to 32 KiB, twice that while it grows. A file written in more pieces has
// gaps taken for used: then some zeroes are written that were there already.
const maxSpans = 4096

// firstUnit is what a written file of up to a unit has, one for all of them. Nobody writes to it.
var firstUnit = [1]span{{0, 1}}

// mark notes that n bytes from off on may hold data.
func (s *spans) mark(off, n int64) {
	if n <= 0 {
		return
	}
	// A basis file may be longer than the donor's can be, until it is cut.
	n = min(n, MaxSize-off)
	lo, hi := uint32(off/block.Unit), uint32((off+n-1)/block.Unit+1)
	// The spans from i up to j overlap or touch the new one.
	i, _ := slices.BinarySearchFunc(*s, lo, func(x span, lo uint32) int { return int(int64(x.hi) - int64(lo)) })
	j := i
	for j < len(*s) && (*s)[j].lo <= hi {
		j++
	}
	if i < j && (*s)[i].lo <= lo && hi <= (*s)[i].hi {
		return // as most are, for a small file
	}
	if len(*s) == 0 && (span{lo, hi}) == firstUnit[0] {
		*s = firstUnit[:1:1]
		return
	}
	if len(*s) > 0 && &(*s)[0] == &firstUnit[0] {
		*s = slices.Clone(*s)
	}
	switch {
	case i < j:
		(*s)[i] = span{min(lo, (*s)[i].lo), max(hi, (*s)[j-1].hi)}
		*s = slices.Delete(*s, i+1, j)
	case len(*s) < maxSpans:
		*s = slices.Insert(*s, i, span{lo, hi})
	case i > 0:
		(*s)[i-1].hi = hi
	default:
		(*s)[0].lo = lo
	}
}

// clean reports whether the whole range is known to hold zeroes only.
func (s spans) clean(off, n int64) bool {
	lo, hi := uint32(off/block.Unit), uint32((off+n-1)/block.Unit+1)
	// The first span that ends behind the start of the range.
	i, _ := slices.BinarySearchFunc(s, lo, func(x span, lo uint32) int {
		if x.hi <= lo {
			return -1
		}
		return 1
	})
	return i == len(s) || s[i].lo >= hi
}
