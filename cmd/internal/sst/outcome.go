package sst

import (
	"errors"
	"strings"
	"syscall"

	"trireme/cmd/internal/galera"
	"trireme/proto"
	"trireme/wire/identity"
)

// exitOf is what the server is told for each cause: it prints the errno of that
// number (sst-contract 9).
var exitOf = map[proto.Code]int{
	proto.CodeInternal:  galera.ExitUnknown,
	proto.CodeProtocol:  galera.ExitProto,
	proto.CodeMismatch:  galera.ExitInvalid,
	proto.CodeRefused:   galera.ExitInvalid,
	proto.CodeSpace:     galera.ExitNoSpace,
	proto.CodeIO:        int(syscall.EIO),
	proto.CodeCancelled: galera.ExitSignal,
	proto.CodeTimeout:   galera.ExitTimeout,
	proto.CodeLock:      galera.ExitUnknown,
	proto.CodeUnstable:  galera.ExitUnknown,
	proto.CodeServer:    galera.ExitPipe,
	proto.CodeNetwork:   galera.ExitPipe,
	proto.CodeBasis:     galera.ExitUnknown, // never asked for by a server, and no copy
}

// codeOf gives err the exit code that fits its cause, unless it brings its own.
func codeOf(err error) error {
	var exit *galera.ExitError
	if errors.As(err, &exit) {
		return err
	}
	var check *identity.CheckError
	var transfer *proto.Error
	code := galera.ExitUnknown
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code = galera.ExitNoSpace
	case errors.Is(err, syscall.EADDRINUSE):
		code = galera.ExitBusy
	case errors.As(err, &check):
		code = galera.ExitInvalid
	case errors.As(err, &transfer) && transfer.Remote:
		// What went wrong over there is no errno of this host: no room at the joiner would read as none at the donor. The log has
		// the reason, and whatever the other end sends, it does not choose our code.
		code = galera.ExitPipe
	case errors.As(err, &transfer):
		code = exitOf[transfer.Code]
	}
	return &galera.ExitError{Code: code, Err: err}
}

// oneLine is the text of an error that may list several mistakes, for a log in which each line stands for itself.
func oneLine(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
