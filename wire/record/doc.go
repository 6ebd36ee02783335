// Package record protects the records of a TLS 1.3 connection after crypto/tls has made it.
//
// crypto/tls does the whole handshake: versions, suites, certificates, signatures, key exchange, Finished. What it negotiated is
// what is used, and nobody can tell from the wire who protects the records: they are those of RFC 8446 section 5, under keys of
// section 7.3 from the two application traffic secrets that crypto/tls writes to Config.KeyLogWriter, with the AES-GCM of package gcm.
// A peer that uses crypto/tls to the end, or OpenSSL, is served like one of ours.
//
// It exists for speed alone. crypto/tls copies each record once more at each end, asks the connection below once for each, and
// allocates while it reads; here records are sealed in the buffer that goes to the kernel and opened from the buffer that comes from it
// into the reader's slice. bench/NOTES.md has what that gave. Whoever doubts it can do without: only the constructors change.
//
// Guarantees: nothing is delivered that was not authenticated; a record is at most 16 KiB of content, and lengths are checked before memory is
// taken; io.EOF comes after the peer's closing alert only, a stream that just stops is io.ErrUnexpectedEOF; a sequence number is used once.
//
// Not guaranteed: other handshakes than TLS 1.3 with AES-GCM, and Go's FIPS 140-3 mode, which wants nonces made inside its module, stay with
// crypto/tls for good, and so are slower (Own tells). A peer that updates its keys (section 4.6.3) is refused: connections of this
// project are replaced before a key is worn out. Session tickets are not kept.
//
// There are no goroutines. Read belongs to one goroutine at a time, Write and Flush to any; Close and deadlines may be used by anybody.
package record
