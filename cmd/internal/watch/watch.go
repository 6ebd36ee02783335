package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra" // the tree of commands

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/show"
	"trireme/cmd/internal/status"
	"trireme/engine/tree"
)

// Exit codes beside those of every command.
const (
	exitFailed      = 3   // the transfer failed
	exitInterrupted = 130 // stopped by a signal; the transfer goes on
)

// lookEvery is the time between two looks at the file, which is written once a second.
const lookEvery = 250 * time.Millisecond

const long = `Watch the transfer that runs on the directory DIR of this host, a state transfer of
a cluster or one by hand, until it ends. DIR may also be the file that --status-file
or the option status-file names.`

var exits = []cli.Exit{
	{Code: "0", Meaning: "the transfer went well, or `--once` has shown one that runs"},
	{Code: "1", Meaning: "there is nothing to watch"},
	{Code: "2", Meaning: "the command line could not be understood"},
	{Code: "3", Meaning: "the transfer failed"},
	{Code: "130", Meaning: "stopped itself; the transfer goes on"},
}

// failure is a watched transfer that failed.
type failure struct{ text string }

func (e *failure) Error() string { return e.text }
func (e *failure) ExitCode() int { return exitFailed }

type interrupted struct{}

func (interrupted) Error() string { return "stopped watching; the transfer goes on" }
func (interrupted) ExitCode() int { return exitInterrupted }

// Command is "trireme watch".
func Command() *cobra.Command {
	var progress string
	var events, once bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "watch DIR", Short: "watch a transfer that runs on this host", Long: long, Args: cli.Words(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := show.Config{Progress: progress, Err: cmd.ErrOrStderr()}
			switch progress {
			case show.Auto, show.Bar, show.Log:
			default:
				return cli.Usage(fmt.Errorf("flag --progress %q: expected auto, bar or log", progress))
			}
			if events {
				c.JSON = cmd.OutOrStdout()
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return follow(ctx, args[0], show.New(c), once, wait)
		},
	}
	cli.SetExits(cmd, exits)
	f := cmd.Flags()
	f.StringVar(&progress, "progress", show.Auto, "auto, bar or log")
	f.BoolVar(&events, "json", false, "print events as JSON on standard output, one on a line")
	f.BoolVar(&once, "once", false, "show the present state and do not wait for the end")
	f.DurationVar(&wait, "wait", 0, "how long to wait for a transfer to begin")
	return cmd
}

// follow shows the file until the transfer in it has ended.
func follow(ctx context.Context, path string, d show.Display, once bool, wait time.Duration) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, tree.StatusName)
	}
	begun := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s, err := status.Read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && time.Since(begun) < wait:
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("no transfer is to be seen: there is no %s; name the directory it works in, or its status file", path)
		case err != nil:
			return err
		case s.Finished() && s.Updated.Before(begun) && time.Since(begun) < wait:
			// That was the one before.
		case s.Finished():
			d.Close(s)
			return verdict(&s)
		case gone(s.PID):
			s.Result, s.Error = status.Failed, fmt.Sprintf("process %d, which made the transfer, is gone without a word", s.PID)
			d.Close(s)
			return verdict(&s)
		case once:
			d.Close(s)
			return nil
		default:
			d.Update(s)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return interrupted{}
		}
	}
}

func verdict(s *status.Status) error {
	if s.Result == status.Failed {
		return &failure{fmt.Sprintf("the transfer (%s) failed after %.1f s: %s", s.Role, s.Seconds, s.Error)}
	}
	return nil
}

// gone reports whether a process has ended. One of another user may not be signalled, and lives.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
