package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"trireme/cmd/internal/cli"
	"trireme/proto"
)

// TestExitCodes: every cause has the code of the table in README.md, and that table has every code.
func TestExitCodes(t *testing.T) {
	for code, want := range map[proto.Code]int{
		proto.CodeInternal: cli.ExitError, proto.CodeProtocol: cli.ExitError, proto.CodeMismatch: exitRefused, proto.CodeRefused: exitRefused,
		proto.CodeSpace: exitSpace, proto.CodeIO: exitIO, proto.CodeCancelled: exitOther, proto.CodeTimeout: exitTimeout, proto.CodeLock: cli.ExitError,
		proto.CodeUnstable: exitSource, proto.CodeServer: cli.ExitError, proto.CodeNetwork: exitNetwork,
	} {
		for _, remote := range []bool{false, true} {
			err := fmt.Errorf("layer: %w", &proto.Error{Code: code, Remote: remote, Err: errors.New("cause")})
			if remote {
				want = exitOther
			}
			if got := exitCode(inOurWords(withCode(err))); got != want {
				t.Errorf("%v, remote %v, ends with %d, want %d", code, remote, got, want)
			}
		}
	}
	for err, want := range map[error]int{
		syscall.ENOSPC: exitSpace, syscall.EDQUOT: exitSpace, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}: exitIO,
		cli.Usage(errors.New("x")): cli.ExitUsage, nil: cli.ExitOK, errors.New("x"): cli.ExitError,
	} {
		if got := exitCode(inOurWords(withCode(err))); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| exit code | meaning |")
	table, _, _ = strings.Cut(table, "\n\n")
	said := map[int]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9, ]+) \|`).FindAllStringSubmatch(table, -1) {
		for n := range strings.SplitSeq(row[1], ",") {
			code, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				t.Fatal(err)
			}
			said[code] = true
		}
	}
	for _, code := range []int{
		cli.ExitOK, cli.ExitError, cli.ExitUsage, exitSource, exitTarget, exitSpace, exitNetwork, exitRefused, exitIO, exitTimeout, exitOther, exitInterrupt, exitTerminate, exitHangup,
	} {
		if !said[code] {
			t.Errorf("README.md does not say what exit code %d means", code)
		}
		delete(said, code)
	}
	if len(said) > 0 {
		t.Errorf("README.md speaks of %v", said)
	}
}
