package block

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
)

// Digest is BLAKE3 with a session key, cut to 128 bits. It is an alias so that
// lists of digests pass between disk and message without a copy.
type Digest = [16]byte

// Key is the secret of one session.
type Key [32]byte

// groupContext separates group keys from leaf keys: without it a leaf whose
// content is a list of digests could stand for a group.
const groupContext = "trireme 2025 group digest key"

// briskContext separates the seed of brisk digests from both.
const briskContext = "trireme 2026 brisk digest seed"

// Hasher computes leaf and group digests under one key. It is not safe for
// concurrent use: every worker has its own.
type Hasher struct {
	leaf  *blake3.Hasher
	group *blake3.Hasher
	brisk uint64 // seed of Brisk
	// sum receives whole outputs before they are cut; a local array would escape.
	sum [32]byte
	tmp []byte
}

// NewHasher returns a Hasher for the session key k. Leaves are hashed under k
// itself, groups under BLAKE3 derive-key of k in a fixed context.
func NewHasher(k Key) *Hasher {
	var g Key
	blake3.DeriveKey(groupContext, k[:], g[:])
	var seed [8]byte
	blake3.DeriveKey(briskContext, k[:], seed[:])
	return &Hasher{leaf: keyed(k), group: keyed(g), brisk: binary.BigEndian.Uint64(seed[:]), tmp: make([]byte, 0, MaxLeaves*len(Digest{})+8)}
}

func keyed(k Key) *blake3.Hasher {
	h, err := blake3.NewKeyed(k[:])
	if err != nil {
		panic(fmt.Sprintf("block: internal error: 32-byte key refused: %v", err))
	}
	return h
}

// Leaves appends the digest of every leaf of p to dst. p is a group or its
// beginning; only its last leaf may be shorter than leaf bytes, and BLAKE3 binds
// that length. An empty p has no leaves. p is not kept.
func (h *Hasher) Leaves(dst []Digest, leaf int, p []byte) []Digest {
	if leaf <= 0 {
		panic(fmt.Sprintf("block: internal error: leaf of %d bytes", leaf))
	}
	for len(p) > 0 {
		n := min(leaf, len(p))
		h.leaf.Reset()
		h.leaf.Write(p[:n])
		out := h.leaf.Sum(h.sum[:0])
		dst = append(dst, Digest(out))
		p = p[n:]
	}
	return dst
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

// Kind says how a group is digested. The numbers travel.
type Kind uint8

const (
	// Exact is BLAKE3 over leaves and groups. It decides what travels.
	Exact Kind = 1
	// Brisk is XXH3-128 over the group at once, big endian, with a seed made of the
	// key, and has no leaves. It costs a tenth or less. Groups that differ by accident have
	// different ones; against somebody who knows the key it proves nothing. It asks
	// again what other rules have answered, and never decides that bytes need not travel.
	Brisk Kind = 2
)

// Digest appends the digest of p, a group or its beginning, to groups, and with Exact
// those of its leaves to leaves. p is not kept.
func (h *Hasher) Digest(k Kind, leaf int, p []byte, groups, leaves []Digest) (g, l []Digest) {
	if k == Brisk {
		return append(groups, xxh3.Hash128Seed(p, h.brisk).Bytes()), leaves
	}
	first := len(leaves)
	leaves = h.Leaves(leaves, leaf, p)
	return append(groups, h.Group(leaves[first:], len(p))), leaves
}

// Tag is a cheap 64-bit checksum of p (XXH3). It finds bytes that we ourselves
// mixed up on the way; it stops no adversary. Safe for concurrent use.
func Tag(seed uint64, p []byte) uint64 { return xxh3.HashSeed(p, seed) }
