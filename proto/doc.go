// Package proto is the conversation of donor and joiner: who says what in which
// order, how a pass runs, when a copy counts as exact. It is the only place where
// the network (package wire) and the datadir (packages below engine) meet.
//
// A transfer has one control connection and several data connections, all opened
// by the donor. Send plays the donor, Receive the joiner. The donor leads: it
// announces its catalogue, compares digests with the joiner's, sends what differs
// and decides when nothing differs any more. SPEC.md in this directory is
// normative.
//
// What is guaranteed when both functions return without an error: the joiner holds
// the donor's files as they were in one lock window, the one whose coordinates it
// got. Everything that may have changed since it was sent was read in that window,
// or cloned in it and read after; a last round in it found nothing that had moved
// (R-COPY-4); files that were skipped by the LSNs of their pages were compared with
// the joiner afterwards; the joiner's tree equals the catalogue (R-COPY-3) and is
// durable under its final names (R-JOIN-5).
//
// What is not guaranteed: that the donor's server really held still. Leaks of the
// server are found by the verify rounds when they change bytes, and a transfer
// whose rounds never come to rest fails; but a write that the server issues after
// the last round is invisible. Nothing is said about a datadir that was copied
// without a lock. Pages that change again between the lock and the comparison after
// it cannot be compared, and files without page LSNs are not: for those the skip rule
// of consistency 2.3 stands alone. After an error the joiner's datadir holds a mixture that cannot
// be started, and no part of it may be used but as a basis for the next try.
//
// Ownership: Send and Receive own every goroutine they start and wait for all of
// them before they return; connections are closed by then. Memory is bounded by
// some buffers per data connection, the catalogue at about 700 bytes for each file
// at the donor, what it remembers of them (one bit for 4 KiB of a tablespace, 16
// bytes for a leaf of other files, and of tablespaces whose pages cannot be judged; up to
// 256 MiB for the pages that the redo log names, 4 KiB for each 8 MiB of a table in
// which there are some), and 256 MiB of chunks that wait while the server is locked, half of which may be there before. Cancelling the context ends both within the time
// one request takes; the first cause is reported at both ends.
package proto
