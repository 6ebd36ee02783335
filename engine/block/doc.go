// Package block holds the arithmetic of blocks: digests that decide whether two
// ends hold the same bytes, a tag against our own mistakes, and the search for
// zeroes.
//
// A file is cut on a fixed grid. A group is 1 MiB and is also the unit of reading,
// writing and sending; a leaf is 16 KiB in tablespaces (one page) and 64 KiB in
// other files. Two ends compare group digests first and leaf digests only where
// the groups differ. There is no rolling grid: database files change in place.
//
// A digest is keyed BLAKE3, but not over every byte: BLAKE3 alone would keep two
// processors busy with an equal copy for longer than reading it does. What it hashes
// are sums of NH, a universal hash that costs a fifth and whose bound on collisions
// is proved for whoever does not know the key. nh.go has the definition, nh_amd64.s
// the same with vectors.
//
// Guarantees: digests are keyed per session with a secret that no SQL user knows,
// so nobody who writes rows can construct two blocks that look alike. Hasher, Tag,
// IsZero and SplitZero allocate nothing when their destination has room.
//
// Not guaranteed: whoever knows the key can construct collisions, so a digest proves
// nothing to a third party and must not outlive its session. Tag protects against
// our own mistakes only, never against an adversary. A digest says nothing about
// which file or offset the bytes belong to; the caller keeps that.
//
// The package starts no goroutines, and every slice stays the caller's.
package block
