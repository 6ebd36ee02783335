package msg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"trireme/wire/pack"
)

// message is what every type of the package can do.
type message interface {
	Append([]byte) []byte
	Len() int
}

// sample is one message with the way to read it back.
type sample struct {
	name  string
	typ   Type
	m     message
	parse func([]byte) (message, error)
	open  int // bytes at the end whose number nothing before them tells
}

// packed is 600 times the byte 7, as the two codecs pack it.
var packed = map[pack.Codec]string{
	pack.Zstd: "28b52ffd40005801c3120007", pack.S2: "d8040007110119004b01",
}

func chunkOf(c pack.Codec) Chunk {
	b, err := hex.DecodeString(packed[c])
	if err != nil {
		panic(err)
	}
	// The tag is XXH3-64 of the 600 bytes with the seed of this place.
	return Chunk{ID: 5, Codec: c, Offset: 1 << 20, Tag: 0x20dc050c9a5a0e7e, Runs: []Run{{600, false}, {424, true}}, Payload: b}
}

func digest(b byte) (d Digest) {
	for i := range d {
		d[i] = b + byte(i)
	}
	return d
}

// samples has every message of version 1, with the boundaries of its fields.
func samples() []sample {
	hello := func(b []byte) (message, error) { m, err := ParseHello(b); return m, err }
	mode := func(b []byte) (message, error) { m, err := ParseMode(b); return m, err }
	catalog := func(b []byte) (message, error) { m, err := ParseCatalog(nil, b); return m, err }
	compare := func(b []byte) (message, error) { c, err := ParseCompare(nil, b); return c, err }
	chunk := func(b []byte) (message, error) { m, err := ParseChunk(nil, b); return m, err }
	digests := func(t Type, n int) func([]byte) (message, error) {
		return func(b []byte) (message, error) { l, err := ParseDigests(nil, t, b, n); return Digests{l}, err }
	}
	keyring := func(b []byte) (message, error) { m, err := ParseKeyring(b); return m, err }
	flush := func(t Type) func([]byte) (message, error) {
		return func(b []byte) (message, error) { m, err := ParseFlush(t, b); return m, err }
	}
	return []sample{
		{"hello", TypeHello, Hello{Streams: 4, Software: "trireme 1.0", Node: "db1", Facts: []Fact{{"page-size", "16384", "default"}, {"server", "", ""}}}, hello, 0},
		{"hello-empty", TypeHello, Hello{Streams: 256}, hello, 0},
		{"mode-full", TypeMode, Mode{Key: [32]byte{1, 2, 3}, ID: [16]byte{9}, Files: 7, Bytes: MaxSize, Allocated: 1}, mode, 0},
		{"mode-bypass", TypeMode, Mode{Bypass: true, State: "6b7a6ad1-aaaa-11ee-9b0f-1a2b3c4d5e6f:42 0"}, mode, 0},
		{"accept", TypeAccept, Accept{Streams: 1}, func(b []byte) (message, error) { m, err := ParseAccept(b); return m, err }, 0},
		{"pass-begin", TypePassBegin, PassBegin{Number: 65535, Kind: PassVerify}, func(b []byte) (message, error) { m, err := ParsePassBegin(b); return m, err }, 0},
		{"pass-end", TypePassEnd, PassEnd{Number: 2, Differing: 4711}, func(b []byte) (message, error) { m, err := ParsePassEnd(b); return m, err }, 0},
		{"pass-done", TypePassDone, PassDone{Number: 2}, func(b []byte) (message, error) { m, err := ParsePassDone(b); return m, err }, 0},
		{"catalog", TypeCatalog, Catalog{[]Entry{
			{ID: 0, Role: 1, Dir: true, Mode: 0o700, Path: "shop"},
			{ID: 1, Role: 1, Sparse: true, Mode: 0o660, Size: 98304, Path: "shop/t@002d1.ibd"},
			{ID: MaxID - 1, Gone: true},
			{ID: 3, Role: 2, Mode: 0o660, Size: MaxSize, Path: strings.Repeat("p", MaxPath)},
		}}, catalog, 0},
		{"catalog-empty", TypeCatalog, Catalog{[]Entry{}}, catalog, 0},
		{"catalog-stamped", TypeCatalog, Catalog{[]Entry{{ID: 1, Role: 1, Mode: 0o660, Size: 5, Path: "shop/t.ibd", Stamp: Stamp{1, 15: 2}}, {ID: 2, Role: 1, Path: "shop/u.ibd"}}}, catalog, 0},
		{"have", TypeHave, Have{Sizes: []int64{0, 1, MaxSize}}, func(b []byte) (message, error) { m, err := ParseHave(b); return m, err }, 0},
		{"have-vouched", TypeHave, Have{Sizes: []int64{5, 0}, Vouched: []bool{true, false}}, func(b []byte) (message, error) { m, err := ParseHave(b); return m, err }, 0},
		{"commit", TypeCommit, Commit{Entries: 12, Bytes: 1 << 40, State: "u:1"}, func(b []byte) (message, error) { m, err := ParseCommit(b); return m, err }, 0},
		{"committed", TypeCommitted, Committed{}, func(b []byte) (message, error) { m, err := ParseCommitted(b); return m, err }, 0},
		{"abort", TypeAbort, Abort{Code: 5, Text: "no room"}, func(b []byte) (message, error) { m, err := ParseAbort(b); return m, err }, 0},
		{"keyring", TypeKeyring, Keyring{Content: []byte("Keyring file version:2.0\x00key\xff")}, keyring, 0},
		{"keyring-empty", TypeKeyring, Keyring{}, keyring, 0},
		{"keyring-full", TypeKeyring, Keyring{Content: make([]byte, MaxKeyring)}, keyring, 0},
		{"heartbeat", TypeHeartbeat, Heartbeat{Bytes: 99}, func(b []byte) (message, error) { m, err := ParseHeartbeat(b); return m, err }, 0},
		{"queue", TypeQueue, Queue{Waiting: 1 << 33, Room: 5}, func(b []byte) (message, error) { m, err := ParseQueue(b); return m, err }, 0},
		{"compare", TypeCompare, Compare{Segments: []Segment{{ID: 1, Length: 1, Offset: 0}, {ID: 2, Length: 3*GroupSize + 5, Offset: 7 * GroupSize}}}, compare, 0},
		{"ask", TypeAsk, Ask{[]uint16{0, 3, 9}}, func(b []byte) (message, error) { g, err := ParseAsk(nil, b, 10); return Ask{g}, err }, 0},
		{"groups", TypeGroups, Digests{[]Digest{digest(1), digest(9)}}, digests(TypeGroups, 2), 0},
		{"leaves-none", TypeLeaves, Digests{[]Digest{}}, digests(TypeLeaves, 0), 0},
		{"flush", TypeFlush, Flush{Token: 1 << 60}, flush(TypeFlush), 0},
		{"flushed", TypeFlushed, Flush{Token: 3}, flush(TypeFlushed), 0},
		{"chunk", TypeChunk, Chunk{ID: 5, Offset: 1 << 30, Tag: 77, Runs: []Run{{4096, false}, {8192, true}, {1, false}}, Payload: bytes.Repeat([]byte{7}, 4097)}, chunk, 0},
		{"chunk-note", TypeChunk, Chunk{ID: 5, Note: true, Offset: 1 << 20, Tag: 78, Runs: []Run{{1, false}}, Payload: []byte{7}}, chunk, 0},
		{"chunk-zero", TypeChunk, Chunk{ID: 5, Offset: MaxSize - MaxPayload, Runs: []Run{{MaxPayload, true}}, Payload: []byte{}}, chunk, 0},
		{"chunk-full", TypeChunk, Chunk{Runs: []Run{{MaxPayload, false}}, Payload: make([]byte, MaxPayload)}, chunk, 0},
		{"chunk-zstd", TypeChunk, chunkOf(pack.Zstd), chunk, len(chunkOf(pack.Zstd).Payload)},
		{"chunk-s2", TypeChunk, chunkOf(pack.S2), chunk, len(chunkOf(pack.S2).Payload)},
	}
}

