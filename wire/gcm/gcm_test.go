package gcm

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/fips140"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// pair is the same key twice: as crypto/cipher has it, and wide. The tests need no processor that can: there they compare the same with itself, and say so.
func pair(t testing.TB, key []byte) (std, ours cipher.AEAD) {
	t.Helper()
	std, err := narrow(key)
	if err != nil {
		t.Fatal(err)
	}
	ours, err = New(key)
	if err != nil {
		t.Fatal(err)
	}
	switch same := fmt.Sprintf("%T", ours) == fmt.Sprintf("%T", std); {
	case can && !fips140.Enabled() && same:
		t.Fatal("this processor can, and is not trusted")
	case same:
		t.Log("this processor has no VAES, or may not use it: crypto/cipher is compared with itself")
	}
	return std, ours
}

const offEnv = "GCM_TEST_OFF"

// What is switched off, or has to be validated code, is crypto/cipher's alone.
func TestOff(t *testing.T) {
	if os.Getenv(offEnv) != "" {
		if std, ours := pair(t, random(16, 1)); fmt.Sprintf("%T", ours) != fmt.Sprintf("%T", std) {
			t.Errorf("%T in place of %T", ours, std)
		}
		return
	}
	for _, debug := range []string{"fips140=on", "cpu.avx2=off", "cpu.aes=off", "cpu.pclmulqdq=off", "cpu.all=off"} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOff$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG="+debug, offEnv+"=1")
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestOff") {
			t.Errorf("GODEBUG=%s: %v\n%s", debug, err, out)
		}
	}
}

func random(n int, seed byte) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{seed, byte(n), byte(n >> 8)}).Read(p)
	return p
}

