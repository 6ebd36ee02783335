package clone

import (
	"errors"
	"io/fs"
	"syscall"

	"trireme/cmd/internal/cli"
	"trireme/proto"
	"trireme/wire/identity"
)

// Exit codes of receive, send and clone, stable across versions; exits is the table for people. What the other end found is one code, whatever code it sent.
const (
	exitSource    = 3   // the source is in use, or did not hold still
	exitTarget    = 4   // the target is in use, or is not one to write into
	exitSpace     = 5   // the target has no room
	exitNetwork   = 6   // no connection, or it was lost
	exitRefused   = 7   // the ends do not match, a ticket or certificate is not good, or the data cannot be copied
	exitIO        = 8   // a file could not be read or written
	exitTimeout   = 9   // nobody came, or the other end fell silent
	exitOther     = 10  // the other end failed or was stopped
	exitInterrupt = 130 // stopped by SIGINT
	exitTerminate = 143 // stopped by SIGTERM
	exitHangup    = 129 // stopped by SIGHUP
)

var exits = []cli.Exit{
	{Code: "0", Meaning: "done: a copy, a basis (`--live-basis`), or a dry run that found nothing wrong"},
	{Code: "1", Meaning: "a fault in the program, a certificate or key file of this end that cannot be used, or anything that is not below"},
	{Code: "2", Meaning: "the command line, the ticket or the option file could not be understood; nothing was done"},
	{Code: "3", Meaning: "the source is in use, is no datadir, or did not hold still"},
	{Code: "4", Meaning: "the target is in use or nothing to write into"},
	{Code: "5", Meaning: "the target has no room"},
	{Code: "6", Meaning: "no connection, or it was lost; the other end is not the one the ticket is for"},
	{Code: "7", Meaning: "the ends do not match, a ticket has expired, a certificate is refused, or the data cannot be copied"},
	{Code: "8", Meaning: "a file could not be read or written"},
	{Code: "9", Meaning: "nobody came while the ticket was good, or the other end fell silent"},
	{Code: "10", Meaning: "the other end failed or was stopped"},
	{Code: "129, 130, 143", Meaning: "stopped by SIGHUP, SIGINT, SIGTERM"},
}

// codedError is an error with its exit code.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// ExitCode implements cli.Coder.
func (e *codedError) ExitCode() int { return e.code }

// coded gives err a code unless it has one.
func coded(code int, err error) error {
	var known cli.Coder
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &codedError{code, err}
}

// exitOf is the code for each cause that package proto knows.
var exitOf = map[proto.Code]int{
	proto.CodeMismatch:  exitRefused,
	proto.CodeRefused:   exitRefused,
	proto.CodeSpace:     exitSpace,
	proto.CodeIO:        exitIO,
	proto.CodeCancelled: exitOther,
	proto.CodeTimeout:   exitTimeout,
	proto.CodeUnstable:  exitSource,
	proto.CodeNetwork:   exitNetwork,
}

// withCode gives the error of a transfer the code of its cause.
func withCode(err error) error {
	var transfer *proto.Error
	var check *identity.CheckError
	code := cli.ExitError
	switch {
	case errors.As(err, &check):
		code = exitRefused
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code = exitSpace
	case errors.As(err, &transfer) && transfer.Remote:
		code = exitOther
	case errors.As(err, &transfer):
		if c, ok := exitOf[transfer.Code]; ok {
			code = c
		}
	case errors.Is(err, fs.ErrPermission):
		code = exitIO
	}
	return coded(code, err)
}

// exitCode is what the process will end with.
func exitCode(err error) int {
	var known cli.Coder
	switch {
	case err == nil:
		return cli.ExitOK
	case errors.As(err, &known):
		return known.ExitCode()
	}
	return cli.ExitError
}