func TestRoundTrip(t *testing.T) {
	seen := map[Type]bool{}
	for _, s := range samples() {
		seen[s.typ] = true
		t.Run(s.name, func(t *testing.T) {
			b := s.m.Append(nil)
			if len(b) != s.m.Len() {
				t.Errorf("Len says %d, Append wrote %d", s.m.Len(), len(b))
			}
			if len(b) > MaxBody {
				t.Errorf("%d bytes are over MaxBody", len(b))
			}
			got, err := s.parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(normal(got), normal(s.m)) {
				t.Errorf("got  %+v\nwant %+v", got, s.m)
			}
			if again := got.Append(nil); !bytes.Equal(again, b) {
				t.Error("encoding what was decoded gives other bytes")
			}
		})
	}
	for typ := range typeNames {
		if !seen[typ] {
			t.Errorf("no sample of %v", typ)
		}
	}
}

// normal makes nil and empty slices equal for the comparison.
func normal(m message) message {
	switch v := m.(type) {
	case Hello:
		if len(v.Facts) == 0 {
			v.Facts = nil
		}
		return v
	case Chunk:
		if len(v.Payload) == 0 {
			v.Payload = nil
		}
		return v
	case Digests:
		if len(v.List) == 0 {
			v.List = nil
		}
		return v
	case Keyring:
		if len(v.Content) == 0 {
			v.Content = nil
		}
		return v
	}
	return m
}

