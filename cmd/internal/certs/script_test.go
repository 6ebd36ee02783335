package certs

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript" // transcripts: what is typed and what is answered, as people read it

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trireme": func() {
		os.Exit(execute(context.Background(), os.Stdout, os.Stderr, os.Args[1:]))
	}})
}

// execute is the program with this face alone.
func execute(ctx context.Context, out, errs io.Writer, words []string) int {
	return cli.Run(ctx, cli.Root(cli.Config{Program: "trireme test", Commands: []*cobra.Command{Command()}, Out: out, Err: errs}), words)
}

// TestScripts plays the transcripts: the recipes of the descriptions that this program replaces, and every mistake.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each line otherwise; there are no goroutines to wait for
		return nil
	}})
}

// TestExitCodes: 0, 1 for a refusal, 2 for what was mistyped.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		line string
		code int
	}{
		{"certs init", cli.ExitOK},
		{"certs init", cli.ExitError},
		{"certs issue n1 --pem n1.pem", cli.ExitOK},
		{"certs verify n1.pem", cli.ExitOK},
		{"certs verify --name n2 n1.pem", cli.ExitError},
		{"certs bundle n1.pem", cli.ExitError},
		{"certs", cli.ExitUsage},
		{"certs issue", cli.ExitUsage},
		{"certs issue n1 --cert n1.crt", cli.ExitUsage},
		{"certs renew n1.pem --rsa 4096", cli.ExitUsage},
		{"certs init --days -1", cli.ExitUsage},
		{"certs init --rsa 1024 --force", cli.ExitUsage},
		{"certs init --owner nobody:no-such-group --force", cli.ExitUsage},
		{"certs verify --nonsense n1.pem", cli.ExitUsage},
	} {
		words := strings.Fields(c.line)
		if len(words) > 1 {
			words = append(words, "--dir", dir)
		}
		var said bytes.Buffer
		if code := execute(t.Context(), &said, &said, words); code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", c.line, code, c.code, &said)
		}
	}
}

// TestReadmeLines holds the lines of the README against the commands: words, flags and numbers of arguments.
func TestReadmeLines(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("trireme certs ([^`\n;]+)").FindAllStringSubmatch(string(text), -1)
	if len(lines) < 12 {
		t.Fatalf("found %d lines only", len(lines))
	}
	for _, l := range lines {
		cmd, rest, err := Command().Find(strings.Fields(l[1]))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s: %v", l[0], err)
		}
	}
}
