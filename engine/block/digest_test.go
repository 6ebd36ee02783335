package block

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/blake3"
)

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], r.Uint64())
	}
	return p[:n]
}

// The definition in the comments, written a second time with nothing shared but BLAKE3 and the names of its contexts.
func TestDigestDefinition(t *testing.T) {
	key := Key{1, 2, 3}
	var groupKey [32]byte
	blake3.DeriveKey(groupContext, key[:], groupKey[:])
	stream := make([]byte, 4096+48)
	blake3.DeriveKey(sumsContext, key[:], stream)
	var words []uint32
	for i := 0; i < len(stream); i += 4 {
		words = append(words, binary.LittleEndian.Uint32(stream[i:]))
	}
	sum := func(k [32]byte, p []byte) (d Digest) {
		h, err := blake3.NewKeyed(k[:])
		if err != nil {
			t.Fatal(err)
		}
		h.Write(p)
		copy(d[:], h.Sum(nil))
		return d
	}
	leafOf := func(p []byte) Digest {
		var m []byte
		for off := 0; off < len(p); off += 4096 {
			c := bytes.Clone(p[off:min(off+4096, len(p))])
			for len(c)%32 != 0 {
				c = append(c, 0)
			}
			for _, s := range sumsOf(words, c) {
				m = binary.LittleEndian.AppendUint64(m, s)
			}
		}
		return sum(key, binary.BigEndian.AppendUint64(m, uint64(len(p))))
	}
	h := NewHasher(key)
	for _, leaf := range []int{LeafPage, LeafOther} {
		for _, n := range []int{0, 1, 31, 32, 33, 4095, 4097, leaf - 1, leaf, leaf + 1, Unit/2 - 1, Unit} {
			t.Run(fmt.Sprintf("leaf=%d/n=%d", leaf, n), func(t *testing.T) {
				p := noise(uint64(n), n)
				var want []Digest
				var all []byte
				for off := 0; off < n; off += leaf {
					d := leafOf(p[off:min(off+leaf, n)])
					want = append(want, d)
					all = append(all, d[:]...)
				}
				got := h.Leaves(nil, leaf, p)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatal("leaf digests differ from their definition")
				}
				all = binary.BigEndian.AppendUint64(all, uint64(n))
				if h.Group(got, n) != sum(groupKey, all) {
					t.Fatal("group digest differs from its definition")
				}
			})
		}
	}
}

