//go:build integration

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// screen is a terminal as a person sees it: a tmux server of our own with one window for each program.
type screen struct {
	*testing.T
	ctx    context.Context
	socket string
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed (make deps installs it)")
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, fmt.Errorf("the terminal took longer than a minute"))
	t.Cleanup(cancel)
	s := &screen{t, ctx, filepath.Join(t.TempDir(), "tmux")}
	s.tmux("new-session", "-d", "-s", "t", "-n", "idle", "-x", "300", "-y", "24", "exec cat")
	t.Cleanup(func() {
		if out, err := exec.Command("tmux", "-S", s.socket, "kill-server").CombinedOutput(); err != nil {
			t.Errorf("end tmux: %v: %s", err, out)
		}
	})
	return s
}

func (s *screen) tmux(words ...string) string {
	s.Helper()
	out, err := exec.CommandContext(s.ctx, "tmux", append([]string{"-S", s.socket, "-f", "/dev/null"}, words...)...).CombinedOutput()
	if err != nil {
		s.Fatalf("tmux %s: %v: %s", words[0], err, out)
	}
	return string(out)
}

// run starts the program under test in a window. When it has ended its exit code stands below what it said.
func (s *screen) run(window string, words ...string) {
	s.Helper()
	// cat keeps the window.
	script := `"$0" "$@"; echo "exit code $?"; exec cat`
	s.tmux(append([]string{"new-window", "-d", "-t", "t", "-n", window, "sh", "-c", script, binary}, words...)...)
}

// shows waits until a window matches, and returns the lines it shows.
func (s *screen) shows(window, what string) []string {
	s.Helper()
	want := regexp.MustCompile(`(?m)` + what)
	for {
		text := s.tmux("capture-pane", "-p", "-t", "t:"+window)
		if want.MatchString(text) {
			return strings.Split(strings.TrimRight(text, "\n"), "\n")
		}
		if strings.Contains(text, "exit code") {
			s.Fatalf("window %s never showed %s:\n%s", window, what, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const (
	number  = `[0-9.]+ [KMG]?i?B`
	rates   = number + `/s \(mean ` + number + `/s\)`
	figures = `sent ` + number + `, saved ` + number + `, [0-9]+ streams(, retransmitted ` + number + `)?$`
	// moving is a bar that is on its way, done one that stays.
	moving = `^copying +[0-9]+% of 63 MiB +\[=*>-*\] +` + rates + `, ETA [0-9.]+m?s, ` + figures
	done   = `^(copying|verifying) +100% of ` + number + ` +\[=+\] +` + rates + `, ` + figures
	// other is a phase without a measure; verifying has none before it is known how much there is to compare.
	other = `^(connecting|waiting|scanning|preparing|committing|done|making durable) |^verifying +\[-+\] +[0-9.]+m?s so far$`
	end1  = `^complete: [0-9]+ files and directories, 63 MiB; sent ` + number + `, saved ` + number + `, holes ` + number + `, wire ` + number + `(, retransmitted ` + number + `)?, [0-9.]+s$`
)

// clean checks what a program has left on its terminal: each line is one that is expected, and there is one summary, at the end.
func (s *screen) clean(window string, before ...string) {
	s.Helper()
	lines := s.shows(window, `^exit code [0-9]+$`)
	known := regexp.MustCompile(strings.Join(append(before, done, other, end1), "|"))
	for _, l := range lines[:len(lines)-1] {
		if !known.MatchString(l) {
			s.Errorf("window %s has the line %q:\n%s", window, l, strings.Join(lines, "\n"))
		}
	}
	if n := len(lines); n < 3 || lines[n-1] != "exit code 0" || !regexp.MustCompile(end1).MatchString(lines[n-2]) {
		s.Errorf("window %s does not end with a summary:\n%s", window, strings.Join(lines, "\n"))
	}
	if !regexp.MustCompile(`(?m)` + done).MatchString(strings.Join(lines, "\n")) {
		s.Errorf("window %s has no finished bar:\n%s", window, strings.Join(lines, "\n"))
	}
}

// TestTerminal looks at the terminals of clone, watch, send and receive while they work and when they have ended.
func TestTerminal(t *testing.T) {
	elsewhere.take(t)
	s := newScreen(t)
	dir := t.TempDir()
	src, dst, far := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), filepath.Join(dir, "far")
	stopped(t, src, 63)
	s.run("clone", "clone", "--rate-limit", "24m", src, dst)
	s.shows("clone", moving)
	s.run("watch", "watch", dst)
	s.shows("watch", moving)
	s.clean("clone", `^source `, `^target `)
	s.clean("watch")
	sameFiles(t, src, dst)

	s.run("receive", "receive", "--listen", "127.0.0.1:0", far)
	line := s.shows("receive", `^ *trireme send DIR .*`)
	at := regexp.MustCompile(`127\.0\.0\.1:[0-9]+/[^ ]+`).FindString(strings.Join(line, ""))
	s.run("send", "send", "--rate-limit", "40m", src, at)
	s.shows("receive", moving)
	s.shows("send", moving)
	s.clean("send", `^source `, `^connecting to `)
	s.clean("receive", `.*`)
	sameFiles(t, src, far)
}
