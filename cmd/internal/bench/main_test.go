package bench

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/clone"

	"github.com/spf13/cobra"
)

// TestMain lets the test binary be the program that races: the words of a command line make it one.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_PROGRAM") != "" {
		root := cli.Root(cli.Config{Program: "trireme test", Commands: []*cobra.Command{clone.Receive("trireme test"), clone.Send("trireme test"), Command("trireme test")}, Out: os.Stdout, Err: os.Stderr})
		os.Exit(cli.Run(context.Background(), root, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}
