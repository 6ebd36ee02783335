package block

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
)

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], r.Uint64())
	}
	return p[:n]
}

// The definition in the comments of Leaves and Group, written a second time with
// nothing shared but the primitive.
func TestDigestDefinition(t *testing.T) {
	key := Key{1, 2, 3}
	var groupKey [32]byte
	blake3.DeriveKey(groupContext, key[:], groupKey[:])
	sum := func(k [32]byte, p []byte) (d Digest) {
		h, err := blake3.NewKeyed(k[:])
		if err != nil {
			t.Fatal(err)
		}
		h.Write(p)
		copy(d[:], h.Sum(nil))
		return d
	}
	h := NewHasher(key)
	for _, leaf := range []int{LeafPage, LeafOther} {
		for _, n := range []int{0, 1, leaf - 1, leaf, leaf + 1, Unit - 1, Unit} {
			t.Run(fmt.Sprintf("leaf=%d/n=%d", leaf, n), func(t *testing.T) {
				p := noise(uint64(n), n)
				var want []Digest
				var all []byte
				for off := 0; off < n; off += leaf {
					d := sum(key, p[off:min(off+leaf, n)])
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
	want := []string{"71742c645db3863d4db40ca3c8e9896a", "f9e7a423f72eb10d98ceca94d05d4d21", "507827eb5d42b3158584c9af187651ea"}
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
		"Exact":     func() { h.Digest(Exact, LeafPage, p[:4*LeafPage], groups[:0], leaves[:0]) },
		"Brisk":     func() { h.Digest(Brisk, LeafPage, p, groups[:0], leaves[:0]) },
		"Tag":       func() { Tag(1, p) },
		"IsZero":    func() { IsZero(p) },
		"SplitZero": func() { SplitZero(runs[:0], p, Sector) },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %.0f times", name, n)
		}
	}
}

func TestBrisk(t *testing.T) {
	brisk := func(k Key, p []byte) Digest {
		g, l := NewHasher(k).Digest(Brisk, LeafPage, p, nil, nil)
		if len(g) != 1 || len(l) != 0 {
			t.Fatalf("%d groups and %d leaves", len(g), len(l))
		}
		return g[0]
	}
	p := noise(5, Unit)
	want := brisk(Key{}, p)
	if brisk(Key{1}, p) == want || brisk(Key{}, p[:Unit-1]) == want {
		t.Fatal("the key or the length does not reach the digest")
	}
	for _, at := range []int{0, 17, LeafPage, Unit - 1} {
		p[at] ^= 0x80
		if brisk(Key{}, p) == want {
			t.Fatalf("flip at %d is not in the digest", at)
		}
		p[at] ^= 0x80
	}
	// The published value of the empty input under seed 0 says which hash it is; the seed is derived.
	if got := xxh3.Hash128Seed(nil, 0).Bytes(); hex.EncodeToString(got[:]) != "99aa06d3014798d86001c324468d497f" {
		t.Fatalf("XXH3-128 of nothing is %x", got)
	}
	if h := NewHasher(Key{}); h.brisk == 0 || brisk(Key{}, nil) != xxh3.Hash128Seed(nil, h.brisk).Bytes() {
		t.Fatal("not XXH3-128 with the derived seed")
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

func BenchmarkDigest(b *testing.B) {
	for name, k := range map[string]Kind{"exact": Exact, "brisk": Brisk} {
		b.Run("size=1MiB/kind="+name, func(b *testing.B) {
			h, p := NewHasher(Key{1}), noise(1, Unit)
			groups, leaves := make([]Digest, 0, 1), make([]Digest, 0, MaxLeaves)
			b.SetBytes(Unit)
			b.ReportAllocs()
			for b.Loop() {
				h.Digest(k, LeafPage, p, groups[:0], leaves[:0])
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
