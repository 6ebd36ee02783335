package bench

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/bench/ceiling"
	"trireme/cmd/internal/cli"
)

// Kinds of ceilings, as people name them.
const (
	kindFiles  = "files"
	kindRange  = "copy_file_range"
	kindPlain  = "pipe-plain"
	kindTLS    = "pipe-tls"
	kindDigest = "digest"
)

// ceilings by name. Each is run in a process of its own, as the contestants are.
var ceilings = map[string]func(ctx context.Context, source, target string, workers int) error{
	kindFiles: ceiling.Files, kindRange: ceiling.Range, kindDigest: ceiling.Digest,
	kindPlain: func(ctx context.Context, s, t string, n int) error { return ceiling.Pipe(ctx, s, t, n, false) },
	kindTLS:   func(ctx context.Context, s, t string, n int) error { return ceiling.Pipe(ctx, s, t, n, true) },
}

const ceilingLong = `Copy SRC to DST as barely as can be, to see what this machine allows: nothing is checked
and nothing made durable. KIND is files (read and write), copy_file_range, pipe-plain or
pipe-tls (both ends over the loopback device in this process), or digest, which copies
nothing and hashes SRC and DST at once.`

func ceilingCommand() *cobra.Command {
	var workers int
	cmd := &cobra.Command{
		Use: "ceiling KIND SRC DST", Short: "what this machine allows at most", Long: ceilingLong, Args: cli.Words(3, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, ok := ceilings[args[0]]
			if !ok {
				return cli.Usage(fmt.Errorf("no ceiling %q", args[0]))
			}
			if workers < 1 {
				return cli.Usage(fmt.Errorf("flag --workers %d: expected 1 or more", workers))
			}
			return f(cmd.Context(), args[1], args[2], workers)
		},
	}
	cmd.Flags().IntVar(&workers, "workers", defaultConns, "connections, or goroutines")
	return cmd
}
