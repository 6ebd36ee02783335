package manual

import (
	"fmt"
	"os"

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
			root := cmd.Root()
			root.DisableAutoGenTag = true // a date of its own in every build
			header := &doc.GenManHeader{Section: "1", Source: program, Manual: "Trireme"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}
