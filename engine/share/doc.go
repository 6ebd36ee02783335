// Package share lets several copies of one datadir be made from one reading of it.
//
// Each copy has a Reader and asks it for units of block.Unit bytes. Whoever comes first
// to a unit reads it from the file; the others get it from memory, where it stays until
// all that are in step have had it. No copy may be further ahead of the slowest than the
// window holds: then it waits, and a copy that has kept the others waiting for too long
// falls out of step and reads for itself from then on. So memory is bounded whatever the
// number of copies, and none of them stops the others.
//
// Guarantees: a Reader gets each byte as it was in the file at some moment between its
// Begin or last Meet and the return of ReadAt, as if it had read the file itself. Nothing is given
// to a copy that was read before that copy began.
//
// What is not guaranteed: that every byte is read once. Copies that go through the files
// in different orders, fall out of step, or look at a part again when it has left the
// window read it again. An error of the file is seen by each copy anew.
//
// There are no goroutines. Everything is safe for concurrent use; the caller's buffers
// stay the caller's.
package share
