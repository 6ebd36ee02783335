package certs

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript" // transcripts: what is typed and what is answered, as people read it

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trireme": func() {
		root := cli.Root(cli.Config{Program: "trireme test", Commands: []*cobra.Command{Command()}, Out: os.Stdout, Err: os.Stderr})
		os.Exit(cli.Run(context.Background(), root, os.Args[1:]))
	}})
}

// TestScripts plays the transcripts: the recipes of the descriptions that this program replaces, and every mistake.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each line otherwise; there are no goroutines to wait for
		return nil
	}})
}
