package galera

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Exit codes. A server turns any of them into the text of the errno with that number, so each is the errno whose text
// says most; the numbers are those of the stock scripts where they have one (sst-contract 9).
const (
	ExitOK      = 0
	ExitMissing = 2   // ENOENT: something that is needed is not there; the port contradicts the address
	ExitSignal  = 3   // ended by INT or TERM
	ExitAgain   = 11  // EAGAIN: only for PXC, only while the datadir is untouched: the provider restores the old state
	ExitBusy    = 16  // EBUSY: the port or a file is in use
	ExitUnsafe  = 21  // a value with characters that must not get near a shell
	ExitInvalid = 22  // EINVAL: bad configuration or arguments
	ExitNoSpace = 28  // ENOSPC
	ExitPipe    = 32  // EPIPE: transfer failed, server gone, HUP
	ExitProto   = 71  // EPROTO: the other end, or the server, said something that cannot be
	ExitTimeout = 110 // ETIMEDOUT
	ExitAlready = 114 // EALREADY: another SST still runs in this datadir
	ExitUnknown = 255 // anything else; also the server's own report that the flush failed
)

// ExitError is an error that knows the exit code the program should end with.
type ExitError struct {
	Code int
	Err  error
}

// Error returns the text of the cause; the code is for the server, not for people.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// exitf builds an ExitError like fmt.Errorf does.
func exitf(code int, format string, args ...any) error {
	return &ExitError{Code: code, Err: fmt.Errorf(format, args...)}
}

// ExitCode returns the code for err: the outermost ExitError's; ExitSignal for a bare cancellation and ExitTimeout for
// a passed deadline; the number of an operating system error; ExitUnknown for the rest. EAGAIN and ECANCELED never
// escape by accident, because PXC gives them a meaning (sst-contract 8.1): only an ExitError can carry them.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Code
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if errno != syscall.EAGAIN && errno != syscall.ECANCELED && errno > 0 && errno < 126 {
			return int(errno)
		}
		return ExitUnknown
	}
	switch {
	case errors.Is(err, context.Canceled):
		return ExitSignal
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout
	}
	return ExitUnknown
}
