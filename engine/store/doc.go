// Package store is the joiner's copy of a datadir: it takes the donor's catalog and
// blocks, keeps the directory unstartable while it is a mixture, and makes it whole
// and durable at the end.
//
// The order of calls is Open, Prepare, then per pass any number of Upsert, Remove,
// Digests and Apply followed by EndPass, after the last pass Seal and Commit. What
// lay in the directories before is the basis: equal blocks need not travel again,
// and nothing of it is believed without being hashed. Config.Manifest makes one exception:
// a file that the last transfer left durably, and that nobody has touched since on one
// mount of one boot, is vouched for (Vouch). What a transfer that was cut off has left
// never is (R-JOIN-6): from the first change until Commit there is no manifest.
//
// Guarantees. From the first data write until Commit no keystone (a file without
// which no server starts: system and undo tablespaces, redo, Aria logs, the MySQL 8
// dictionary) has its real name; such files live under name plus ".sstpart". After
// Commit every file has exactly the donor's path, size and mode, everything is on
// stable storage, and marker and journal are gone. Files that belong to this node
// are never touched, nor is a file through one of its other names: one with hard links is no basis, and a directory under two names
// is refused. Nothing a peer says reaches outside the configured directories
// or sets more than permission bits. The first input/output error is final: every
// later call returns it, because a second fsync after a failed one proves nothing.
//
// Not guaranteed: the bytes are those given to Apply; whether they are the donor's
// is for digests to say. Before Commit nothing is durable. Bytes of a basis file
// that were neither compared nor written stay what they were. A hole in a basis
// file that the donor does not have stays a hole, except in files that must be
// allocated. Ownership, times, extended attributes and ACLs are not copied.
//
// Once Commit has succeeded it writes the manifest for the next transfer; that this fails
// is told by ManifestNote and is no error.
//
// Memory: about 140 bytes per file and its path, 100 more if it was there before, and 70 more with a manifest, 1.2 KB with the longest
// path, and eight bytes for each separate stretch that was written, at most 64 KiB per file. Digests of what was written (ApplyNoted) take
// 16 MiB at most, those of a TiB.
// Config.MaxEntries bounds the number of files. At most Config.MaxOpen files are open. Apply and Digests may run
// concurrently for different ranges; catalog calls are serialised among themselves
// and must not overlap with Apply or Digests of the same file. Goroutines are
// started in Commit only, which waits for them. Slices passed in are not kept.
package store
