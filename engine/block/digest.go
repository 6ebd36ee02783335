package block

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
)

// Digest is keyed BLAKE3 over the universal hash of the bytes, cut to 128 bits. It is an
// alias so that lists of digests pass between disk and message without a copy.
type Digest = [16]byte

// Key is the secret of one session.
type Key [32]byte

// Contexts that make the keys of the parts of a digest from the session's. Without the second a leaf whose sums are a
// list of digests could stand for a group.
const (
	sumsContext  = "trireme 2026 universal hash key"
	groupContext = "trireme 2025 group digest key"
)

// Hasher computes leaf and group digests under one key. It is not safe for
// concurrent use: every worker has its own.
type Hasher struct {
	sums   *nhKey
	leaf   *blake3.Hasher
	group  *blake3.Hasher
	zeroes []zeroUnit // digests of units of zeroes
	// tail holds the end of a leaf that does not fill a stripe.
	tail [nhChunk]byte
	// sum receives whole outputs before they are cut; a local array would escape.
	sum [32]byte
	tmp []byte
}

// NewHasher returns a Hasher for the session key k. Leaves are hashed under k
// itself after a universal hash under what BLAKE3 derives from k in a context, groups under BLAKE3 derive-key of k in another.
func NewHasher(k Key) *Hasher {
	var g Key
	blake3.DeriveKey(groupContext, k[:], g[:])
	var stream [4 * nhWords]byte
	blake3.DeriveKey(sumsContext, k[:], stream[:])
	return &Hasher{sums: newNHKey(stream[:]), leaf: keyed(k), group: keyed(g), tmp: make([]byte, 0, max(MaxLeaves*len(Digest{}), Unit/nhChunk*nhSums)+8)}
}

func keyed(k Key) *blake3.Hasher {
	h, err := blake3.NewKeyed(k[:])
	if err != nil {
		panic(fmt.Sprintf("block: internal error: 32-byte key refused: %v", err))
	}
	return h
}

// Leaves appends the digest of every leaf of p to dst. p is a group or its
// beginning; only its last leaf may be shorter than leaf bytes, and its digest
// binds that length. An empty p has no leaves. p is not kept.
func (h *Hasher) Leaves(dst []Digest, leaf int, p []byte) []Digest {
	if leaf <= 0 || leaf > Unit {
		panic(fmt.Sprintf("block: internal error: leaf of %d bytes", leaf))
	}
	for len(p) > 0 {
		n := min(leaf, len(p))
		dst = append(dst, h.one(p[:n]))
		p = p[n:]
	}
	return dst
}

// one is the digest of a leaf: BLAKE3 over the sums of its chunks in order, little-endian, then its length as a big-endian
// uint64. Two leaves that differ have the same sums with a probability of 2^-128, so BLAKE3 need not see more of them than
// a hundredth.
func (h *Hasher) one(p []byte) Digest {
	n := len(p)
	h.tmp = h.tmp[:0]
	var sums [nhPasses]uint64
	for len(p) > 0 {
		c := p[:min(len(p), nhChunk)]
		p = p[len(c):]
		if short := len(c) % nhStripe; short != 0 {
			clear(h.tail[copy(h.tail[:], c):][:nhStripe-short])
			c = h.tail[:len(c)+nhStripe-short]
		}
		nh(&sums, h.sums, c)
		for _, s := range sums {
			h.tmp = binary.LittleEndian.AppendUint64(h.tmp, s)
		}
	}
	h.tmp = binary.BigEndian.AppendUint64(h.tmp, uint64(n))
	h.leaf.Reset()
	h.leaf.Write(h.tmp)
	return Digest(h.leaf.Sum(h.sum[:0]))
}

// Group returns the digest over the leaf digests of one group that covers n bytes.
// The hashed message is the digests in order, then n as a big-endian uint64.
func (h *Hasher) Group(leaves []Digest, n int) Digest {
	h.tmp = h.tmp[:0]
	for i := range leaves {
		h.tmp = append(h.tmp, leaves[i][:]...)
	}
	h.tmp = binary.BigEndian.AppendUint64(h.tmp, uint64(n))
	h.group.Reset()
	h.group.Write(h.tmp)
	return Digest(h.group.Sum(h.sum[:0]))
}

// Digest appends the digest of p, a group or its beginning, to groups, and those of its leaves to leaves. p is not kept.
func (h *Hasher) Digest(leaf int, p []byte, groups, leaves []Digest) (g, l []Digest) {
	first := len(leaves)
	leaves = h.Leaves(leaves, leaf, p)
	return append(groups, h.Group(leaves[first:], len(p))), leaves
}

// zeroUnit is what Digest gives for a unit of zeroes.
type zeroUnit struct {
	leaf   int
	group  Digest
	leaves []Digest
}

// Zeroes is Digest of a unit of zeroes, which is computed once for each size of leaves.
func (h *Hasher) Zeroes(leaf int, groups, leaves []Digest) (g, l []Digest) {
	z := h.zeroUnit(leaf)
	return append(groups, z.group), append(leaves, z.leaves...)
}

func (h *Hasher) zeroUnit(leaf int) *zeroUnit {
	for i := range h.zeroes {
		if z := &h.zeroes[i]; z.leaf == leaf {
			return z
		}
	}
	group, all := h.Digest(leaf, make([]byte, Unit), nil, nil)
	h.zeroes = append(h.zeroes, zeroUnit{leaf: leaf, group: group[0], leaves: all})
	return &h.zeroes[len(h.zeroes)-1]
}

// Tag is a cheap 64-bit checksum of p (XXH3). It finds bytes that we ourselves
// mixed up on the way; it stops no adversary. Safe for concurrent use.
func Tag(seed uint64, p []byte) uint64 { return xxh3.HashSeed(p, seed) }

// Runs is the group digest of a group that comes as runs: payload holds the bytes of those that are data. leaves is scratch, which
// is returned for the next call. ok is false where a run begins inside a leaf: then only whoever has the bytes in one piece can tell.
func (h *Hasher) Runs(leaf int, runs []Run, payload []byte, leaves []Digest) (group Digest, scratch []Digest, ok bool) {
	leaves = leaves[:0]
	n := 0
	for _, r := range runs {
		if n%leaf != 0 {
			return Digest{}, leaves, false
		}
		n += r.Len
		if !r.Zero {
			leaves = h.Leaves(leaves, leaf, payload[:r.Len])
			payload = payload[r.Len:]
			continue
		}
		whole := r.Len / leaf
		if whole > 0 {
			leaves = append(leaves, h.zeroUnit(leaf).leaves[:whole]...)
		}
		if rest := r.Len % leaf; rest > 0 {
			leaves = h.Leaves(leaves, leaf, make([]byte, rest))
		}
	}
	return h.Group(leaves, n), leaves, true
}
