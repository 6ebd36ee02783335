package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra" // one tree for parsing, help, shell completion and man pages
	"github.com/spf13/pflag" // cobra's flags: which one was given what, for an error in our own words
)

// Exit codes of the hand-driven faces, stable across versions.
const (
	ExitOK    = 0
	ExitError = 1 // the command failed; the last line on standard error has the cause
	ExitUsage = 2 // the command line could not be understood; nothing was done
)

// Coder is an error that knows the exit code its command should end with. Faces use
// it for the codes of their own tables.
type Coder interface {
	error
	ExitCode() int
}

// usageError marks what a person mistyped.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) ExitCode() int { return ExitUsage }

// Usage turns err into an error of the command line: it ends with ExitUsage and shows
// how the command is called. Faces use it for values that no flag type can check.
func Usage(err error) error { return &usageError{err} }

// Config is what the tree needs to know about the program it belongs to.
type Config struct {
	Program  string           // name and version, one line
	Commands []*cobra.Command // the faces
	Out, Err io.Writer        // standard output and standard error
}

const long = `trireme copies a MariaDB or MySQL datadir between hosts.

As the state snapshot transfer of a Galera cluster it is called by the server:
install it as wsrep_sst_trireme and set wsrep_sst_method=trireme.`

// Root builds the tree. It is not safe to run one tree twice.
func Root(c Config) *cobra.Command {
	var version bool
	print := func(cmd *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), c.Program)
		return err
	}
	root := &cobra.Command{
		Use: "trireme", Short: "copy a MariaDB or MySQL datadir between hosts", Long: long,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		// Without a word there is nothing to do, and a script that forgot one must notice.
		Args: func(cmd *cobra.Command, words []string) error {
			switch {
			case len(words) > 0:
				return fmt.Errorf("unknown command %q%s", words[0], suggestion(cmd, words[0]))
			case !version:
				return errors.New("a command is missing")
			}
			return nil
		},
		RunE: print, // reached with --version only
	}
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, words []string) {
		help(cmd, words)
		writeExits(cmd.OutOrStdout(), cmd)
	})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage(inWords(err)) })
	root.Flags().BoolVarP(&version, "version", "V", false, "print the version")
	root.AddCommand(&cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: print,
	})
	root.AddCommand(c.Commands...)
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	strict(root)
	markUsage(root)
	return root
}

// strict makes errors of two commands of the library's out of words that they would answer with a help text and success.
func strict(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Args = func(cmd *cobra.Command, words []string) error {
				var shells []string
				for _, sub := range cmd.Commands() {
					shells = append(shells, sub.Name())
				}
				known := "there are " + strings.Join(shells, ", ")
				if len(words) == 0 {
					return errors.New("a shell is missing; " + known)
				}
				return fmt.Errorf("unknown shell %q; %s", words[0], known)
			}
			cmd.Run = func(*cobra.Command, []string) {} // never reached, but without one the words are not looked at
		case "help":
			cmd.Args = func(cmd *cobra.Command, words []string) error {
				if of, rest, err := root.Find(words); err != nil || len(rest) > 0 && of == root {
					return fmt.Errorf("unknown command %q%s", words[0], suggestion(root, words[0]))
				}
				return nil
			}
		}
	}
}

// inWords says what a flag expects where the library would pass on the text of a parser.
func inWords(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	expected := map[string]string{"duration": "a time such as 90s, 30m or 2h", "int": "a whole number", "bool": "true or false"}[invalid.GetFlag().Value.Type()]
	if expected == "" {
		return err
	}
	return fmt.Errorf("flag --%s %q: expected %s", invalid.GetFlag().Name, invalid.GetValue(), expected)
}

// Words expects from least to most arguments; most below least is no limit. The error names them as the line of usage does.
func Words(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, words []string) error {
		_, names, _ := strings.Cut(cmd.Use, " ")
		switch n := len(words); {
		case n < least:
			return fmt.Errorf("expected %s, and %d of these words are missing", names, least-n)
		case most >= least && n > most:
			return fmt.Errorf("expected %s, and %q is a word too many", names, words[most])
		}
		return nil
	}
}

// markUsage makes a wrong number of arguments an error of the command line, like a wrong flag.
func markUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return Usage(err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

func suggestion(cmd *cobra.Command, word string) string {
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %q?)", near[0])
	}
	return ""
}

// Run runs the command that words name and returns the exit code. The first
// error is reported on the tree's standard error.
func Run(ctx context.Context, root *cobra.Command, words []string) int {
	if words == nil {
		words = []string{} // nil would mean the process's own arguments
	}
	root.SetArgs(words)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(root.ErrOrStderr(), "%s: %v\n", cmd.CommandPath(), err)
	code := ExitError
	var known Coder
	if errors.As(err, &known) {
		code = known.ExitCode()
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(root.ErrOrStderr(), "usage: %s\n\"%s --help\" tells more\n", cmd.UseLine(), cmd.CommandPath())
	}
	return code
}
