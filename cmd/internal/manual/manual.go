package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc" // manual pages from the tree of commands

	"trireme/cmd/internal/cli"
)

// Command is "trireme man", which help does not list.
func Command(program string) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write the manual pages into a directory", Args: cli.Words(1, 1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the directory for manual pages: %w", err)
			}
			if err := pages(cmd.Root(), program, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}

// pages writes those of cmd and of all commands below it.
func pages(cmd *cobra.Command, program, dir string) error {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := pages(c, program, dir); err != nil {
			return err
		}
	}
	cmd.DisableAutoGenTag = true // a date of its own in every build
	var b bytes.Buffer
	if err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Source: program, Manual: "Trireme"}, &b); err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	return os.WriteFile(filepath.Join(dir, name), withExits(b.Bytes(), cli.Exits(cmd)), 0o644)
}

// withExits puts the section EXIT STATUS into a page, where man-pages(7) has it: before SEE ALSO.
func withExits(page []byte, rows []cli.Exit) []byte {
	var b bytes.Buffer
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range rows {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", e.Code, strings.ReplaceAll(e.Plain(), "-", `\-`))
	}
	at := bytes.Index(page, []byte(".SH SEE ALSO"))
	if at < 0 {
		at = len(page)
	}
	return slices.Concat(page[:at], b.Bytes(), page[at:])
}
