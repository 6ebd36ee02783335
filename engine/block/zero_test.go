package block

import (
	"fmt"
	"slices"
	"testing"
)

func slowIsZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

func slowSplit(p []byte, grain int) (runs []Run) {
	for off := 0; off < len(p); off += grain {
		q := p[off:min(off+grain, len(p))]
		r := Run{Len: len(q), Zero: slowIsZero(q)}
		if k := len(runs) - 1; k >= 0 && runs[k].Zero == r.Zero {
			runs[k].Len += r.Len
			continue
		}
		runs = append(runs, r)
	}
	return runs
}

func TestIsZeroBoundaries(t *testing.T) {
	buf := make([]byte, 3*len(zeroes)+16)
	for _, n := range []int{0, 1, 7, 8, 9, 63, 64, 65, len(zeroes) - 1, len(zeroes), len(zeroes) + 1, 2 * len(zeroes), 3 * len(zeroes)} {
		for _, start := range []int{0, 1, 7} { // unaligned starts as well
			p := buf[start : start+n]
			if !IsZero(p) {
				t.Fatalf("%d zeroes at %d are not zero", n, start)
			}
			for _, at := range []int{0, 1, 7, 8, 31, 32, n / 2, n - 9, n - 8, n - 1} {
				if at < 0 || at >= n {
					continue
				}
				p[at] = 1
				if IsZero(p) {
					t.Fatalf("byte %d of %d at %d overlooked", at, n, start)
				}
				p[at] = 0
			}
			if start > 0 { // neighbours must not be looked at
				buf[start-1], buf[start+n] = 1, 1
				if !IsZero(p) {
					t.Fatalf("%d zeroes at %d: read outside the slice", n, start)
				}
				buf[start-1], buf[start+n] = 0, 0
			}
		}
	}
}

func TestSplitZero(t *testing.T) {
	d := func(n int) Run { return Run{n, false} }
	z := func(n int) Run { return Run{n, true} }
	for _, c := range []struct {
		name string
		data []int // offsets of non-zero bytes
		n    int
		want []Run
	}{
		{"empty", nil, 0, nil},
		{"zero", nil, 40, []Run{z(40)}},
		{"short tail zero", []int{0}, 13, []Run{d(8), z(5)}},
		{"short tail data", []int{12}, 13, []Run{z(8), d(5)}},
		{"data in the middle", []int{8, 23}, 40, []Run{z(8), d(16), z(16)}},
		{"alternating", []int{0, 16, 32}, 40, []Run{d(8), z(8), d(8), z(8), d(8)}},
		{"one grain", []int{3}, 8, []Run{d(8)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := make([]byte, c.n)
			for _, at := range c.data {
				p[at] = 0xff
			}
			if got := SplitZero(nil, p, 8); !slices.Equal(got, c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			// Runs of an earlier buffer are not this buffer's business.
			before := []Run{z(1)}
			if got := SplitZero(before, p, 8); !slices.Equal(got[:1], []Run{z(1)}) || !slices.Equal(got[1:], c.want) {
				t.Fatalf("appended: got %v, want %v after the first", got, c.want)
			}
		})
	}
}

func FuzzSplitZero(f *testing.F) {
	f.Add([]byte{}, uint16(1))
	f.Add(make([]byte, 100), uint16(8))
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0}, uint16(3))
	f.Fuzz(func(t *testing.T, seed []byte, g uint16) {
		// Each byte of the seed stands for a stretch, so that whole grains are zero.
		p := make([]byte, 0, len(seed)*17)
		for i, b := range seed {
			p = append(p, make([]byte, 1+(i*7)%17)...)
			p[len(p)-1] = b
		}
		grain := 1 + int(g)%300
		got, want := SplitZero(nil, p, grain), slowSplit(p, grain)
		if !slices.Equal(got, want) {
			t.Fatalf("grain %d: got %v, want %v", grain, got, want)
		}
		if IsZero(p) != slowIsZero(p) {
			t.Fatal("IsZero disagrees with a byte loop")
		}
	})
}

func BenchmarkIsZero(b *testing.B) {
	for _, n := range []int{Sector, LeafPage, Unit} {
		b.Run(fmt.Sprintf("size=%dKiB", n>>10), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if !IsZero(p) {
					b.Fatal("zeroes are not zero")
				}
			}
		})
	}
}

func BenchmarkSplitZero(b *testing.B) {
	for _, kind := range []string{"data", "zero", "mixed"} {
		b.Run("size=1MiB/grain=4KiB/kind="+kind, func(b *testing.B) {
			p := noise(1, Unit)
			for off := 0; off < Unit; off += Sector {
				if kind == "zero" || kind == "mixed" && off/Sector%2 == 0 {
					clear(p[off : off+Sector])
				}
			}
			dst := make([]Run, 0, Unit/Sector)
			b.SetBytes(Unit)
			b.ReportAllocs()
			for b.Loop() {
				dst = SplitZero(dst[:0], p, Sector)
			}
		})
	}
}
