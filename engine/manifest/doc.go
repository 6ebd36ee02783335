// Package manifest reads and writes the file in which a joiner keeps, after a transfer by hand, what its copy was made of:
// for each file the donor's stamp of what was copied and this end's own stamp of the copy (tree.Stamp). The layout is in
// proto/SPEC.md section 8.
//
// A Writer takes rows in ascending order of role and path and writes each at once; a Reader gives them back in that order,
// so that a caller walks a scan and a manifest side by side and neither end holds all rows. The sum at the end covers
// everything: what a Reader has given is worth nothing until Close has returned nil.
//
// Not guaranteed: that a row is true. Anybody who may write the file may forge it; it is for its owner's own use, with mode
// 0600. Nor that the file system kept the file's name: writing it durably is the caller's part.
//
// There are no goroutines. Memory: a buffer of 64 KiB and the longest path, whatever the file claims.
package manifest
