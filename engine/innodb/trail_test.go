package innodb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	testFirst = 77777
	testLog   = headSize + 3<<20 + 1234
)

// scribe writes a log as a server does.
type scribe struct {
	ring Ring
	log  []byte
	lsn  uint64
}

func newScribe() *scribe {
	s := &scribe{ring: Ring{first: testFirst, lsn: testFirst, size: testLog}, log: make([]byte, testLog), lsn: testFirst}
	return s
}

func (s *scribe) checkpoint() Checkpoint {
	return Checkpoint{Format: "mariadb-10.8", First: testFirst, LSN: s.lsn}
}

// encode is the other half of number.
func encode(b []byte, v uint32) []byte {
	for n, first := range []uint32{0, 1 << 7, 1<<7 + 1<<14, 1<<7 + 1<<14 + 1<<21, 1<<7 + 1<<14 + 1<<21 + 1<<28} {
		if next := uint64(first) + 1<<(7*(n+1)); n < 4 && uint64(v) < next {
			v = v - first | uint32(0xff00>>n&0xff)<<(8*n)
			for i := n; i >= 0; i-- {
				b = append(b, byte(v>>(8*i)))
			}
			return b
		}
	}
	return binary.BigEndian.AppendUint32(append(b, 0xf0), v-(1<<7+1<<14+1<<21+1<<28))
}

// encodeRecord is the other half of record.
func encodeRecord(kind byte, body []byte) []byte {
	if n := len(body); n > 0 && n < 16 {
		return append([]byte{kind | byte(n)}, body...)
	}
	// The length counts its own bytes and is 15 less.
	for size := 1; ; size++ {
		if more := encode(nil, uint32(len(body)+size-15)); len(more) == size {
			return append(append([]byte{kind}, more...), body...)
		}
	}
}

// mini writes a mini-transaction.
func (s *scribe) mini(records ...[]byte) {
	b := bytes.Join(records, nil)
	mark := s.ring.mark(s.lsn + uint64(len(b)))
	sum := crc32.Checksum(b, castagnoli)
	b = binary.BigEndian.AppendUint32(append(b, mark), sum)
	for _, c := range b {
		s.log[s.ring.Offset(s.lsn)] = c
		s.lsn++
	}
}

func pageRecord(kind byte, space, page uint32, n int) []byte {
	return encodeRecord(kind, append(encode(encode(nil, space), page), make([]byte, n)...))
}

// touched says whether the trail has a page at all.
func (t *Trail) touched(space, page uint32) bool { return t.Newest(nil, space, page, 1)[0] != 0 }

func TestNumbers(t *testing.T) {
	for _, v := range []uint32{0, 1, 127, 128, 16511, 16512, 2113663, 2113664, 270549119, 270549120, 1<<32 - 1} {
		b := encode(nil, v)
		if got, n := number(append(b, 0xff)); got != v || n != len(b) {
			t.Errorf("%d is % x, which is %d of %d bytes", v, b, got, n)
		}
		for i := range b {
			if _, n := number(b[:i]); n != 0 {
				t.Errorf("% x is taken for a number", b[:i])
			}
		}
	}
	for _, b := range [][]byte{{0xf1, 0, 0, 0, 0}, {0xff, 1, 1, 1, 1, 1}, {0xf0, 0xff, 0xff, 0xff, 0xff}} {
		if v, n := number(b); n != 0 {
			t.Errorf("% x is taken for %d", b, v)
		}
	}
}

