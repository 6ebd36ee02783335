package check

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// style is how a report for people looks.
type style struct {
	colour bool
	brief  bool // leave out what nobody has set
}

// colourful reports whether w is a terminal whose owner does not mind colours (no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

var colours = map[string]string{levelOK: "32", levelInfo: "36", levelWarn: "33", levelBad: "31;1"}

func (s style) paint(level, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + colours[level] + "m" + text + "\x1b[0m"
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) writeText(w io.Writer, s style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "method %s, option files: %s\n", r.Method, orNone(strings.Join(r.OptionFiles, ", ")))
	if r.ServerUser != "" {
		fmt.Fprintf(&b, "server runs as %s\n", r.ServerUser)
	}
	r.settings(&b, s)
	for _, side := range r.Sides {
		side.text(&b)
	}
	b.WriteString("\nfindings\n")
	for _, f := range r.Findings {
		area := f.Area
		if len(f.Roles) == 1 {
			area += ", " + f.Roles[0]
		}
		fmt.Fprintf(&b, "  %s  %s: %s\n", s.paint(f.Level, fmt.Sprintf("%-4s", f.Level)), area, f.Text)
		if f.Do != "" {
			fmt.Fprintf(&b, "        -> %s\n", f.Do)
		}
	}
	warnings := 0
	for _, f := range r.Findings {
		if f.Level == levelWarn {
			warnings++
		}
	}
	level := levelOK
	switch {
	case r.bad() > 0:
		level = levelBad
	case warnings > 0:
		level = levelWarn
	}
	fmt.Fprintf(&b, "\n%s\n", s.paint(level, fmt.Sprintf("%d bad, %d to look at", r.bad(), warnings)))
	_, err := io.WriteString(w, b.String())
	return err
}

// settings prints one table for both roles; where they differ the role is named.
func (r *report) settings(b *strings.Builder, s style) {
	type row struct{ name, value, origin string }
	var rows []row
	other := func(i int, want setting) (same bool) {
		for j := range r.Sides {
			if j != i && !slices.Contains(r.Sides[j].Settings, want) {
				return false
			}
		}
		return true
	}
	for i, side := range r.Sides {
		for _, v := range side.Settings {
			same := other(i, v)
			if same && i > 0 || s.brief && v.Origin == "default" {
				continue
			}
			name := v.Name
			if !same {
				name += " (" + side.Role + ")"
			}
			rows = append(rows, row{name, orNone(v.Value), v.Origin})
		}
	}
	if len(rows) == 0 {
		return
	}
	// A long path may stick out; it must not push all others to the right.
	const widest = 32
	name, value := 0, 0
	for _, r := range rows {
		name = max(name, min(utf8.RuneCountInString(r.name), widest))
		value = max(value, min(utf8.RuneCountInString(r.value), widest))
	}
	b.WriteString("\nsettings\n")
	for _, r := range rows {
		fmt.Fprintf(b, "  %-*s  %-*s  %s\n", name, r.name, value, r.value, r.origin)
	}
}

func (s side) text(b *strings.Builder) {
	fmt.Fprintf(b, "\nas %s\n", s.Role)
	if s.Channel == "" {
		b.WriteString("  there would be no transfer, see below\n")
		return
	}
	fmt.Fprintf(b, "  channel      %s\n", s.Channel)
	c := s.Certificate
	if c == nil {
		return
	}
	fmt.Fprintf(b, "  certificate  %s\n", c.From)
	fmt.Fprintf(b, "    subject    %s\n    issuer     %s\n    valid      %s to %s\n    names      %s\n    key        %s\n", c.Subject, c.Issuer, c.NotBefore, c.NotAfter, orNone(strings.Join(c.Names, ", ")), c.Key)
	if len(c.Anchors) > 0 {
		fmt.Fprintf(b, "  other end    must match %s\n", c.AnchorsFrom)
		for _, a := range c.Anchors {
			fmt.Fprintf(b, "    %s\n", a)
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
