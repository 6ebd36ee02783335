package serveremul

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// maxReady is the house limit of the first line; the server's own is its buffer.
const maxReady = 255

// Joiner is an emulated server that wants a snapshot.
type Joiner struct {
	g     *program
	ready chan string // one address, or closed
	once  sync.Once
	addr  string
}

// StartJoiner starts cmd, or wsrep_sst_METHOD from PATH when cmd is empty, as the program of a joiner. The test's
// cleanup ends it.
func StartJoiner(t testing.TB, p Profile, cmd []string, o Options) *Joiner {
	t.Helper()
	o = o.withDefaults()
	s := start{command: command(o, cmd, p.joinerLine(o)), env: p.authEnv(o)}
	if p.JoinerStdin {
		s.stdin = []string{}
	}
	j := &Joiner{ready: make(chan string, 1)}
	j.g = launch(t, p, o, s, j.serve, j.judge)
	return j
}

// authEnv is the credentials part of the environment. Old builds format a null pointer.
func (p Profile) authEnv(o Options) []string {
	if !p.EnvAuth {
		return nil
	}
	auth := o.Auth
	if auth == "" && p.Name == "M10.3" {
		auth = "(null)"
	}
	return []string{"WSREP_SST_OPT_AUTH=" + auth}
}

// Ready blocks until the program has told its address, and returns that; "" when it ended without one.
func (j *Joiner) Ready() string {
	j.once.Do(func() { j.addr = <-j.ready })
	return j.addr
}

// Wait blocks until the program has ended, and reports violations to the test.
func (j *Joiner) Wait() Result {
	j.g.t.Helper()
	return j.g.wait()
}

// Signal sends sig to the program.
func (j *Joiner) Signal(sig syscall.Signal) { j.g.signal(sig) }

// KillServer kills the server, not the program. It needs Options.Mortal.
func (j *Joiner) KillServer() { j.g.killServer() }

// Cancel is the server's own way to end the program; only PXC has one.
func (j *Joiner) Cancel() { j.g.cancel() }

// serve is the joiner's read loop (sst-contract 7.1).
func (j *Joiner) serve(g *program) error {
	defer close(j.ready)
	text, ok := g.next()
	if !ok {
		return errors.New("no ready line")
	}
	if len(text) < 7 || !hasPrefix(text, "ready") {
		g.violate("first line %q is not ready", text)
		return errors.New("no ready line")
	}
	if !strings.HasPrefix(text, "ready ") || len(text) >= maxReady {
		g.violate("ready line of %d bytes: %q", len(text), text)
	}
	g.mu.Lock()
	g.res.Ready = text[6:]
	g.mu.Unlock()
	j.ready <- text[6:]
	for {
		text, ok := g.next()
		if !ok {
			return errors.New("no final line")
		}
		if g.progress(text) {
			continue
		}
		g.mu.Lock()
		g.res.Line = text
		g.mu.Unlock()
		if err := checkPosition(text); err != nil {
			g.violate("final line %q is not a position", text)
			return err
		}
		return nil
	}
}

// judge applies the family's rule about the exit code. It is strict about a bad code after a good line, which most
// servers never look at.
func (j *Joiner) judge(g *program, served error) error {
	g.mu.Lock()
	code, line := g.res.ExitCode, g.res.Line
	g.mu.Unlock()
	if served == nil {
		if code != 0 && g.p.ExitChecked {
			return exitError(code)
		}
		return nil
	}
	if err := exitError(code); err != nil {
		return fmt.Errorf("%w, %w", served, err)
	}
	if line == "" {
		g.violate("exit code 0 without a final line")
	}
	return served
}