// A changed digest means that two versions of this program see every block as
// different; that must be a decision, not an accident.
func TestDigestVectors(t *testing.T) {
	h := NewHasher(Key{})
	p := make([]byte, LeafPage+5)
	for i := range p {
		p[i] = byte(i % 251)
	}
	leaves := h.Leaves(nil, LeafPage, p)
	var got []string
	for _, d := range append(leaves, h.Group(leaves, len(p))) {
		got = append(got, hex.EncodeToString(d[:]))
	}
	want := []string{"f53f9281026d50225ce3fc420f291f16", "c493b8285c19fb4055cd0af2cad1ee4d", "236a124b04dc63126c276bfe5697f0a5"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func TestDigestSeparatesWhatDiffers(t *testing.T) {
	a, b := NewHasher(Key{1}), NewHasher(Key{2})
	p := noise(1, Unit)
	la := a.Leaves(nil, LeafPage, p)
	if la[0] == b.Leaves(nil, LeafPage, p)[0] || a.Group(la, Unit) == b.Group(la, Unit) {
		t.Fatal("the key does not reach the digest")
	}
	if a.Group(la, Unit) == a.Group(la, Unit-1) {
		t.Fatal("the length does not reach the group digest")
	}
	// A leaf that holds what a group hashes must not have that group's digest.
	var list []byte
	for _, d := range la {
		list = append(list, d[:]...)
	}
	list = binary.BigEndian.AppendUint64(list, Unit)
	if a.Leaves(nil, LeafPage, list)[0] == a.Group(la, Unit) {
		t.Fatal("a leaf can stand for a group")
	}
	for _, at := range []int{0, LeafPage - 1, LeafPage, Unit - 1} {
		q := bytes.Clone(p)
		q[at] ^= 1
		lb := a.Leaves(nil, LeafPage, q)
		for i := range la {
			if (la[i] == lb[i]) != (i != at/LeafPage) {
				t.Fatalf("flip at %d: leaf %d compared wrongly", at, i)
			}
		}
		if a.Group(la, Unit) == a.Group(lb, Unit) {
			t.Fatalf("flip at %d is not in the group digest", at)
		}
	}
	if short := a.Leaves(nil, LeafPage, make([]byte, 5)); short[0] == a.Leaves(nil, LeafPage, make([]byte, 6))[0] {
		t.Fatal("short leaves of zeroes are equal whatever their length")
	}
}

func TestZeroesIsDigestOfZeroes(t *testing.T) {
	h := NewHasher(Key{1})
	for range 2 { // computed, and remembered
		for _, leaf := range []int{LeafPage, LeafOther} {
			g, l := h.Zeroes(leaf, nil, nil)
			wantG, wantL := h.Digest(leaf, make([]byte, Unit), nil, nil)
			if fmt.Sprint(g, l) != fmt.Sprint(wantG, wantL) {
				t.Fatalf("leaves of %d bytes: other digests than those of zeroes", leaf)
			}
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	h := NewHasher(Key{9})
	p := noise(3, Unit)
	clear(p[LeafPage : 3*LeafPage])
	leaves := make([]Digest, 0, MaxLeaves)
	groups := make([]Digest, 0, 1)
	runs := make([]Run, 0, Unit/Sector)
	for name, f := range map[string]func(){
		"Leaves":    func() { h.Leaves(leaves[:0], LeafPage, p[:4*LeafPage]) },
		"Group":     func() { h.Group(leaves[:MaxLeaves], Unit) },
		"Digest":    func() { h.Digest(LeafPage, p[:4*LeafPage+5], groups[:0], leaves[:0]) },
		"Tag":       func() { Tag(1, p) },
		"IsZero":    func() { IsZero(p) },
		"SplitZero": func() { SplitZero(runs[:0], p, Sector) },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %.0f times", name, n)
		}
	}
}

func TestTag(t *testing.T) {
	p := noise(4, 1000)
	if Tag(1, p) == Tag(2, p) || Tag(1, p) == Tag(1, p[:999]) {
		t.Fatal("tag ignores seed or length")
	}
	if got, want := Tag(0, nil), uint64(0x2d06800538d394c2); got != want { // published XXH3 of the empty input
		t.Fatalf("Tag(0, nil) = %#x, want %#x", got, want)
	}
}

func BenchmarkLeaves(b *testing.B) {
	for _, leaf := range []int{LeafPage, LeafOther} {
		b.Run(fmt.Sprintf("size=1MiB/leaf=%dKiB", leaf>>10), func(b *testing.B) {
			h, p, dst := NewHasher(Key{1}), noise(1, Unit), make([]Digest, 0, MaxLeaves)
			b.SetBytes(Unit)
			b.ReportAllocs()
			for b.Loop() {
				dst = h.Leaves(dst[:0], leaf, p)
			}
		})
	}
}

func BenchmarkGroup(b *testing.B) {
	b.Run("size=1MiB/leaf=16KiB", func(b *testing.B) {
		h := NewHasher(Key{1})
		leaves := h.Leaves(nil, LeafPage, noise(1, Unit))
		b.SetBytes(Unit)
		b.ReportAllocs()
		for b.Loop() {
			h.Group(leaves, Unit)
		}
	})
}

// What a digest costs, and what BLAKE3 over every byte would.
func BenchmarkDigest(b *testing.B) {
	h, p := NewHasher(Key{1}), noise(1, Unit)
	groups, leaves := make([]Digest, 0, 1), make([]Digest, 0, MaxLeaves)
	whole := keyed(Key{1})
	for name, f := range map[string]func(){
		"digest": func() { h.Digest(LeafPage, p, groups[:0], leaves[:0]) },
		"blake3": func() {
			for q := p; len(q) > 0; q = q[LeafPage:] {
				whole.Reset()
				whole.Write(q[:LeafPage])
				whole.Sum(h.sum[:0])
			}
		},
	} {
		b.Run("size=1MiB/of="+name, func(b *testing.B) {
			b.SetBytes(Unit)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkTag(b *testing.B) {
	for _, n := range []int{LeafPage, Unit} {
		b.Run(fmt.Sprintf("size=%dKiB", n>>10), func(b *testing.B) {
			p := noise(1, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				Tag(1, p)
			}
		})
	}
}

// TestRunsIsDigestOfTheWhole takes groups apart into runs and compares with the digest of the group in one piece.
func TestRunsIsDigestOfTheWhole(t *testing.T) {
	h := NewHasher(Key{5})
	var scratch []Digest
	for _, n := range []int{1, 100, LeafPage, LeafPage + 1, 3 * LeafPage, 7*LeafPage + 4096, Unit - 5, Unit} {
		for i, zero := range [][2]int{{0, 0}, {0, LeafPage}, {LeafPage, 3 * LeafPage}, {2 * LeafPage, Unit}, {0, Unit}, {4096, 8192}, {LeafPage, LeafPage + 4096}} {
			p := noise(uint64(i+1), n)
			clear(p[min(zero[0], n):min(zero[1], n)])
			want, _ := h.Digest(LeafPage, p, nil, nil)
			for _, grain := range []int{Sector, LeafPage} {
				runs := SplitZero(nil, p, grain)
				payload, at, inside := []byte(nil), 0, false
				for _, r := range runs {
					inside = inside || at%LeafPage != 0
					if !r.Zero {
						payload = append(payload, p[at:at+r.Len]...)
					}
					at += r.Len
				}
				var got Digest
				var ok bool
				got, scratch, ok = h.Runs(LeafPage, runs, payload, scratch)
				if ok == inside || ok && got != want[0] {
					t.Errorf("%d bytes, zeroes %v, by %d: %x, %v; want %x, %v", n, zero, grain, got, ok, want[0], !inside)
				}
			}
		}
	}
}
