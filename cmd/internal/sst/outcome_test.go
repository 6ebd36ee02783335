package sst

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"trireme/cmd/internal/galera"
	"trireme/proto"
)

// TestExitCodes: every cause that this end finds has its errno, and whatever the other end reports has one.
func TestExitCodes(t *testing.T) {
	for code, want := range exitOf {
		for remote, want := range map[bool]int{false: want, true: galera.ExitPipe} {
			err := fmt.Errorf("layer: %w", &proto.Error{Code: code, Remote: remote, Err: errors.New("cause")})
			if got := galera.ExitCode(codeOf(err)); got != want {
				t.Errorf("%v, remote %v, ends with %d, want %d", code, remote, got, want)
			}
		}
	}
	for err, want := range map[error]int{
		syscall.ENOSPC: galera.ExitNoSpace, syscall.EDQUOT: galera.ExitNoSpace, syscall.EADDRINUSE: galera.ExitBusy,
		&galera.ExitError{Code: galera.ExitAlready, Err: errors.New("x")}: galera.ExitAlready, errors.New("x"): galera.ExitUnknown,
	} {
		if got := galera.ExitCode(codeOf(err)); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
}
