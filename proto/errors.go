package proto

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"trireme/proto/msg"
)

// Code is the reason of an Abort as a number. Numbers are part of the protocol.
type Code uint8

// The codes of version 1 (SPEC.md, "Abort codes").
const (
	CodeInternal  Code = 1  // a fault in the program
	CodeProtocol  Code = 2  // the peer broke the rules of SPEC.md
	CodeMismatch  Code = 3  // something that must match does not (R-META-1)
	CodeRefused   Code = 4  // a datadir that cannot be copied (R-META-3)
	CodeSpace     Code = 5  // not enough room
	CodeIO        Code = 6  // a file could not be read or written
	CodeCancelled Code = 7  // stopped from outside
	CodeTimeout   Code = 8  // something took longer than its limit
	CodeLock      Code = 9  // the server did not grant its lock
	CodeUnstable  Code = 10 // the datadir did not hold still under the lock
	CodeServer    Code = 11 // the server that started us is gone
	CodeNetwork   Code = 12 // the connection failed
	CodeBasis     Code = 13 // not a failure: a basis was made, as asked, and no copy (DonorConfig.Basis)
)

var codeNames = map[Code]string{
	CodeInternal: "internal error", CodeProtocol: "protocol error", CodeMismatch: "mismatch",
	CodeRefused: "refused", CodeSpace: "no space", CodeIO: "input/output error",
	CodeCancelled: "cancelled", CodeTimeout: "timed out", CodeLock: "lock not granted",
	CodeUnstable: "datadir not still", CodeServer: "server gone", CodeNetwork: "connection lost",
	CodeBasis: "basis only",
}

func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Error is why a transfer ended. Exactly one cause is reported at both ends.
type Error struct {
	Code   Code
	Remote bool // the other end found it
	Err    error
}

func (e *Error) Error() string {
	if e.Remote {
		return "the other end reports: " + e.Err.Error()
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Fail gives err a code. An error that has one keeps it.
func Fail(c Code, err error) error {
	var have *Error
	if err == nil || errors.As(err, &have) {
		return err
	}
	return &Error{Code: c, Err: err}
}

func failf(c Code, format string, args ...any) error {
	return Fail(c, fmt.Errorf(format, args...))
}

// CodeOf is the code err carries, CodeInternal when it has none.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, msg.ErrMalformed):
		return CodeProtocol
	}
	return CodeInternal
}

// printable makes a peer's text safe for a log: one line, no control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func remote(a msg.Abort) error {
	code := Code(a.Code)
	if _, ok := codeNames[code]; !ok {
		code = CodeInternal
	}
	text := printable(a.Text)
	if text == "" {
		text = code.String()
	}
	return &Error{Code: code, Remote: true, Err: errors.New(text)}
}
