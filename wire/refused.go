package wire

import (
	"fmt"
)

// Code is the class of a refusal as it travels. Text goes with it and is never parsed. Numbers are never reused.
type Code uint8

// Codes of refusals.
const (
	CodeOK        Code = 0
	CodeSetup     Code = 1 // the donor cannot start, for instance because of its option file
	CodePolicy    Code = 2 // the other end's certificate is not good enough
	CodeVersion   Code = 3 // no common protocol version
	CodeBusy      Code = 4 // the nonce was used for another control connection
	CodeNonce     Code = 5 // the proof is wrong: another state request
	CodeMode      Code = 6 // one end is plain, the other is not
	CodeSession   Code = 7 // a data connection without, or of another, control connection
	CodeTransport Code = 8 // the ends are told to use different transports, or the one they agree on does not get through
)

// String returns the name of the code as used in logs.
func (c Code) String() string {
	switch c {
	case CodeOK:
		return "ok"
	case CodeSetup:
		return "set-up"
	case CodePolicy:
		return "certificate"
	case CodeVersion:
		return "version"
	case CodeBusy:
		return "busy"
	case CodeNonce:
		return "nonce"
	case CodeMode:
		return "mode"
	case CodeSession:
		return "session"
	case CodeTransport:
		return "transport"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// RefusedError says that a peer which proved that it belongs to this state request could not be used, or that it could not
// use us. Both ends get one, and their reasons begin alike.
type RefusedError struct {
	Remote string // address of the peer
	ByPeer bool   // true: the peer refused; false: we did
	Code   Code
	Reason string // one printable line: 512 bytes at most, then our file when a peer refused our certificate, and any second objection
	Err    error  // the local cause, for instance an *identity.CheckError; nil when the peer refused
}

func (e *RefusedError) Error() string {
	if e.ByPeer {
		return fmt.Sprintf("refused by %s: %s", e.Remote, e.Reason)
	}
	return fmt.Sprintf("refuse %s: %s", e.Remote, e.Reason)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Cause says in which way a peer turned out to be a stranger.
type Cause uint8

// Causes of a StrangerError.
const (
	CauseClosed   Cause = 1  // it hung up
	CauseTimeout  Cause = 2  // it took too long
	CauseTLS      Cause = 3  // the TLS handshake failed
	CauseNotTLS   Cause = 4  // it speaks something else
	CausePlain    Cause = 5  // it speaks our preface without TLS, but we are told to encrypt
	CauseWantsTLS Cause = 6  // it speaks TLS, but we are told to be plain
	CauseProtocol Cause = 7  // TLS was fine, what came then was not our preface
	CauseNonce    Cause = 8  // it does not know the nonce
	CausePin      Cause = 9  // its certificate is not the one in the ticket
	CauseCrowd    Cause = 10 // too many unproved connections at once
	CauseAddress  Cause = 11 // its address is not among the allowed ones
	CauseLate     Cause = 12 // it knows the nonce, but the control connection stands already
	CauseSystem   Cause = 13 // the system refused to accept or set up the connection
)

// StrangerError says that a peer did not prove that it belongs to this state request. A listener passes it to OnStranger and
// goes on; Dial and Refuse return it.
type StrangerError struct {
	Remote string
	Cause  Cause
	Err    error
}

func (e *StrangerError) Error() string { return fmt.Sprintf("peer %s: %v", e.Remote, e.Err) }

func (e *StrangerError) Unwrap() error { return e.Err }
