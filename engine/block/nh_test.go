package block

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"
)

// sumsOf is the definition of NH in numbers that do not wrap.
func sumsOf(key []uint32, p []byte) (sums [nhPasses]uint64) {
	word, lane := new(big.Int).Lsh(big.NewInt(1), 32), new(big.Int).Lsh(big.NewInt(1), 64)
	add := func(p []byte, k uint32) *big.Int {
		x := big.NewInt(int64(binary.LittleEndian.Uint32(p)))
		return x.Mod(x.Add(x, big.NewInt(int64(k))), word)
	}
	for pass := range sums {
		sum := new(big.Int)
		for i := 0; 4*i < len(p); i += 2 {
			a, b := add(p[4*i:], key[i+4*pass]), add(p[4*i+4:], key[i+1+4*pass])
			sum.Add(sum, a.Mul(a, b))
		}
		sums[pass] = sum.Mod(sum, lane).Uint64()
	}
	return sums
}

func TestNHDefinition(t *testing.T) {
	k := newNHKey(noise(1, 4*nhWords))
	for n := 0; n <= nhChunk; n += nhStripe {
		p := noise(uint64(n), n)
		want := sumsOf(k[:], p)
		for name, f := range map[string]func(*[nhPasses]uint64, *nhKey, []byte){"generic": nhGeneric, "this processor": nh} {
			var got [nhPasses]uint64
			if f(&got, k, p); got != want {
				t.Fatalf("%s, %d bytes: %x, want %x", name, n, got, want)
			}
		}
	}
}

// Every key word that a bound rests on is used, and every pass by words of its own.
func TestNHUsesItsWholeKey(t *testing.T) {
	k := newNHKey(noise(1, 4*nhWords))
	p := noise(2, nhChunk)
	var before, after [nhPasses]uint64
	nh(&before, k, p)
	for i := range k {
		k[i] ^= 1 << 31
		nh(&after, k, p)
		k[i] ^= 1 << 31
		for pass := range after {
			used := i >= nhShift*pass && i < nhShift*pass+nhChunk/4
			if used != (after[pass] != before[pass]) {
				t.Fatalf("key word %d, pass %d: used %v, want %v", i, pass, !used, used)
			}
		}
	}
}

// What is computed with vectors is what is defined, whatever the bytes.
func FuzzNH(f *testing.F) {
	f.Add(make([]byte, 32), uint64(0))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255}, uint64(1))
	f.Fuzz(func(t *testing.T, p []byte, seed uint64) {
		p = append(p, make([]byte, -len(p)&(nhStripe-1))...)
		p = p[:min(len(p), nhChunk)]
		k := newNHKey(noise(seed, 4*nhWords))
		var got, want [nhPasses]uint64
		nh(&got, k, p)
		if nhGeneric(&want, k, p); got != want {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

func BenchmarkNH(b *testing.B) {
	for name, f := range map[string]func(*[nhPasses]uint64, *nhKey, []byte){"generic": nhGeneric, "best": nh} {
		b.Run(fmt.Sprintf("code=%s/size=4KiB", name), func(b *testing.B) {
			k, p := newNHKey(noise(1, 4*nhWords)), noise(2, nhChunk)
			var sums [nhPasses]uint64
			b.SetBytes(nhChunk)
			b.ReportAllocs()
			for b.Loop() {
				f(&sums, k, p)
			}
		})
	}
}
