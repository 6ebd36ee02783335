package gcm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/klauspost/cpuid/v2" // tells VAES and VPCLMULQDQ without AVX-512, which golang.org/x/sys/cpu does not
	"golang.org/x/sys/cpu"          // heeds GODEBUG=cpu.avx2=off, as the runtime and crypto/cipher do
)

// can says whether this processor has the instructions of wide_amd64.s, the kernel keeps their registers, and nobody switched them off.
var can = cpu.X86.HasAVX2 && cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpuid.CPU.Supports(cpuid.VAES, cpuid.VPCLMULQDQ)

const (
	// passSize is what ctr and ghash take by turns, so that the second one finds it in the first-level cache. A multiple of chunkSize.
	passSize = 16 * chunkSize
	// longest is where the counter of 32 bits would come round (SP 800-38D, 5.2.1.1).
	longest = (1<<32 - 2) * blockSize
)

var errOpen = errors.New("gcm: message authentication failed")

// table holds powers of the hash key as numbers, times x: two to a row, the 16th first. Below them, in the low half of each lane, the sum of
// the halves of the same power.
type table [2][chunkSize / blockSize][2]uint64

// wide is AES-GCM with sixteen blocks under way.
type wide struct {
	cipher.AEAD // what is too short for wide
	keys        [15][blockSize]byte
	rounds      int
	powers      table
	power       [blockSize]byte // the first one, for single blocks
}

func newWide(key []byte, small cipher.AEAD) *wide {
	w := &wide{AEAD: small, rounds: len(key)/4 + 6}
	w.expand(key)

	// The hash key is what becomes of a block of zeroes.
	var counter, zero, sum [blockSize]byte
	var buf [chunkSize]byte
	ctr(&w.keys, w.rounds, &counter, &buf[0], &buf[0], chunkSize)
	hi, lo := binary.BigEndian.Uint64(buf[:8]), binary.BigEndian.Uint64(buf[8:])
	clear(buf[:])

	// Bits of GHASH are reflected, and a product of two reflected numbers is one place short: the key is multiplied by x in advance.
	carry := -(hi >> 63)
	hi, lo = hi<<1|lo>>63, lo<<1
	hi, lo = hi^carry&0xc200000000000000, lo^carry&1
	binary.LittleEndian.PutUint64(w.power[:8], lo)
	binary.LittleEndian.PutUint64(w.power[8:], hi)
	for i := len(w.powers[0]) - 1; ; i-- {
		w.powers[0][i] = [2]uint64{lo, hi}
		w.powers[1][i] = [2]uint64{lo ^ hi, 0}
		if i == 0 {
			return w
		}
		binary.BigEndian.PutUint64(sum[:8], hi)
		binary.BigEndian.PutUint64(sum[8:], lo)
		ghashBlocks(&w.power, &sum, &zero[0], blockSize)
		hi, lo = binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])
	}
}

// expand makes the keys of the rounds (FIPS 197, 5.2). Words are little-endian, which turns rotations round.
func (w *wide) expand(key []byte) {
	n := len(key) / 4
	word := func(i int) []byte { return w.keys[i/4][i%4*4:][:4] }
	for i := range n {
		copy(word(i), key[4*i:])
	}
	constant := uint32(1)
	for i := n; i < 4*(w.rounds+1); i++ {
		t := binary.LittleEndian.Uint32(word(i - 1))
		switch {
		case i%n == 0:
			t = subWord(bits.RotateLeft32(t, -8)) ^ constant
			constant = constant<<1 ^ constant>>7*0x11b
		case n == 8 && i%n == 4:
			t = subWord(t)
		}
		binary.LittleEndian.PutUint32(word(i), t^binary.LittleEndian.Uint32(word(i-n)))
	}
}

// Seal is that of [cipher.AEAD].
func (w *wide) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	if len(plaintext) < narrowest || len(plaintext) > longest || len(nonce) != nonceSize {
		return w.AEAD.Seal(dst, nonce, plaintext, additionalData)
	}
	n, size := len(dst), len(plaintext)
	dst = slices.Grow(dst, size+tagSize)[:n+size+tagSize]
	out := dst[n:]
	mustNotOverlap(out, plaintext)
	mustNotOverlapAtAll(out, additionalData)
	m := w.start(nonce, additionalData)
	bulk := size &^ (chunkSize - 1)
	for at := 0; at < bulk; at += passSize {
		p := min(passSize, bulk-at)
		ctr(&w.keys, w.rounds, &m.counter, &out[at], &plaintext[at], p)
		ghash(&w.powers, &m.sum, &out[at], p)
	}
	if rest := plaintext[bulk:]; len(rest) > 0 {
		m.end(w, out[bulk:], rest)
		w.tail(&m.sum, out[bulk:size])
	}
	m.finish(w, len(additionalData), size)
	copy(out[size:], m.sum[:])
	return dst
}

