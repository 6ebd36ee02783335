package block

import "encoding/binary"

// NH, the universal hash of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC: Fast and Secure Message
// Authentication", CRYPTO 1999; RFC 4418 section 5.2 is a sibling of it), is what makes a digest cheap. For words of 32
// bits it is the sum over all pairs of (m[2i]+k[2i] mod 2^32) * (m[2i+1]+k[2i+1] mod 2^32), modulo 2^64.
//
// Its bound is a theorem, not a hope: whatever two different messages of one length somebody chooses who does not know k,
// they collide for at most one key in 2^32. Four passes with the same key, each two pairs further on (the paper's Toeplitz
// construction), make that one in 2^128: at the last pair in which the messages differ, each pass uses key words that no
// earlier pass uses up to there.
const (
	nhChunk  = 4096         // bytes hashed under one key
	nhPasses = 4            // sums of a chunk
	nhShift  = 4            // key words from one pass to the next
	nhStripe = 32           // bytes are padded with zeroes to a multiple of this
	nhSums   = nhPasses * 8 // bytes of the sums of a chunk
	nhWords  = nhChunk/4 + nhShift*(nhPasses-1)
)

// nhKey is the key of all passes, as the words that little-endian bytes give.
type nhKey [nhWords]uint32

func newNHKey(stream []byte) *nhKey {
	var k nhKey
	for i := range k {
		k[i] = binary.LittleEndian.Uint32(stream[4*i:])
	}
	return &k
}

// nhGeneric is the definition, for every processor. p has a multiple of nhStripe bytes, at most nhChunk.
func nhGeneric(sums *[nhPasses]uint64, k *nhKey, p []byte) {
	var s0, s1, s2, s3 uint64
	for key := k[:]; len(p) >= 8 && len(key) >= 3*nhShift+2; p, key = p[8:], key[2:] {
		w := binary.LittleEndian.Uint64(p)
		a, b := uint32(w), uint32(w>>32)
		s0 += uint64(a+key[0]) * uint64(b+key[1])
		s1 += uint64(a+key[nhShift]) * uint64(b+key[nhShift+1])
		s2 += uint64(a+key[2*nhShift]) * uint64(b+key[2*nhShift+1])
		s3 += uint64(a+key[3*nhShift]) * uint64(b+key[3*nhShift+1])
	}
	*sums = [nhPasses]uint64{s0, s1, s2, s3}
}
