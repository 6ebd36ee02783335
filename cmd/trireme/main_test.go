//go:build !integration

package main

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript" // transcripts of the command line
	"go.uber.org/goleak"
)

// TestMain is also the program itself, for transcripts. It runs more tests at a time than there are processors: most of their time
// passes in the waits that servers impose.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	testscript.Main(leakless{m}, map[string]func(){"trireme": main})
}

// leakless fails tests that leave goroutines behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
