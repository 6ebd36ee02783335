package pack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// rows is content that shrinks to about a half, as rows of a table do.
func rows(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%08d|customer-%06x|%x|", len(b), r.Uint32N(1<<24), r.Uint64())
	}
	return b[:n]
}

func using(t testing.TB, c Codec) *Packer {
	t.Helper()
	var p Packer
	if err := p.Use(c, 0); err != nil {
		t.Fatal(err)
	}
	return &p
}

// TestRoundTrip crosses codecs with sizes around every limit.
func TestRoundTrip(t *testing.T) {
	for _, c := range []Codec{Zstd, S2} {
		p, u := using(t, c), Unpacker{}
		for _, n := range []int{0, 1, minPiece - 1, minPiece, minPiece + 1, 4096, window - 1, window, window + 1, MaxPiece - 1, MaxPiece} {
			in := rows(n)
			out, got := p.Pack(in)
			if n < minPiece {
				if got != None || !bytes.Equal(out, in) {
					t.Errorf("codec=%v len=%d: packed with %v", c, n, got)
				}
				continue
			}
			if got != c || len(out) > n-n/8 {
				t.Errorf("codec=%v len=%d: %v, %d bytes", c, n, got, len(out))
				continue
			}
			back := make([]byte, n)
			if err := u.Unpack(got, back, out); err != nil || !bytes.Equal(back, in) {
				t.Errorf("codec=%v len=%d: %v", c, n, err)
			}
		}
	}
}

// TestSkip: content that does not shrink is tried less and less often, and anew in the next file.
func TestSkip(t *testing.T) {
	p := using(t, Zstd)
	in := noise(8 << 10)
	var tried []int
	for i := range 260 {
		before := p.skip
		if out, c := p.Pack(in); c != None || &out[0] != &in[0] {
			t.Fatalf("piece %d: codec %v", i, c)
		}
		if before == 0 {
			tried = append(tried, i)
		}
	}
	if want := []int{0, 8, 23, 52, 109, 174, 239}; fmt.Sprint(tried) != fmt.Sprint(want) {
		t.Errorf("tried %v, want %v", tried, want)
	}
	if _, c := p.Pack(rows(8 << 10)); c != None {
		t.Errorf("tried within the skip")
	}
	p.Fresh()
	if _, c := p.Pack(rows(8 << 10)); c != Zstd {
		t.Errorf("not tried in another file")
	}
}

func TestTooLong(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a piece beyond the limit was packed")
		}
	}()
	using(t, Zstd).Pack(make([]byte, MaxPiece+1))
}

// TestHostile: what a peer can send ends in an error and in no memory worth naming.
func TestHostile(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	bomb := enc.EncodeAll(make([]byte, 32<<20), nil)
	good := enc.EncodeAll(rows(4096), nil)
	huge := s2.Encode(nil, make([]byte, 16<<20))
	for _, c := range []struct {
		name   string
		codec  Codec
		packed []byte
		want   int
	}{
		{"zstd bomb", Zstd, bomb, MaxPiece},
		{"zstd longer than announced", Zstd, good, 4095},
		{"zstd shorter than announced", Zstd, good, 4097},
		{"zstd twice", Zstd, append(bytes.Clone(good), good...), 4096},
		{"zstd cut", Zstd, good[:len(good)-3], 4096},
		{"zstd nothing", Zstd, nil, 1},
		{"zstd window", Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0}, 4096},
		{"s2 bomb", S2, huge, MaxPiece},
		{"s2 longer", S2, s2.Encode(nil, rows(4096)), 4095},
		{"s2 shorter", S2, s2.Encode(nil, rows(4096)), 4097},
		{"s2 length alone", S2, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, MaxPiece},
		{"s2 nothing", S2, nil, 1},
		{"unknown", 3, good, 4096},
		{"none", None, good, len(good)},
		{"announced beyond the limit", Zstd, good, MaxPiece + 1},
	} {
		var u Unpacker
		dst := make([]byte, c.want)
		if err := u.Unpack(c.codec, dst, c.packed); err == nil {
			t.Errorf("%s: taken", c.name)
		}
		// The decoder stays usable.
		if c.codec == Zstd {
			if err := u.Unpack(Zstd, make([]byte, 4096), good); err != nil {
				t.Errorf("%s: after it: %v", c.name, err)
			}
		}
	}
	var u Unpacker
	dst := make([]byte, MaxPiece)
	_ = u.Unpack(Zstd, dst, bomb) // builds the decoder
	if n := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = u.Unpack(Zstd, dst, bomb)
			_ = u.Unpack(S2, dst, huge)
		}
	}).AllocedBytesPerOp(); n > 4096 {
		t.Errorf("a bomb takes %d bytes", n)
	}
}

// TestAllocations: after the first piece neither end allocates.
func TestAllocations(t *testing.T) {
	for _, c := range []Codec{Zstd, S2} {
		p, u := using(t, c), Unpacker{}
		in, back := rows(MaxPiece), make([]byte, MaxPiece)
		round := func() {
			out, got := p.Pack(in)
			if err := u.Unpack(got, back, out); err != nil {
				t.Fatal(err)
			}
		}
		round()
		if n := testing.AllocsPerRun(20, round); n >= 1 && !raceEnabled {
			t.Errorf("%v: %v allocations for each piece", c, n)
		}
	}
}

func TestModes(t *testing.T) {
	for word, want := range map[string]string{"off": "[]", "auto": "[zstd s2]", "zstd": "[zstd]", "s2": "[s2]"} {
		m, err := ParseMode(word)
		if err != nil || fmt.Sprint(m.Codecs()) != want {
			t.Errorf("%s: %v, %v", word, m.Codecs(), err)
		}
	}
	if _, err := ParseMode("gzip"); err == nil {
		t.Error("gzip is taken")
	}
	if err := new(Packer).Use(9, 0); err == nil {
		t.Error("an unknown codec is used")
	}
}

// FuzzUnpack feeds any input with any announced length. What comes out must be of that length, and nothing may panic.
func FuzzUnpack(f *testing.F) {
	for _, c := range []Codec{Zstd, S2} {
		p := using(f, c)
		for _, n := range []int{minPiece, 5000, 70000} {
			out, got := p.Pack(rows(n))
			f.Add(uint8(got), uint32(n), bytes.Clone(out))
		}
	}
	var u Unpacker
	dst := make([]byte, MaxPiece+1)
	f.Fuzz(func(_ *testing.T, c uint8, n uint32, packed []byte) {
		_ = u.Unpack(Codec(c), dst[:min(n, MaxPiece+1)], packed)
	})
}

func BenchmarkPack(b *testing.B) {
	for _, c := range []Codec{Zstd, S2} {
		for name, in := range map[string][]byte{"rows": rows(MaxPiece), "noise": noise(MaxPiece)} {
			b.Run(fmt.Sprintf("op=pack/codec=%v/content=%s", c, name), func(b *testing.B) {
				p := using(b, c)
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					p.Fresh()
					out, _ = p.Pack(in)
				}
				b.ReportMetric(100*float64(len(out))/float64(len(in)), "ratio-pct")
			})
		}
		b.Run(fmt.Sprintf("op=unpack/codec=%v/content=rows", c), func(b *testing.B) {
			out, got := using(b, c).Pack(rows(MaxPiece))
			var u Unpacker
			back := make([]byte, MaxPiece)
			b.SetBytes(MaxPiece)
			b.ReportAllocs()
			for b.Loop() {
				if err := u.Unpack(got, back, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
