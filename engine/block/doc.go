// Package block holds the arithmetic of blocks: digests that decide whether two
// ends hold the same bytes, the search for zeroes, and the fixed set of buffers
// through which all data passes.
//
// A file is cut on a fixed grid. A group is 1 MiB and is also the unit of reading,
// writing and sending; a leaf is 16 KiB in tablespaces (one page) and 64 KiB in
// other files. Two ends compare group digests first and leaf digests only where
// the groups differ. There is no rolling grid: database files change in place.
//
// Guarantees: digests are keyed per session with a secret that no SQL user knows,
// so nobody who writes rows can construct two blocks that look alike. Hasher, Tag,
// IsZero and SplitZero allocate nothing when their destination has room. Memory of
// an Arena is bounded, page aligned and touched once.
//
// Not guaranteed: Tag protects against our own mistakes only, never against an
// adversary. A digest says nothing about which file or offset the bytes belong to;
// the caller keeps that. An Arena does not clear a buffer before handing it out.
//
// The package starts no goroutines. Buffers belong to whoever got them from the
// Arena until Put; every other slice stays the caller's.
package block