// sizes are those around every boundary, and some between. The longest needs the third byte of the counter.
func sizes() (all []int) {
	all = append(all, 1<<20+chunkSize)
	for n := 0; n <= 20000; n += 997 {
		all = append(all, n)
	}
	for _, around := range []int{blockSize, chunkSize, narrowest, 16 * chunkSize, 1 << 14} {
		for n := -17; n <= 17; n++ {
			all = append(all, max(0, around+n), around+chunkSize+n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestSameBytes(t *testing.T) {
	for _, bits := range []int{128, 192, 256} {
		t.Run(fmt.Sprintf("key=%d", bits), func(t *testing.T) {
			std, ours := pair(t, random(bits/8, 1))
			for i, n := range sizes() {
				text, nonce, header := random(n, 2), random(nonceSize, byte(i)), random(i%50, 3)
				want := std.Seal(nil, nonce, text, header)
				if got := ours.Seal([]byte("before"), nonce, text, header); !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Fatalf("%d bytes: sealed to something else", n)
				}
				if got, err := ours.Open([]byte("before"), nonce, want, header); err != nil || !bytes.Equal(got, append([]byte("before"), text...)) {
					t.Fatalf("%d bytes: opened to something else: %v", n, err)
				}
				buf := append(bytes.Clone(text), make([]byte, tagSize)...)
				if got := ours.Seal(buf[:0], nonce, buf[:n], header); !bytes.Equal(got, want) {
					t.Fatalf("%d bytes: sealed in place to something else", n)
				}
				if got, err := ours.Open(buf[:0], nonce, buf, header); err != nil || !bytes.Equal(got, text) {
					t.Fatalf("%d bytes: opened in place to something else: %v", n, err)
				}
			}
		})
	}
}

// TestForged turns one bit at a time, everywhere that matters.
func TestForged(t *testing.T) {
	_, ours := pair(t, random(16, 1))
	for _, n := range []int{narrowest, 2*chunkSize*blockSize + 5} {
		text, nonce, header := random(n, 2), random(nonceSize, 3), random(21, 4)
		sealed := ours.Seal(nil, nonce, text, header)
		out := make([]byte, n)
		refused := func(what string, nonce, sealed, header []byte) {
			t.Helper()
			for i := range out {
				out[i] = 0xaa
			}
			if got, err := ours.Open(out[:0], nonce, sealed, header); err == nil || got != nil {
				t.Fatalf("%d bytes, %s: taken for authentic", n, what)
			}
			if !bytes.Equal(out[:min(n, len(sealed))], make([]byte, min(n, len(sealed)))) {
				t.Fatalf("%d bytes, %s: something of it was left", n, what)
			}
		}
		flipped := func(p []byte, bit int) []byte {
			p = bytes.Clone(p)
			p[bit/8] ^= 1 << (bit % 8)
			return p
		}
		for bit := range len(sealed) * 8 {
			if bit%61 == 0 || bit > n*8 {
				refused(fmt.Sprintf("bit %d of the message", bit), nonce, flipped(sealed, bit), header)
			}
		}
		for bit := range len(header) * 8 {
			refused(fmt.Sprintf("bit %d of the header", bit), nonce, sealed, flipped(header, bit))
		}
		for bit := range nonceSize * 8 {
			refused(fmt.Sprintf("bit %d of the nonce", bit), flipped(nonce, bit), sealed, header)
		}
		if got, err := ours.Open(nil, nonce, sealed[:n], header); err == nil || got != nil {
			t.Errorf("%d bytes: a message that is cut off was taken for authentic", n)
		}
	}
}

// TestOverlap wants the panics of crypto/cipher: a slip here would not be found by looking at what comes out.
func TestOverlap(t *testing.T) {
	_, ours := pair(t, random(16, 1))
	buf := make([]byte, 3*narrowest)
	nonce := random(nonceSize, 2)
	sealed := ours.Seal(nil, nonce, buf[:narrowest], nil)
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	panics("sealed one byte further", func() { ours.Seal(buf[1:1], nonce, buf[:narrowest], nil) })
	panics("sealed one byte before", func() { ours.Seal(buf[:0], nonce, buf[1:1+narrowest], nil) })
	panics("sealed over the header", func() { ours.Seal(buf[:0], nonce, sealed[:narrowest], buf[narrowest:][:5]) })
	// No byte in common is fine, however near, as the header of a record is.
	ours.Seal(buf[narrowest+5:][:0], nonce, buf[:narrowest], buf[narrowest:][:5])
	ours.Seal(buf[:0], nonce, buf[narrowest+tagSize:][:narrowest], buf[2*narrowest:][:5])
	copy(buf[1:], sealed)
	panics("opened one byte before", func() { ours.Open(buf[:0], nonce, buf[1:1+len(sealed)], nil) })
	panics("opened over the header", func() { ours.Open(buf[:0], nonce, sealed, buf[narrowest-1:][:1]) })
}

func TestWrongKey(t *testing.T) {
	for _, n := range []int{0, 15, 17, 33} {
		if a, err := New(make([]byte, n)); err == nil || a != nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	_, ours := pair(t, random(16, 1))
	text, nonce, header := random(1<<14+1, 2), random(nonceSize, 3), random(5, 4)
	out := make([]byte, 0, len(text)+tagSize)
	if n := testing.AllocsPerRun(100, func() {
		sealed := ours.Seal(out, nonce, text, header)
		if _, err := ours.Open(sealed[:0], nonce, sealed, header); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func FuzzSameBytes(f *testing.F) {
	f.Add([]byte("key"), []byte("nonce"), bytes.Repeat([]byte("content "), 150), []byte("header"), uint16(700))
	f.Add([]byte{16}, []byte{}, make([]byte, narrowest+chunkSize+1), []byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, key, nonce, text, header []byte, turn uint16) {
		key = append(key, make([]byte, 32)...)[:16+8*(len(key)%3)]
		nonce = append(nonce, make([]byte, nonceSize)...)[:nonceSize]
		std, ours := pair(t, key)
		sealed := std.Seal(nil, nonce, text, header)
		if got := ours.Seal(nil, nonce, text, header); !bytes.Equal(got, sealed) {
			t.Fatal("sealed to something else")
		}
		if got, err := ours.Open(nil, nonce, sealed, header); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("opened to something else: %v", err)
		}
		sealed[int(turn)%len(sealed)] ^= byte(turn>>8) | 1
		if _, err := ours.Open(nil, nonce, sealed, header); err == nil {
			t.Fatal("a forged message was taken for authentic")
		}
	})
}