// Open is that of [cipher.AEAD].
func (w *wide) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	size := len(ciphertext) - tagSize
	if size < narrowest || size > longest || len(nonce) != nonceSize {
		return w.AEAD.Open(dst, nonce, ciphertext, additionalData)
	}
	n := len(dst)
	dst = slices.Grow(dst, size)[:n+size]
	out := dst[n:]
	mustNotOverlap(out, ciphertext)
	mustNotOverlapAtAll(out, additionalData)
	m := w.start(nonce, additionalData)
	bulk := size &^ (chunkSize - 1)
	for at := 0; at < bulk; at += passSize {
		p := min(passSize, bulk-at)
		ghash(&w.powers, &m.sum, &ciphertext[at], p)
		ctr(&w.keys, w.rounds, &m.counter, &out[at], &ciphertext[at], p)
	}
	if rest := ciphertext[bulk:size]; len(rest) > 0 {
		w.tail(&m.sum, rest)
		m.end(w, out[bulk:], rest)
	}
	m.finish(w, len(additionalData), size)
	if subtle.ConstantTimeCompare(m.sum[:], ciphertext[size:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return dst, nil
}

// mustNotOverlap panics as crypto/cipher does: a and b may begin at the same byte or have none in common.
func mustNotOverlap(a, b []byte) {
	if len(a) > 0 && len(b) > 0 && &a[0] != &b[0] {
		mustNotOverlapAtAll(a, b)
	}
}

func mustNotOverlapAtAll(a, b []byte) {
	if len(a) == 0 || len(b) == 0 {
		return
	}
	first := func(p []byte) uintptr { return uintptr(unsafe.Pointer(&p[0])) }
	if first(a) < first(b)+uintptr(len(b)) && first(b) < first(a)+uintptr(len(a)) {
		panic("gcm: invalid buffer overlap")
	}
}

// message is what one call carries along.
type message struct {
	mask    [blockSize]byte // for the tag
	counter [blockSize]byte // of the next block
	sum     [blockSize]byte // GHASH so far
}

// start takes the nonce and hashes what is only authenticated.
func (w *wide) start(nonce, additionalData []byte) (m message) {
	var buf [chunkSize]byte
	copy(m.counter[:], nonce)
	m.counter[blockSize-1] = 1
	next := m.counter
	ctr(&w.keys, w.rounds, &m.counter, &buf[0], &buf[0], chunkSize)
	copy(m.mask[:], buf[:])
	m.counter = next
	m.counter[blockSize-1] = 2
	w.tail(&m.sum, additionalData)
	return m
}

// end takes what is left behind the last chunk, less than one.
func (m *message) end(w *wide, dst, src []byte) {
	var buf [chunkSize]byte
	copy(buf[:], src)
	ctr(&w.keys, w.rounds, &m.counter, &buf[0], &buf[0], chunkSize)
	copy(dst[:len(src)], buf[:])
}

// tail hashes p with zeroes up to a whole block.
func (w *wide) tail(sum *[blockSize]byte, p []byte) {
	whole := len(p) &^ (blockSize - 1)
	if whole > 0 {
		ghashBlocks(&w.power, sum, &p[0], whole)
	}
	if whole < len(p) {
		var last [blockSize]byte
		copy(last[:], p[whole:])
		ghashBlocks(&w.power, sum, &last[0], blockSize)
	}
}

// finish makes the tag of sum.
func (m *message) finish(w *wide, additional, size int) {
	var lengths [blockSize]byte
	binary.BigEndian.PutUint64(lengths[:8], uint64(additional)*8)
	binary.BigEndian.PutUint64(lengths[8:], uint64(size)*8)
	ghashBlocks(&w.power, &m.sum, &lengths[0], blockSize)
	subtle.XORBytes(m.sum[:], m.sum[:], m.mask[:])
}

// subWord puts each byte of w through the S-box.
//
//go:noescape
func subWord(w uint32) uint32

// ctr encrypts or decrypts n bytes, a multiple of chunkSize and not 0, with the keys of so many rounds, from the block that counter names; it is
// left at the next. dst is src or does not overlap it.
//
//go:noescape
func ctr(keys *[15][blockSize]byte, rounds int, counter *[blockSize]byte, dst, src *byte, n int)

// ghash adds n bytes, a multiple of chunkSize and not 0, to the GHASH in sum.
//
//go:noescape
func ghash(powers *table, sum *[blockSize]byte, p *byte, n int)

// ghashBlocks is the same for a multiple of blockSize, one at a time, with the first power alone.
//
//go:noescape
func ghashBlocks(power, sum *[blockSize]byte, p *byte, n int)
