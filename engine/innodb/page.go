package innodb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Offsets in the first page of a tablespace: the 38 bytes of the page header, then the space header.
const (
	offPageNo  = 4
	offPageLSN = 16
	offType    = 24
	offKey     = 26 // key version in pages but the first; 0 when not encrypted
	offSpace   = 34
	offSize    = 46 // pages in the tablespace
	offFlags   = 54
	// HeaderSize is how much of the first page PageSize needs.
	HeaderSize = 58
)

// MinPageSize is the smallest unit InnoDB writes: a page with ROW_FORMAT=COMPRESSED and KEY_BLOCK_SIZE=1.
const MinPageSize = 1 << 10

// Space flags. MariaDB's full_crc32 format (default since 10.5) is marked by bit 4, which the older layout would need
// for a compressed page size that does not exist.
const (
	flagFullCRC32  = 1 << 4
	fullSizeMask   = 1<<4 - 1
	oldZipShift    = 1
	oldZipMask     = 1<<4 - 1
	oldSizeShift   = 6
	oldSizeMask    = 1<<4 - 1
	defaultLogical = 16 << 10

	fullPackShift = 5 // algorithm of page compression
	fullPackMask  = 1<<3 - 1
	oldPackFlag   = 1 << 16
)

// Page types. MySQL marks pages that it compressed, encrypted or both by a type of their own. MariaDB's page compression
// sets the top bit: types 34354 and 37401 before full_crc32, the compressed length beside the bit since.
const (
	typeMySQLFirst = 14
	typeMySQLLast  = 16
	typeRtree      = 17854
	typePackedBit  = 1 << 15
)

// PageSize decodes the flags in the first page of a tablespace. logical is innodb_page_size, physical the size of a page
// in the file, which is smaller with ROW_FORMAT=COMPRESSED. page0 needs HeaderSize bytes; page 0 is never encrypted or
// compressed. It is an error when page0 is not the first page of a tablespace, as in the second file of a system
// tablespace or in a file that was just created.
func PageSize(page0 []byte) (logical, physical int, fullCRC32 bool, err error) {
	if len(page0) < HeaderSize {
		return 0, 0, false, fmt.Errorf("decode space header: have %d bytes, need %d", len(page0), HeaderSize)
	}
	be := binary.BigEndian
	if n := be.Uint32(page0[offPageNo:]); n != 0 {
		return 0, 0, false, fmt.Errorf("decode space header: this is page %d, expected page 0", n)
	}
	if be.Uint32(page0[offSize:]) == 0 {
		return 0, 0, false, errors.New("decode space header: the tablespace has no pages yet")
	}
	flags := be.Uint32(page0[offFlags:])
	if flags&flagFullCRC32 != 0 {
		logical = 512 << (flags & fullSizeMask)
		physical, fullCRC32 = logical, true
	} else {
		logical = defaultLogical
		if shift := flags >> oldSizeShift & oldSizeMask; shift != 0 {
			logical = 512 << shift
		}
		physical = logical
		if shift := flags >> oldZipShift & oldZipMask; shift != 0 {
			physical = 512 << shift
		}
	}
	if logical < 4<<10 || logical > 64<<10 || physical < MinPageSize || physical > logical {
		return 0, 0, false, fmt.Errorf("decode space header: flags %#x give a page of %d bytes stored in %d", flags, logical, physical)
	}
	return logical, physical, fullCRC32, nil
}

// Space is the number by which the server's log calls the tablespace that a page of HeaderSize bytes or more belongs to.
func Space(page []byte) uint32 { return binary.BigEndian.Uint32(page[offSpace:]) }

// Packed says by the first page of a tablespace whether the server keeps its pages compressed: ROW_FORMAT=COMPRESSED or
// PAGE_COMPRESSED. It is a hint: false for anything that is no first page.
func Packed(page0 []byte) bool {
	_, _, full, err := PageSize(page0)
	if err != nil {
		return false
	}
	flags := binary.BigEndian.Uint32(page0[offFlags:])
	if full {
		return flags>>fullPackShift&fullPackMask != 0
	}
	return flags>>oldZipShift&oldZipMask != 0 || flags&oldPackFlag != 0
}

// Opaque says by its header whether a page is encrypted or compressed, so that compressing it again is idle. It is a hint
// and may be wrong for the first page of a tablespace, which keeps other things there, and for what is no page.
func Opaque(page []byte) bool {
	if len(page) < HeaderSize {
		return false
	}
	be := binary.BigEndian
	t := be.Uint16(page[offType:])
	switch {
	case t&typePackedBit != 0, t >= typeMySQLFirst && t <= typeMySQLLast:
		return true
	case be.Uint32(page[offPageNo:]) == 0 || t == typeRtree:
		return false // both keep something else where other pages have their key version
	}
	return be.Uint32(page[offKey:]) != 0
}

// Whole says whether a page of the full_crc32 format is as somebody wrote it and not half of one writing and half of
// another: its last four bytes are a CRC-32C of all others. false says nothing about pages of other formats, or about
// compressed ones, whose checksum lies elsewhere.
func Whole(page []byte) bool {
	n := len(page) - 4
	return n > 0 && crc32.Checksum(page[:n], castagnoli) == binary.BigEndian.Uint32(page[n:])
}

// PageLSN returns the log sequence number of the last change of a page, 0 for a page that was never written or was
// freed, and for a slice too short to hold one. It is readable in encrypted pages too.
func PageLSN(page []byte) uint64 {
	if len(page) < offPageLSN+8 {
		return 0
	}
	return binary.BigEndian.Uint64(page[offPageLSN:])
}
