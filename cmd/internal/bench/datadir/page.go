package datadir

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
)

// PageSize is InnoDB's default.
const PageSize = 16 << 10

// Offsets in a page, big endian: number, neighbours, LSN, type and space; in page 0 also pages and flags of the space
// (MariaDB Server, storage/innobase/include/fil0types.h and fsp0types.h).
const (
	offNumber = 4
	offPrev   = 8
	offNext   = 12
	offLSN    = 16
	offType   = 24
	offSpace  = 34
	body      = 38
	offPages  = 46
	offFlags  = 54
	trailer   = 4 // CRC-32C over all before it

	typeSpace = 8
	typeIndex = 17855

	flagsPlain  = 1<<4 | 5          // full_crc32, 16 KiB
	flagsPacked = flagsPlain | 1<<5 // pages compressed with zlib
	flagPacked  = 1 << 15           // of a page's type; the length stands beside it
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// page is one page to make.
type page struct {
	space, number, pages uint32
	// version changes everything that is random, and the LSN.
	version uint64
	// random is how many of each cell bytes do not compress.
	random int
	// stored is how much of the page holds something; 0 means all. The rest of a page that was compressed is a hole in the file.
	stored int
}

// cell is the unit in which random bytes and text take turns.
const cell = 64

var text = []byte("oarsman;bank=2;stroke=000000;deck;2026-11-26;00000000;trireme;..")

// write fills b, a whole page.
func (p *page) write(b []byte) {
	r := rand.NewPCG(uint64(p.space)<<32|uint64(p.number), p.version)
	be := binary.BigEndian
	n := len(b)
	if p.stored > 0 {
		n = p.stored
		clear(b[n:])
	}
	for at := 0; at < n; at += cell {
		c := b[at : at+cell]
		for i := 0; i < p.random; i += 8 {
			binary.LittleEndian.PutUint64(c[i:], r.Uint64())
		}
		copy(c[p.random:], text)
	}
	be.PutUint32(b, 0)
	be.PutUint32(b[offNumber:], p.number)
	be.PutUint32(b[offPrev:], p.number-1)
	be.PutUint32(b[offNext:], p.number+1)
	be.PutUint64(b[offLSN:], 1<<20+p.version<<24+uint64(p.number))
	be.PutUint16(b[offType:], typeIndex)
	clear(b[offType+2 : offSpace])
	be.PutUint32(b[offSpace:], p.space)
	switch {
	case p.number == 0:
		clear(b[body:offFlags])
		be.PutUint16(b[offType:], typeSpace)
		be.PutUint32(b[body:], p.space)
		be.PutUint32(b[offPages:], p.pages)
		flags := uint32(flagsPlain)
		if p.stored > 0 {
			flags = flagsPacked
		}
		be.PutUint32(b[offFlags:], flags)
	case p.stored > 0:
		// In units of 256 bytes, as the server keeps it beside the bit; its checksum ends what is stored.
		be.PutUint16(b[offType:], flagPacked|uint16(p.stored>>8))
	}
	be.PutUint32(b[n-trailer:], crc32.Checksum(b[:n-trailer], castagnoli))
}