// TestTrail writes mini-transactions of all lengths three times around the ring, follows them in pieces, and compares with what
// they were about.
func TestTrail(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	s := newScribe()
	tr, ok := NewTrail(s.checkpoint(), testLog, testFirst)
	if !ok {
		t.Fatal("no trail")
	}
	type id struct{ space, page uint32 }
	touched := map[id]bool{}
	for s.lsn < testFirst+3*uint64(tr.ring.Capacity()) {
		for budget := 1 << 20; budget > 0; {
			var records [][]byte
			if rnd.IntN(5) == 0 {
				records = append(records, encodeRecord(0xb0, []byte("\x07\x00./d/t.ibd"))) // about a file
			}
			for range 1 + rnd.IntN(4) {
				x := id{rnd.Uint32N(9) * 1000, rnd.Uint32() >> (12 + rnd.IntN(20))}
				touched[x] = true
				records = append(records, pageRecord(byte(rnd.IntN(4))<<4+0x10, x.space, x.page, rnd.IntN(1<<rnd.IntN(18))))
				if rnd.IntN(3) == 0 {
					records = append(records, encodeRecord(0xb0, make([]byte, 1+rnd.IntN(100)))) // the same page again
				}
			}
			was := s.lsn
			s.mini(records...)
			budget -= int(s.lsn - was)
		}
		if err := tr.Follow(bytes.NewReader(s.log)); err != nil {
			t.Fatal(err)
		}
		if tr.End() != s.lsn {
			t.Fatalf("followed to %d, the log ends at %d", tr.End(), s.lsn)
		}
	}
	found := 0
	for space := range uint32(9) {
		for page := range uint32(1 << 20) {
			if tr.touched(space*1000, page) {
				found++
				if !touched[id{space * 1000, page}] {
					t.Fatalf("page %d of %d was not touched", page, space*1000)
				}
			}
		}
	}
	if found != len(touched) || tr.touched(12345, 0) {
		t.Errorf("%d pages were found, %d touched", found, len(touched))
	}
}

// TestTrailNewest asks for stretches of a table, whichever way they lie to chunks: each page bears the end of what named it last.
func TestTrailNewest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	s := newScribe()
	tr, _ := NewTrail(s.checkpoint(), testLog, testFirst)
	const pages = 4*chunkPages + 100
	var last [pages]uint64
	for range 20 {
		for range 100 {
			page := rnd.Uint32N(pages)
			if page/chunkPages == 2 {
				continue // a chunk that nobody needs
			}
			s.mini(pageRecord(0x30, 9, page, 20), pageRecord(0x30, 8, page, 20))
			last[page] = s.lsn
		}
		if err := tr.Follow(bytes.NewReader(s.log)); err != nil {
			t.Fatal(err)
		}
		first := rnd.Uint32N(pages)
		n := rnd.Uint32N(pages - first + 1)
		if got := tr.Newest([]uint64{77}, 9, first, n); got[0] != 77 || !slices.Equal(got[1:], last[first:][:n]) {
			t.Fatalf("%d pages from %d: %d", n, first, got)
		}
	}
	if got := tr.Newest(nil, 9, 1<<32-2, 2); !slices.Equal(got, make([]uint64, 2)) {
		t.Errorf("the last pages that there can be: %d", got)
	}
}

// TestTrailEnds: what is no whole mini-transaction of the right generation ends a trail, and what names impossible pages breaks it.
func TestTrailEnds(t *testing.T) {
	begin := func() (*scribe, *Trail) {
		s := newScribe()
		s.mini(pageRecord(0x30, 3, 4, 10))
		tr, _ := NewTrail(s.checkpoint(), testLog, testFirst)
		return s, tr
	}
	for _, c := range []struct {
		name  string
		spoil func(s *scribe, at int64)
		err   string
	}{
		{"nothing", func(*scribe, int64) {}, ""},
		{"wrong sum", func(s *scribe, at int64) { s.mini(pageRecord(0x30, 3, 5, 10)); s.log[at+3] ^= 1 }, ""},
		{"wrong mark", func(s *scribe, at int64) {
			s.mini(pageRecord(0x30, 3, 5, 10))
			s.log[s.ring.Offset(s.lsn-5)] ^= 1
		}, ""},
		{"cut off", func(s *scribe, at int64) {
			s.mini(pageRecord(0x30, 3, 5, 10))
			for i := range 3 {
				s.log[s.ring.Offset(s.lsn-1-uint64(i))] = 0xee
			}
		}, ""},
		{"no number", func(s *scribe, at int64) { s.log[at], s.log[at+1] = 0x30, 0xff }, ""},
		{"endless", func(s *scribe, at int64) {
			for i := range s.log[at:] {
				s.log[int(at)+i] = 0x31
			}
		}, ""},
		{"no page", func(s *scribe, at int64) { s.mini(encodeRecord(0x30, []byte{0xff})) }, "which page"},
		{"no number of a page", func(s *scribe, at int64) { s.mini(encodeRecord(0x30, []byte{3, 0xff})) }, "which page"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, tr := begin()
			end := s.lsn
			c.spoil(s, s.ring.Offset(s.lsn))
			err := tr.Follow(bytes.NewReader(s.log))
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatal(err)
			}
			if tr.End() != end || !tr.touched(3, 4) || tr.touched(3, 5) {
				t.Errorf("followed to %d, the last whole one ends at %d", tr.End(), end)
			}
		})
	}
	s, _ := begin()
	c := s.checkpoint()
	c.LSN += uint64(s.ring.Capacity())
	if _, ok := NewTrail(c, testLog, testFirst); ok {
		t.Error("a trail through what was written over")
	}
	if _, ok := NewTrail(c, testLog, testFirst-1); ok {
		t.Error("a trail from before the log")
	}
	c = s.checkpoint()
	c.Format += "-encrypted"
	if _, ok := NewTrail(c, testLog, testFirst); ok {
		t.Error("a trail through an encrypted log")
	}
}

