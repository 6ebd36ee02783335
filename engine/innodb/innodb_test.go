package innodb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"
)

func page0(flags uint32) []byte {
	p := make([]byte, 16<<10)
	binary.BigEndian.PutUint32(p[offSize:], 4)
	binary.BigEndian.PutUint32(p[offFlags:], flags)
	return p
}

func TestPageSizeFlags(t *testing.T) {
	for _, c := range []struct {
		name              string
		flags             uint32
		logical, physical int
		full, bad         bool
	}{
		{"full 4k", 1<<4 | 3, 4 << 10, 4 << 10, true, false},
		{"full 16k", 1<<4 | 5, 16 << 10, 16 << 10, true, false},
		{"full 64k", 1<<4 | 7, 64 << 10, 64 << 10, true, false},
		{"full 16k page_compressed", 1<<4 | 5 | 1<<5, 16 << 10, 16 << 10, true, false},
		{"full too small", 1<<4 | 2, 0, 0, false, true},
		{"full too large", 1<<4 | 8, 0, 0, false, true},
		{"full absurd", 1<<4 | 15, 0, 0, false, true},
		{"antelope", 0, 16 << 10, 16 << 10, false, false},
		{"dynamic", 1 | 1<<5, 16 << 10, 16 << 10, false, false},
		{"old 4k", 3 << 6, 4 << 10, 4 << 10, false, false},
		{"old 64k", 7 << 6, 64 << 10, 64 << 10, false, false},
		{"old too large", 8 << 6, 0, 0, false, true},
		{"compressed 1k", 1 | 1<<1 | 1<<5, 16 << 10, 1 << 10, false, false},
		{"compressed 8k", 1 | 4<<1 | 1<<5, 16 << 10, 8 << 10, false, false},
		{"compressed 16k", 1 | 5<<1 | 1<<5, 16 << 10, 16 << 10, false, false},
		{"compressed larger than the page", 1 | 5<<1 | 1<<5 | 4<<6, 0, 0, false, true},
		{"mysql 8 shared, sdi", 1 | 1<<5 | 1<<11 | 1<<14, 16 << 10, 16 << 10, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, p, f, err := PageSize(page0(c.flags))
			if l != c.logical || p != c.physical || f != c.full || (err != nil) != c.bad {
				t.Errorf("PageSize = %d, %d, %v, %v", l, p, f, err)
			}
		})
	}
}

