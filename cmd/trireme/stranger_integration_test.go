//go:build integration

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/wire/identity/ca"
)

// TestStrangers has others on the joiner's port before the donor comes and while it works: each kind is refused, logged once for
// all its connections, and the transfer goes on (design 4).
func TestStrangers(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	r.boot()
	p := newPapers(r)
	p.issue(p.ca, "node1", []string{r.one.Host()}, ca.Options{})
	p.issue(p.ca, "node2", []string{r.two.Host()}, ca.Options{})
	// A stranger with a good certificate is still one: it does not know the state request.
	p.issue(p.ca, "node3", []string{r.two.Host()}, ca.Options{})
	for n, base := range map[*cluster.Node]string{r.one: "node1", r.two: "node2"} {
		r.apply(n, options{"tca": p.path("ca.pem"), "tcert": p.path(base + ".pem")})
	}
	for _, moment := range []struct{ name, line string }{{"before the donor", "ready"}, {"beside the donor", "flush tables"}} {
		t.Run(moment.name, func(t *testing.T) {
			r := r.in(t)
			path := r.hold(moment.line)
			r.must(r.two.Stop(r.ctx))
			r.must(r.two.ForceFullSST())
			mark := len(r.one.ErrorLog())
			r.start()
			held(r.T, r.ctx, r.two, path)
			p.besiege(r, net.JoinHostPort(r.two.Host(), "4444"))
			r.must(cluster.Release(path))
			r.must(r.two.WaitSynced(r.ctx))
			r.idle(r.one)
			if bad := level(scriptLines(r.one.ErrorLog()[mark:]), "ERROR"); len(bad) > 0 {
				t.Errorf("the donor complains: %q", bad)
			}
			r.onceEach(level(r.two.ScriptLog(), "WARNING"))
			r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
		})
	}
}

// hold lets the programs of both nodes stop before they say a line, until the returned file is released.
func (r *pair) hold(line string) string {
	r.Helper()
	path := filepath.Join(r.shared("holds"), "hold")
	program := filepath.Join(r.shared("program"), "trireme")
	data, err := os.ReadFile(binary)
	r.must(err)
	r.must(os.WriteFile(program, data, 0o755))
	r.must(cluster.WrapMethod(r.c.BinDir(), program, cluster.Hook{Method: "trireme", Line: line, Hold: path}))
	r.must(cluster.HoldBack(path))
	return path
}

// besiege plays everybody who may turn up on an open port.
func (p *papers) besiege(r *pair, addr string) {
	r.Helper()
	garbage := make([]byte, 4096)
	rand.Read(garbage)
	garbage[0] = 0x80 // nobody's protocol begins so
	for _, hello := range []string{"GET / HTTP/1.0\r\n\r\n", "@RSYNCD: 31.0\n", string(garbage)} {
		r.knock(addr, hello)
	}
	for _, args := range [][]string{
		nil,
		{"-alpn", "h2"},
		{"-cert", p.path("node3.crt"), "-key", p.path("node3.key"), "-CAfile", p.path("ca.pem")},
	} {
		r.openssl(addr, args...)
	}
	// A crowd that says nothing and does not go away by itself, and one that goes at once.
	var crowd []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", addr)
		r.must(err)
		crowd = append(crowd, c)
		gone, err := net.Dial("tcp", addr)
		r.must(err)
		gone.Close()
	}
	r.Cleanup(func() {
		for _, c := range crowd {
			c.Close()
		}
	})
}

// knock says something and waits until it is shown the door.
func (r *pair) knock(addr, hello string) {
	r.Helper()
	c, err := net.Dial("tcp", addr)
	r.must(err)
	defer c.Close()
	r.must(c.SetDeadline(time.Now().Add(20 * time.Second)))
	if _, err := io.WriteString(c, hello); err != nil {
		return // the door was shut already
	}
	answer, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.Errorf("%.20q was not refused", hello)
	}
	if strings.Contains(string(answer), "trireme") || len(answer) > 64 {
		r.Errorf("%.20q learned %q", hello, answer)
	}
}

// openssl connects with the usual tool.
func (r *pair) openssl(addr string, args ...string) {
	r.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		r.Skip("openssl is not installed")
	}
	ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"s_client", "-connect", addr}, args...)...)
	cmd.Stdin = strings.NewReader("let me in\n")
	// Its exit code says little; what matters is that it comes back and what the joiner logs.
	out, _ := cmd.CombinedOutput()
	if ctx.Err() != nil {
		r.Errorf("openssl %v was not refused:\n%s", args, out)
	}
}

// onceEach demands that the refusals name each kind of stranger, and each once.
func (r *pair) onceEach(warnings []string) {
	r.Helper()
	seen := map[string]int{}
	for _, w := range warnings {
		_, text, ok := strings.Cut(w, " refused: peer ")
		if !ok {
			r.Errorf("a warning about something else: %s", w)
			continue
		}
		_, why, _ := strings.Cut(text, ": ")
		why, _, _ = strings.Cut(why, " (20") // the time of the line
		seen[why]++
	}
	for why, n := range seen {
		if n > 1 {
			r.Errorf("%d lines say %q", n, why)
		}
	}
	all := fmt.Sprint(seen)
	// Browsers and rsync are of one kind, and who of them is logged first stands for it.
	for _, text := range []string{"does not speak TLS, it began with ", "TLS handshake: "} {
		if !strings.Contains(all, text) {
			r.Errorf("no line about %s: %v", text, all)
		}
	}
	// One line for each way of being a stranger, not for each of the two hundred.
	if len(warnings) == 0 || len(warnings) > 8 {
		r.Errorf("%d lines about strangers:\n%s", len(warnings), strings.Join(warnings, "\n"))
	}
	r.Logf("strangers were logged as %d lines: %v", len(warnings), all)
}