// TestTrailBound: pages all over the place end the trail.
func TestTrailBound(t *testing.T) {
	s := newScribe()
	tr, _ := NewTrail(s.checkpoint(), testLog, testFirst)
	tr.room = 3
	for i := range uint32(20) {
		s.mini(pageRecord(0x30, 1, 0, 10), pageRecord(0x30, 1, 1<<32-1, 10), pageRecord(0x30, 2, i%2, 10))
	}
	if err := tr.Follow(bytes.NewReader(s.log)); err != nil {
		t.Fatal(err)
	}
	if !tr.touched(1, 1<<32-1) || !tr.touched(2, 0) || !tr.touched(2, 1) || tr.touched(2, 2) || tr.room != 0 {
		t.Errorf("room for %d chunks", tr.room)
	}
	s.mini(pageRecord(0x30, 3, 0, 10))
	if err := tr.Follow(bytes.NewReader(s.log)); err == nil || !strings.Contains(err.Error(), "too far apart") {
		t.Error(err)
	}
}

// FuzzTrail follows what is no log, and the same as a mini-transaction whose sum is right.
func FuzzTrail(f *testing.F) {
	s := newScribe()
	s.mini(pageRecord(0x30, 3, 4, 10), encodeRecord(0xb0, make([]byte, 40)))
	s.mini(pageRecord(0x10, 300000, 70000, 400))
	f.Add(s.log[headSize:][:s.lsn-testFirst])
	f.Add(pageRecord(0x10, 300000, 70000, 400))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, sealed := range []bool{false, true} {
			s := newScribe()
			if sealed {
				s.mini(b[:min(len(b), 1<<20)])
			} else {
				copy(s.log[headSize:], b)
			}
			tr, ok := NewTrail(s.checkpoint(), testLog, testFirst)
			if !ok && !sealed {
				t.Fatal("no trail")
			}
			if !ok {
				continue
			}
			_ = tr.Follow(bytes.NewReader(s.log))
			if tr.End() > testFirst+uint64(tr.ring.Capacity()) {
				t.Errorf("followed for %d bytes through a log of %d", tr.End()-testFirst, tr.ring.Capacity())
			}
		}
	})
}