func TestPacked(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uint32
		want  bool
	}{
		{"full", 1<<4 | 5, false},
		{"full page_compressed", 1<<4 | 5 | 1<<5, true},
		{"full page_compressed lz4", 1<<4 | 5 | 2<<5, true},
		{"dynamic", 1 | 1<<5, false},
		{"old page_compressed", 1 | 1<<5 | 1<<16, true},
		{"compressed 8k", 1 | 4<<1 | 1<<5, true},
		{"no such flags", 1<<4 | 15 | 1<<5, false},
	} {
		if got := Packed(page0(c.flags)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if Packed(nil) || Packed(make([]byte, 16<<10)) {
		t.Error("what is no tablespace counts as packed")
	}
}

func TestOpaque(t *testing.T) {
	for _, c := range []struct {
		name        string
		number      uint32
		kind        uint16
		key         uint32
		want, short bool
	}{
		{name: "index", number: 3, kind: 17855},
		{name: "index encrypted", number: 3, kind: 17855, key: 1, want: true},
		{name: "first page with a flush LSN", kind: 8, key: 7},
		{name: "spatial index with a sequence number", number: 3, kind: typeRtree, key: 9},
		{name: "old page compression", number: 3, kind: 34354, want: true},
		{name: "old page compression, encrypted", number: 3, kind: 37401, want: true},
		{name: "full_crc32 page compression", number: 3, kind: 1<<15 | 6, want: true},
		{name: "mysql compressed", number: 3, kind: 14, want: true},
		{name: "mysql encrypted", number: 3, kind: 15, want: true},
		{name: "mysql both", number: 3, kind: 16, want: true},
		{name: "undo", number: 3, kind: 2},
		{name: "short", number: 3, kind: 15, short: true},
	} {
		p := make([]byte, 16<<10)
		binary.BigEndian.PutUint32(p[offPageNo:], c.number)
		binary.BigEndian.PutUint16(p[offType:], c.kind)
		binary.BigEndian.PutUint32(p[offKey:], c.key)
		if c.short {
			p = p[:HeaderSize-1]
		}
		if got := Opaque(p); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestPageSizeRefusesOtherPages(t *testing.T) {
	second := page0(1<<4 | 5)
	second[offPageNo+3] = 1
	for name, p := range map[string][]byte{
		"nil": nil, "short": page0(0)[:HeaderSize-1], "zero": make([]byte, 4096), "page 1": second,
	} {
		if l, ph, full, err := PageSize(p); err == nil || l != 0 || ph != 0 || full {
			t.Errorf("%s: PageSize = %d, %d, %v, %v, want an error and zeroes", name, l, ph, full, err)
		}
	}
}

func TestPageLSN(t *testing.T) {
	p := make([]byte, 1031)
	if PageLSN(p) != 0 {
		t.Error("an empty page has an LSN")
	}
	binary.BigEndian.PutUint64(p[16:], 0x0102030405060708)
	if PageLSN(p) != 0x0102030405060708 || PageLSN(p[:23]) != 0 {
		t.Error("LSN not read at offset 16, or read from a short page")
	}
}

func seal(b []byte) []byte {
	n := len(b) - 4
	binary.BigEndian.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
	return b
}

// oldHead and newHead write a log head from first principles, for the formats that no installed server makes.
func oldHead(format uint32, lsn0, lsn1 uint64) []byte {
	h := make([]byte, headSize+4096)
	binary.BigEndian.PutUint32(h, format)
	binary.BigEndian.PutUint64(h[512+8:], lsn0)
	binary.BigEndian.PutUint64(h[1536+8:], lsn1)
	seal(h[512:1024])
	seal(h[1536:2048])
	return h
}

func newHead(format uint32, lsn0, lsn1 uint64) []byte {
	h := make([]byte, headSize+4096)
	binary.BigEndian.PutUint32(h, format)
	binary.BigEndian.PutUint64(h[4096:], lsn0)
	binary.BigEndian.PutUint64(h[8192:], lsn1)
	seal(h[4096:4160])
	seal(h[8192:8256])
	return h
}

func read(t *testing.T, h []byte) Checkpoint {
	t.Helper()
	c, err := ReadCheckpoint(bytes.NewReader(h), int64(len(h)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckpointFormats(t *testing.T) {
	for _, c := range []struct {
		head   []byte
		format string
		lsn    uint64
	}{
		{oldHead(1, 10, 20), "mysql-5.7", 20},
		{oldHead(103, 20, 10), "mariadb-10.3", 20},
		{oldHead(104|encrypted, 7, 9), "mariadb-10.4-encrypted", 9},
		{oldHead(format105, 7, 0), "mariadb-10.5", 7},
		{oldHead(6, 7, 8), "mysql-8.0.30", 8},
		{newHead(format108, 5, 6), "mariadb-10.8", 6},
		{newHead(formatEnc108, 6, 5), "mariadb-10.8-encrypted", 6},
		{newHead(0x12345678, 5, 6), "unknown", 0},
	} {
		got := read(t, c.head)
		if got.Format != c.format || got.LSN != c.lsn {
			t.Errorf("got %v, want %s %d", got, c.format, c.lsn)
		}
		if !got.Equal(read(t, c.head)) {
			t.Errorf("%s: two readings of the same log differ", c.format)
		}
	}
}

// Every byte of the slots must count, in known and unknown formats, and a torn slot must lose its number.
func TestCheckpointNoticesEveryChange(t *testing.T) {
	for name, c := range map[string]struct {
		head  []byte
		slots [][2]int
	}{
		"old": {oldHead(format105, 3, 4), [][2]int{{0, 512}, {512, 1024}, {1536, 2048}}},
		"new": {newHead(format108, 3, 4), [][2]int{{0, 512}, {4096, 4160}, {8192, 8256}}},
		// The older slot too, which does not show in the number.
		"old, second slot older": {oldHead(format105, 4, 3), [][2]int{{1536, 2048}}},
		"new, second slot older": {newHead(format108, 4, 3), [][2]int{{8192, 8256}}},
		"unknown":                {newHead(77, 3, 4), [][2]int{{0, headSize}}},
	} {
		before := read(t, c.head)
		for _, s := range c.slots {
			for i := s[0]; i < s[1]; i++ {
				h := bytes.Clone(c.head)
				h[i] ^= 0x40
				if read(t, h).Equal(before) {
					t.Fatalf("%s: change at offset %d goes unnoticed", name, i)
				}
			}
		}
	}
	torn := newHead(format108, 3, 4)
	torn[8192+7] = 9
	if got := read(t, torn).LSN; got != 3 {
		t.Errorf("torn second slot: LSN %d, want the first slot's 3", got)
	}
	torn[4096+7] = 9
	if got := read(t, torn).LSN; got != 0 {
		t.Errorf("both slots torn: LSN %d, want 0", got)
	}
}

func TestCheckpointErrors(t *testing.T) {
	if _, err := ReadCheckpoint(bytes.NewReader(nil), headSize-1); err == nil {
		t.Error("a file without room for a head is accepted")
	}
	if _, err := ReadCheckpoint(bytes.NewReader(make([]byte, 100)), 1<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shrunken file: %v, want unexpected EOF", err)
	}
	boom := errors.New("boom")
	if _, err := ReadCheckpoint(readerAt{iotest.ErrReader(boom)}, 1<<20); !errors.Is(err, boom) {
		t.Errorf("read error: %v, want the cause inside", err)
	}
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }

func FuzzHead(f *testing.F) {
	f.Add(oldHead(format105, 3, 4))
	f.Add(newHead(format108, 3, 4))
	f.Add(page0(1<<4 | 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, p, _, err := PageSize(b); err == nil && (p < MinPageSize || p > l || l&(l-1) != 0 || p&(p-1) != 0) {
			t.Fatalf("PageSize = %d, %d", l, p)
		}
		if c, err := ReadCheckpoint(bytes.NewReader(b), int64(len(b))); err == nil && c.Format == "" {
			t.Fatal("no format")
		}
	})
}
