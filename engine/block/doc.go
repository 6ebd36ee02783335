// Package block holds the arithmetic of blocks: digests that decide whether two
// ends hold the same bytes, a tag against our own mistakes, and the search for
// zeroes.
//
// A file is cut on a fixed grid. A group is 1 MiB and is also the unit of reading,
// writing and sending; a leaf is 16 KiB in tablespaces (one page) and 64 KiB in
// other files. Two ends compare group digests first and leaf digests only where
// the groups differ. There is no rolling grid: database files change in place.
//
// Guarantees: digests are keyed per session with a secret that no SQL user knows,
// so nobody who writes rows can construct two blocks that look alike. Hasher, Tag,
// IsZero and SplitZero allocate nothing when their destination has room.
//
// Not guaranteed: Tag protects against our own mistakes only, never against an
// adversary. A digest says nothing about which file or offset the bytes belong to;
// the caller keeps that.
//
// The package starts no goroutines, and every slice stays the caller's.
package block