// TestRealTrail changes tables of a real server, and compares all files but the system tablespace, which holds the doublewrite buffer, with what they were before: each page that is another one,
// or whose LSN is not older than the checkpoint before, must be one that the log has named.
func TestRealTrail(t *testing.T) {
	for _, args := range [][]string{nil, {"--innodb-page-size=4K"}} {
		t.Run(strings.Join(append([]string{"plain"}, args...), " "), func(t *testing.T) {
			keys := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(keys, []byte("1;a7addd9adea9978fda19f21e6be987880e68ac92632ca052e5bb42b1a506939a\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := newServer(t, append(args, "--plugin-load-add=file_key_management", "--file-key-management-filename="+keys, "--loose-innodb-encryption-threads=0")...)
			s.sql("create database d;", "use d;",
				"create table t(a int primary key, b varchar(300), c int, key(c), fulltext(b)) engine=innodb;",
				"create table z(a int primary key, b varchar(300)) engine=innodb row_format=compressed key_block_size=2;",
				"create table p(a int primary key, b varchar(300)) engine=innodb page_compressed=1;",
				"create table e(a int primary key, b varchar(300)) engine=innodb encrypted=yes;",
				"insert into t select seq, repeat('x',200), seq from seq_1_to_6000;",
				"insert into z select seq, repeat('y',200) from seq_1_to_3000;", "insert into p select seq, repeat('y',200) from seq_1_to_3000;", "insert into e select seq, repeat('y',200) from seq_1_to_3000;")
			laps, named, borne, all := uint64(0), 0, 0, 0
			for round := range 5 {
				from := s.checkpoint()
				before := s.tablespaces()
				s.sql("use d;",
					fmt.Sprintf("update t set b = repeat('%c', 190), c = c + 1 where a %% 400 = %d;", 'a'+round, round),
					fmt.Sprintf("update z set b = repeat('%c', 200) where a %% 400 = %d;", 'a'+round, round),
					fmt.Sprintf("update p set b = repeat('%c', 200) where a between %d and %d;", 'a'+round, round*100, round*100+50),
					fmt.Sprintf("update e set b = repeat('%c', 200) where a between %d and %d;", 'a'+round, round*100, round*100+50),
					"create or replace table n(a int primary key, b varchar(1000)) engine=innodb;",
					"insert into n select seq, repeat('n', 900) from seq_1_to_1000;", "delete from n where a < 300;", "truncate table n;", "insert into n values(1,'x');")
				log, err := os.ReadFile(filepath.Join(s.dir, "ib_logfile0"))
				if err != nil {
					t.Fatal(err)
				}
				now := s.checkpoint()
				tr, ok := NewTrail(now, int64(len(log)), from.LSN)
				if !ok {
					t.Fatalf("no trail from %v to %v", from, now)
				}
				laps = max(laps, (now.LSN-now.First)/uint64(tr.ring.Capacity()))
				if err := tr.Follow(bytes.NewReader(log)); err != nil {
					t.Fatal(err)
				}
				if tr.End() < now.LSN {
					t.Fatalf("followed from %d to %d, the server's checkpoint is %d", from.LSN, tr.End(), now.LSN)
				}
				for name, file := range s.tablespaces() {
					_, size, _, err := PageSize(file)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					old := before[name]
					space := Space(file)
					for at := 0; at < len(file); at += size {
						page := file[at:min(at+size, len(file))]
						no := uint32(at / size)
						other := at+size > len(old) && !bytes.Equal(page, make([]byte, len(page))) || at+size <= len(old) && !bytes.Equal(page, old[at:at+size])
						all++
						if lsn := tr.Newest(nil, space, no, 1)[0]; lsn != 0 {
							named++
							if lsn == PageLSN(page) {
								borne++
							}
						} else if other || PageLSN(page) > from.LSN {
							t.Errorf("round %d: page %d of %s (tablespace %d) is another one: %v, LSN %d, the log from %d does not name it", round, no, name, space, other, PageLSN(page), from.LSN)
						}
					}
				}
			}
			if laps < 1 || named == 0 || named > all/2 {
				t.Errorf("the log went around %d times, %d of %d pages were named: too little to tell", laps, named, all)
			}
			t.Logf("%d of %d pages that were named bear the LSN behind that", borne, named)
			if borne < named*9/10 { // what was freed may stay as it was
				t.Errorf("%d of %d pages that were named bear the LSN behind that", borne, named)
			}
		})
	}
}

// tablespaces reads all files that have pages, but the system tablespace.
func (s *server) tablespaces() map[string][]byte {
	s.t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if name := e.Name(); strings.HasSuffix(name, ".ibd") || strings.HasPrefix(name, "undo0") {
			b, err := os.ReadFile(path)
			all[path[len(s.dir)+1:]] = b
			return err
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}
