package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit is one row of a command's exit codes. Its text is Markdown, of which only the quotes of words are used; everything that speaks
// of exit codes (help, manual pages, README.md) has them from here.
type Exit struct {
	Code    string // a number, or several with commas
	Meaning string
}

// always are the codes of commands that say nothing else.
var always = []Exit{
	{"0", "done"},
	{"1", "it could not be done; the last line says why"},
	{"2", "the command line could not be understood; nothing was done"},
}

// exitsKey is where a command keeps its table.
const exitsKey = "exits"

// SetExits gives cmd, and the commands below it, their exit codes.
func SetExits(cmd *cobra.Command, rows []Exit) {
	b, err := json.Marshal(rows)
	if err != nil {
		panic("cli: internal error: " + err.Error())
	}
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[exitsKey] = string(b)
}

// Exits are the exit codes of cmd: its own, or those of the nearest command above it that has some.
func Exits(cmd *cobra.Command) (rows []Exit) {
	for c := cmd; c != nil; c = c.Parent() {
		if text, ok := c.Annotations[exitsKey]; ok {
			if err := json.Unmarshal([]byte(text), &rows); err != nil {
				panic("cli: internal error: " + err.Error())
			}
			return rows
		}
	}
	return always
}

// writeExits is what help has of them.
func writeExits(w io.Writer, cmd *cobra.Command) {
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for _, e := range Exits(cmd) {
		fmt.Fprintf(&b, "  %-13s %s\n", e.Code, e.Plain())
	}
	_, _ = io.WriteString(w, b.String()) // as the help before it
}

// Plain is the meaning without Markdown.
func (e Exit) Plain() string { return strings.ReplaceAll(e.Meaning, "`", "") }
