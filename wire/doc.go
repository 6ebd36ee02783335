// Package wire connects a donor with its joiner: authenticated, encrypted, framed connections, and nothing about what travels in
// them.
//
// The joiner listens and hands a Ticket to the donor through the cluster. It names the address, the joiner's certificate by its
// SHA-256 (the pin) and a nonce. The donor dials, TLS 1.3 is spoken unless both ends were told to be plain, the donor compares
// the pin, and then both prove with the nonce, bound to this TLS session, that they mean the same state request. Only then are
// certificates judged (package identity), so that the reason of a refusal can be told to both ends and nobody else ever gets an
// answer worth having. The same goes over QUIC, one stream to a connection, where the ticket says so. PREFACE.md describes these
// first bytes, which never change shape.
//
// crypto/tls makes every TLS connection. Over TCP, package record then protects what travels, with the keys crypto/tls negotiated and
// in the form it would have given it, because that takes less processor time.
//
// Guarantees: Accept returns nothing that did not pass all of this; no stranger, however many or slow, ends a listener; a data
// connection belongs to the control connection whose session it names; nothing is retried in a weaker form. Every length is
// checked before memory is spent on it.
//
// Not guaranteed: a nonce that leaked before the donor used it opens the one control connection to whoever is first, unless the
// policy asks for a certificate. Plain mode authenticates the two ends, but later bytes can be read and changed on the way.
// Frames of a Conn are not acknowledged: a nil error of Send or Flush says that the kernel, or quic-go, took the bytes. A Conn does not
// reconnect; a Link does, and delivers every frame once and in order over as many Conns as it takes, or fails for good. It does not
// survive its process, and cannot tell a killed peer from a broken path. A name or address is as trustworthy as the resolver.
//
// Goroutines: a Listener owns one to accept and one per connection in its handshake; Close waits for all of them. Dial's have
// ended when it returns. A Conn over TCP has none; over QUIC it has quic-go's, which end with its Close at the donor, and at the
// joiner with the listener's and that of the last Conn. Send and Flush run in one caller at a time, Recv in one, both at once are fine.
// A Link has none either, but for the moment in which the timer of an outage fires.
//
// Buffers: Send has copied or written head and body when it returns, so they are the caller's again. The body that Recv
// returns lies in the buffer that was passed in. An accepted Conn owns about 0.3 MiB until it is closed; one that has not
// authenticated owns none of that. A Link keeps up to its window of 2 to 4 MiB beside that, and as much again of buffers it keeps for
// the next frames. Over QUIC the receiver's share of the kernel's buffers is ours too: 1 MiB, and as the path asks
// for it up to 16 MiB, filled only while nobody reads.
package wire
