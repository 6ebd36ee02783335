// Package pack makes pieces of file content smaller for the wire, and decides when
// that pays.
//
// A Packer packs one piece at a time and gives up early on content that does not
// shrink. An Unpacker undoes it for a peer that may be hostile. A Gate is told how a
// transfer goes and says whether packing is worth its processor time.
//
// Guarantees: a packed piece is at most seven eighths of the content, else it is not
// packed at all. Unpack returns exactly as many bytes as were announced or an error,
// and takes no memory beyond the buffer it is given and the fixed state of a decoder,
// whatever the input says about itself. After a few pieces neither end allocates.
//
// Not guaranteed: that what Unpack returns is what went in. Codecs carry no checksum
// here; the caller has one over the content. Nothing is said about how small a piece
// gets. A Gate sees the donor only: that the joiner has no processor time left it
// learns from the transfer not getting faster.
//
// There are no goroutines. A Packer, an Unpacker and a Gate each belong to one
// goroutine at a time, and all take their memory at first use: about 2.5 MiB for a
// Packer, 0.3 MiB for an Unpacker.
package pack