// TestEveryCutFails takes each message apart at each length: a prefix is never a
// message, and neither is one with a byte too many.
func TestEveryCutFails(t *testing.T) {
	for _, s := range samples() {
		b := s.m.Append(nil)
		step := 1 + len(b)/200
		for n := 0; n <= len(b)-max(1, s.open); n += step {
			if _, err := s.parse(b[:n]); err == nil {
				t.Errorf("%s: the first %d of %d bytes were accepted", s.name, n, len(b))
			} else if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v is not ErrMalformed", s.name, err)
			}
		}
		if s.open > 0 {
			continue
		}
		if _, err := s.parse(append(append([]byte(nil), b...), 0)); err == nil {
			t.Errorf("%s: a byte too many was accepted", s.name)
		}
	}
}

func TestRefusals(t *testing.T) {
	mutate := func(m message, at int, v byte) []byte {
		b := m.Append(nil)
		b[at] = v
		return b
	}
	entry := Catalog{[]Entry{{ID: 1, Role: 1, Mode: 0o660, Size: 5, Path: "a"}}}
	chunk := Chunk{Runs: []Run{{1, false}, {1, true}}, Payload: []byte{1}}
	cases := []struct {
		name string
		err  func() error
	}{
		{"no streams", func() error { _, err := ParseHello(Hello{}.Append(nil)); return err }},
		{"257 streams", func() error { _, err := ParseAccept(Accept{257}.Append(nil)); return err }},
		{"mode kind 0", func() error { _, err := ParseMode(mutate(Mode{}, 0, 0)); return err }},
		{"mode kind 3", func() error { _, err := ParseMode(mutate(Mode{}, 0, 3)); return err }},
		{"mode reserved", func() error { _, err := ParseMode(mutate(Mode{}, 1, 1)); return err }},
		{"mode size", func() error { _, err := ParseMode(Mode{Bytes: MaxSize + 1}.Append(nil)); return err }},
		{"pass kind 0", func() error { _, err := ParsePassBegin(PassBegin{Number: 1}.Append(nil)); return err }},
		{"pass kind 4", func() error { _, err := ParsePassBegin(PassBegin{Kind: 4}.Append(nil)); return err }},
		{"pass reserved", func() error { _, err := ParsePassEnd(mutate(PassEnd{}, 3, 1)); return err }},
		{"text too long", func() error {
			_, err := ParseCommit(Commit{State: strings.Repeat("s", MaxText+1)}.Append(nil))
			return err
		}},
		{"too many facts", func() error {
			_, err := ParseHello(Hello{Streams: 1, Facts: make([]Fact, MaxFacts+1)}.Append(nil))
			return err
		}},
		{"unknown entry flag", func() error { _, err := ParseCatalog(nil, mutate(entry, 7, 16)); return err }},
		{"stamp of a directory", func() error {
			_, err := ParseCatalog(nil, Catalog{[]Entry{{Dir: true, Path: "a", Stamp: Stamp{1}}}}.Append(nil))
			return err
		}},
		{"stamp of what is gone", func() error {
			_, err := ParseCatalog(nil, Catalog{[]Entry{{Gone: true, Stamp: Stamp{1}}}}.Append(nil))
			return err
		}},
		{"empty stamp", func() error {
			b := Catalog{[]Entry{{Path: "a", Stamp: Stamp{1}}}}.Append(nil)
			b[len(b)-16] = 0
			_, err := ParseCatalog(nil, b)
			return err
		}},
		{"setuid mode", func() error { _, err := ParseCatalog(nil, mutate(entry, 8, 0x08)); return err }},
		{"id over limit", func() error {
			_, err := ParseCatalog(nil, Catalog{[]Entry{{ID: MaxID, Path: "a"}}}.Append(nil))
			return err
		}},
		{"file too large", func() error {
			_, err := ParseCatalog(nil, Catalog{[]Entry{{Size: MaxSize + 1, Path: "a"}}}.Append(nil))
			return err
		}},
		{"no path", func() error { _, err := ParseCatalog(nil, Catalog{[]Entry{{}}}.Append(nil)); return err }},
		{"gone with path", func() error {
			_, err := ParseCatalog(nil, Catalog{[]Entry{{Gone: true, Path: "a"}}}.Append(nil))
			return err
		}},
		{"directory with size", func() error {
			_, err := ParseCatalog(nil, Catalog{[]Entry{{Dir: true, Size: 1, Path: "a"}}}.Append(nil))
			return err
		}},
		{"too many entries", func() error {
			b := Catalog{make([]Entry, MaxEntries+1)}.Append(nil)
			_, err := ParseCatalog(nil, b)
			return err
		}},
		{"segment empty", func() error { _, err := ParseCompare(nil, Compare{Segments: []Segment{{}}}.Append(nil)); return err }},
		{"digests of no kind", func() error {
			b := Compare{Segments: []Segment{{Length: 1}}}.Append(nil)
			b[0] = 3
			_, err := ParseCompare(nil, b)
			return err
		}},
		{"segment inside a group", func() error {
			_, err := ParseCompare(nil, Compare{Segments: []Segment{{Length: 1, Offset: 1}}}.Append(nil))
			return err
		}},
		{"too many groups", func() error {
			s := []Segment{{Length: MaxGroups / 2 * GroupSize}, {ID: 1, Length: MaxGroups/2*GroupSize + 1}}
			_, err := ParseCompare(nil, Compare{Segments: s}.Append(nil))
			return err
		}},
		{"ask beyond", func() error { _, err := ParseAsk(nil, Ask{[]uint16{2}}.Append(nil), 2); return err }},
		{"ask not ascending", func() error { _, err := ParseAsk(nil, Ask{[]uint16{1, 1}}.Append(nil), 2); return err }},
		{"wrong digest count", func() error {
			_, err := ParseDigests(nil, TypeGroups, Digests{make([]Digest, 2)}.Append(nil), 3)
			return err
		}},
		{"digest count of 4 billion", func() error {
			_, err := ParseDigests(nil, TypeGroups, []byte{255, 255, 255, 255}, 2)
			return err
		}},
		{"codec", func() error { _, err := ParseChunk(nil, mutate(chunk, 4, 3)); return err }},
		{"packed to as much", func() error { _, err := ParseChunk(nil, mutate(chunk, 4, 1)); return err }},
		{"packed to more", func() error {
			_, err := ParseChunk(nil, Chunk{Codec: pack.S2, Runs: []Run{{2, false}}, Payload: []byte{1, 2, 3}}.Append(nil))
			return err
		}},
		{"packed to nothing", func() error {
			_, err := ParseChunk(nil, Chunk{Codec: pack.Zstd, Runs: []Run{{2, false}}}.Append(nil))
			return err
		}},
		{"packed zeroes", func() error {
			_, err := ParseChunk(nil, Chunk{Codec: pack.Zstd, Runs: []Run{{2, true}}}.Append(nil))
			return err
		}},
		{"keyring over the limit", func() error {
			_, err := ParseKeyring(Keyring{Content: make([]byte, MaxKeyring+1)}.Append(nil))
			return err
		}},
		{"keyring of 4 GiB", func() error { _, err := ParseKeyring([]byte{255, 255, 255, 255, 1}); return err }},
		{"chunk flags", func() error { _, err := ParseChunk(nil, mutate(chunk, 5, 2)); return err }},
		{"no runs", func() error { _, err := ParseChunk(nil, Chunk{}.Append(nil)); return err }},
		{"empty run", func() error { _, err := ParseChunk(nil, Chunk{Runs: []Run{{0, true}}}.Append(nil)); return err }},
		{"two zero runs", func() error {
			_, err := ParseChunk(nil, Chunk{Runs: []Run{{1, true}, {1, true}}}.Append(nil))
			return err
		}},
		{"payload too short", func() error {
			_, err := ParseChunk(nil, Chunk{Runs: []Run{{2, false}}, Payload: []byte{1}}.Append(nil))
			return err
		}},
		{"span too long", func() error {
			_, err := ParseChunk(nil, Chunk{Runs: []Run{{MaxPayload, true}, {1, false}}, Payload: []byte{1}}.Append(nil))
			return err
		}},
		{"past the largest file", func() error {
			_, err := ParseChunk(nil, Chunk{Offset: MaxSize, Runs: []Run{{1, true}}}.Append(nil))
			return err
		}},
	}
	for _, c := range cases {
		if err := c.err(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAbortTextIsCut(t *testing.T) {
	a, err := ParseAbort(Abort{Code: 1, Text: strings.Repeat("x", 2*MaxText)}.Append(nil))
	if err != nil || len(a.Text) != MaxText {
		t.Fatalf("%d bytes, %v", len(a.Text), err)
	}
}

// TestBlockPathAllocates nothing: the messages of the data connections are coded
// millions of times.
func TestBlockPathAllocates(t *testing.T) {
	runs := []Run{{4096, false}, {4096, true}, {4096, false}}
	c := Chunk{ID: 1, Runs: runs, Payload: make([]byte, 8192)}
	body := c.Append(nil)
	list := Digests{make([]Digest, 64)}.Append(nil)
	segs := Compare{Segments: []Segment{{1, 5, 0}}}.Append(nil)
	head, rdst, ddst, sdst := make([]byte, 0, 1024), make([]Run, 0, MaxRuns), make([]Digest, 0, 64), make([]Segment, 0, 4)
	if n := testing.AllocsPerRun(100, func() {
		head = c.AppendHead(head[:0])
		if _, err := ParseChunk(rdst, body); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseDigests(ddst, TypeGroups, list, 64); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCompare(sdst, segs); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for one block", n)
	}
}

// FuzzParse gives every parser every body: none panics, and what parses is
// canonical.
func FuzzParse(f *testing.F) {
	all := samples()
	for i, s := range all {
		if b := s.m.Append(nil); len(b) < 1<<16 {
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		s := all[int(which)%len(all)]
		m, err := s.parse(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v is not ErrMalformed", s.name, err)
			}
			return
		}
		b := m.Append(nil)
		if !bytes.Equal(b, body) {
			t.Errorf("%s: %x decodes and encodes as %x", s.name, body, b)
		}
		if m.Len() != len(b) {
			t.Errorf("%s: Len %d, %d bytes", s.name, m.Len(), len(b))
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	c := Chunk{ID: 1, Runs: []Run{{MaxPayload, false}}, Payload: make([]byte, MaxPayload)}
	body := c.Append(nil)
	runs := make([]Run, 0, MaxRuns)
	head := make([]byte, 0, 64)
	b.Run("op=head", func(b *testing.B) {
		b.SetBytes(MaxPayload)
		b.ReportAllocs()
		for b.Loop() {
			head = c.AppendHead(head[:0])
		}
	})
	b.Run("op=parse", func(b *testing.B) {
		b.SetBytes(MaxPayload)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseChunk(runs, body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCatalog(b *testing.B) {
	var c Catalog
	for i := range MaxEntries {
		c.Entries = append(c.Entries, Entry{ID: uint32(i), Role: 1, Mode: 0o660, Size: 98304, Path: "sbtest/sbtest12345.ibd"})
	}
	body := c.Append(nil)
	b.Run("op=append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		buf := make([]byte, 0, len(body))
		for b.Loop() {
			buf = c.Append(buf[:0])
		}
	})
	b.Run("op=parse", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := ParseCatalog(nil, body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
