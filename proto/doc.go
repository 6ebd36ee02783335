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
// What is guaranteed when both functions return without an error: under one lock
// window every file of the donor's catalogue was read, its content is at the
// joiner byte for byte, a verify round found nothing left to send (R-COPY-4), the
// joiner's tree equals the catalogue (R-COPY-3) and is durable under its final
// names (R-JOIN-5).
//
// What is not guaranteed: that the donor's server really held still. Leaks of the
// server are found by the verify rounds when they change bytes, and a transfer
// whose rounds never come to rest fails; but a write that the server issues after
// the last round is invisible. Nothing is said about a datadir that was copied
// without a lock. After an error the joiner's datadir holds a mixture that cannot
// be started, and no part of it may be used but as a basis for the next try.
//
// Ownership: Send and Receive own every goroutine they start and wait for all of
// them before they return; connections are closed by then. Memory is bounded by
// one unit buffer and some tables per data connection, plus the catalogue at
// about 200 bytes for each file. Cancelling the context ends both within the time
// one request takes; the first cause is reported at both ends.
package proto
