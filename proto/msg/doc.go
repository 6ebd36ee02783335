// Package msg holds the messages that donor and joiner exchange: one file per
// message, each with its layout, an Append, a Parse and a Len.
//
// A message is the body of one frame; the frame's header (type and length) and
// the authentication of the connection belong to package wire. SPEC.md in the
// parent directory is normative, the layouts here repeat it.
//
// Encoding is canonical: parsing a body and appending the result gives the same
// bytes. All integers are big-endian and unsigned. Reserved bits are zero and
// anything else is refused. Every count and length has a limit (limits.go) that
// is checked before memory is taken for it.
//
// What is not guaranteed: a message that parses is well-formed, nothing more.
// Whether it is legal in the present state, whether its paths stay inside a root
// and whether its numbers fit the catalogue is for package proto and the engine
// to decide.
//
// Ownership: Parse functions alias the body they are given wherever a field is a
// byte slice (Chunk.Payload); strings and slices of structs are copies. Append
// functions copy all they are given. Nothing here is shared, so everything may be
// used from several goroutines.
package msg
