package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

type coded struct{}

func (coded) Error() string { return "no room" }
func (coded) ExitCode() int { return 7 }

// TestRun calls a tree as people do.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		words     string
		code      int
		out, errs string // a part of each; empty: nothing is printed
	}{
		{"version", ExitOK, "trireme 1", ""},
		{"--version", ExitOK, "trireme 1", ""},
		{"-V", ExitOK, "trireme 1", ""},
		{"help", ExitOK, "Available Commands", ""},
		{"--help", ExitOK, "Available Commands", ""},
		{"", ExitUsage, "", "a command is missing"},
		{"version x", ExitUsage, "", "usage: trireme version"},
		{"--version x", ExitUsage, "", "unknown command \"x\""},
		{"versoin", ExitUsage, "", "did you mean \"version\"?"},
		{"row --nonsense", ExitUsage, "", "unknown flag"},
		{"row", ExitUsage, "", "usage: trireme row BOAT"},
		{"row a", ExitError, "", "trireme row: sank\n"},
		{"row b", 7, "", "no room"},
		{"row c", ExitOK, "c", ""},
		{"row", ExitUsage, "", "expected BOAT, and 1 of these words are missing"},
		{"row a b", ExitUsage, "", "expected BOAT, and \"b\" is a word too many"},
		{"row --oars x c", ExitUsage, "", "flag --oars \"x\": expected a whole number"},
		{"row --for 5 c", ExitUsage, "", "flag --for \"5\": expected a time such as 90s, 30m or 2h"},
	} {
		row := &cobra.Command{Use: "row BOAT", Args: Words(1, 1), RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "a":
				return errors.New("sank")
			case "b":
				return coded{}
			}
			cmd.OutOrStdout().Write([]byte(args[0]))
			return nil
		}}
		row.Flags().Int("oars", 0, "")
		row.Flags().Duration("for", 0, "")
		var out, errs bytes.Buffer
		root := Root(Config{Program: "trireme 1", Commands: []*cobra.Command{row}, Out: &out, Err: &errs})
		code := Run(context.Background(), root, strings.Fields(c.words))
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.words, code, c.code)
		}
		for _, s := range []struct{ got, want string }{{out.String(), c.out}, {errs.String(), c.errs}} {
			if !strings.Contains(s.got, s.want) || s.want == "" && s.got != "" {
				t.Errorf("%q: said %q, want %q", c.words, s.got, s.want)
			}
		}
	}
}
