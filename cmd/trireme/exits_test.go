package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
)

// TestExitCodesAreTold: README.md, help and manual pages have the exit codes of every command, from its own table.
func TestExitCodesAreTold(t *testing.T) {
	tree := func(out io.Writer) *cobra.Command {
		return cli.Root(cli.Config{Program: "trireme test", Commands: faces(), Out: out, Err: io.Discard})
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	table := func(head string) string {
		_, rest, ok := strings.Cut(string(text), "\n"+head+"\n")
		if !ok {
			t.Fatalf("README.md has no table %q", head)
		}
		_, rest, _ = strings.Cut(rest, "\n") // the line below the head
		rows, _, _ := strings.Cut(rest+"\n\n", "\n\n")
		return rows
	}
	rows := func(first string, exits []cli.Exit) (all string) {
		for _, e := range exits {
			all += fmt.Sprintf("| %s%s | %s |\n", first, e.Code, e.Meaning)
		}
		return all
	}
	dir := t.TempDir()
	if code := cli.Run(t.Context(), tree(io.Discard), []string{"man", dir}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	root := tree(io.Discard)
	hand, others := table("| exit code | meaning |")+"\n", ""
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" {
			continue
		}
		exits := cli.Exits(cmd)
		switch name := cmd.Name(); name {
		case "clone", "receive", "send":
			if want := rows("", exits); hand != want {
				t.Errorf("README.md has of %s\n%s\nwant\n%s", name, hand, want)
			}
		case "completion", "version": // those of every command
		default:
			others += rows("`"+name+"` | ", exits)
		}
		var help bytes.Buffer
		if code := cli.Run(t.Context(), tree(&help), []string{"help", cmd.Name()}); code != 0 {
			t.Fatalf("help %s: exit code %d", cmd.Name(), code)
		}
		page, err := os.ReadFile(filepath.Join(dir, "trireme-"+cmd.Name()+".1"))
		if err != nil {
			t.Fatal(err)
		}
		man := strings.ReplaceAll(string(page), `\-`, "-")
		if n := strings.Count(man, ".SH EXIT STATUS\n"); n != 1 {
			t.Errorf("%d sections EXIT STATUS in the page of %s", n, cmd.Name())
		}
		for _, e := range exits {
			if !strings.Contains(help.String(), "  "+e.Code+" ") || !strings.Contains(help.String(), " "+e.Plain()+"\n") {
				t.Errorf("help %s lacks %v:\n%s", cmd.Name(), e, help.String())
			}
			if !strings.Contains(man, "\n.TP\n\\fB"+e.Code+"\\fP\n"+e.Plain()+"\n") {
				t.Errorf("the manual page of %s lacks %v:\n%s", cmd.Name(), e, page)
			}
		}
	}
	others += rows("others | ", cli.Exits(root))
	if got := table("| command | exit code | meaning |") + "\n"; got != others {
		t.Errorf("README.md has\n%s\nwant\n%s", got, others)
	}
}
