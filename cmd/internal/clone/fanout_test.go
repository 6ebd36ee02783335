package clone

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/time/rate"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/status"
	"trireme/engine/tree"
)

// slowly stands in front of a receiver as a link of limited speed in bytes a second, and returns the ticket for it.
func slowly(t *testing.T, ticket string, speed int) string {
	t.Helper()
	to, rest, _ := strings.Cut(ticket, "/")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limit := rate.NewLimiter(rate.Limit(speed), 64<<10)
	var wg sync.WaitGroup
	pass := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if err != nil || limit.WaitN(context.Background(), n) != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			wg.Go(func() { pass(a, b) })
			wg.Go(func() { pass(b, a) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	return ln.Addr().String() + "/" + rest
}

// summary reads what the sender left.
func summary(t *testing.T, src string) status.Status {
	t.Helper()
	s, err := status.Read(filepath.Join(src, tree.StatusName))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFanOut: three receivers at once, one that has nothing, one behind a slow link and one with an old copy; every copy is exact, each
// has its summary, and the source was read once.
func TestFanOut(t *testing.T) {
	src, old := t.TempDir(), filepath.Join(t.TempDir(), "old")
	left := mariadb(t, src)
	mustRun(t, "clone", src, old)
	put(t, src, "shop/orders.ibd", strings.Repeat("x", 500)+"."+strings.Repeat("x", 499), 0o640)
	dsts := []string{filepath.Join(t.TempDir(), "dst"), filepath.Join(t.TempDir(), "dst"), old}
	var rs []*receiver
	words := []string{"send", "--metrics-file", filepath.Join(t.TempDir(), "m.prom"), src}
	for i, dst := range dsts {
		r := receive(t, t.Context(), "--listen", "127.0.0.1:0", "--into-existing", dst)
		rs = append(rs, r)
		if i == 1 {
			r.ticket = slowly(t, r.ticket, 8<<20)
		}
		words = append(words, r.ticket)
	}
	errs := mustRun(t, words...)
	for i, r := range rs {
		r.end(t, 0)
		for _, d := range compare(list(t, src), list(t, dsts[i]), left) {
			t.Errorf("receiver %d: %s", i, d)
		}
		name, _, _ := strings.Cut(r.ticket, "/")
		if n := strings.Count(errs, name+": complete: "); n != 1 {
			t.Errorf("%d summaries of %s in %s", n, name, errs)
		}
	}
	if !strings.Contains(errs, "\ncomplete at 3 receivers: ") {
		t.Error(errs)
	}
	s := summary(t, src)
	var first, all int64
	for _, r := range s.Receivers {
		if r.Result != status.Complete || r.Bytes != s.Bytes || r.Sent+r.Saved+r.Holes != s.Bytes {
			t.Errorf("%+v", r)
		}
		first += r.Passes[0].Read
		all += r.Read
	}
	if len(s.Receivers) != 3 || s.Result != status.Complete || first != s.Bytes || s.Read != all || s.Shared < 2*s.Bytes {
		t.Errorf("%d bytes were read in the first passes for three receivers of %d bytes; %+v", first, s.Bytes, s)
	}
	if s.Receivers[2].Saved < s.Bytes/3 || s.Receivers[0].Saved != 0 {
		t.Errorf("saved %d and %d", s.Receivers[2].Saved, s.Receivers[0].Saved)
	}
	b, err := os.ReadFile(words[2])
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Receivers {
		if want := fmt.Sprintf("trireme_transfer_success{directory=%q,role=\"send\",receiver=%q} 1\n", src, r.Receiver); strings.Count(string(b), want) != 1 {
			t.Errorf("not once in the metrics: %s", want)
		}
	}
}

// TestFanOutDead: a receiver that is killed in the middle and one that is not there any more do not keep the third from its copy; the
// exit code is the first one's, and the next run heals the second.
func TestFanOutDead(t *testing.T) {
	src := t.TempDir()
	left := mariadb(t, src)
	good, killed, gone := filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "killed"), filepath.Join(t.TempDir(), "gone")
	ctx, kill := context.WithCancel(t.Context())
	gctx, leave := context.WithCancel(t.Context())
	rs := []*receiver{
		receive(t, gctx, "--listen", "127.0.0.1:0", gone), receive(t, ctx, "--listen", "127.0.0.1:0", killed), receive(t, t.Context(), "--listen", "127.0.0.1:0", good),
	}
	leave()
	<-rs[0].done
	go func() {
		awaitJournal(t, killed)
		kill()
	}()
	code, out, errs := trireme(t.Context(), "send", "--json", "--rate-limit", "16m", src, rs[0].ticket, rs[1].ticket, rs[2].ticket)
	if code != exitNetwork || !strings.Contains(errs, "trireme send: 2 of 3 receivers were not served: ") || !strings.Contains(errs, "nothing listens there") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	var end status.Status
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || len(end.Receivers) != 3 {
		t.Fatalf("%v in %s", err, lines[len(lines)-1])
	}
	if r := end.Receivers; r[0].ExitCode != exitNetwork || r[1].ExitCode != exitOther && r[1].ExitCode != exitNetwork || r[2].ExitCode != cli.ExitOK || r[1].Error == "" || end.ExitCode != exitNetwork {
		t.Errorf("%+v", r)
	}
	<-rs[1].done
	rs[2].end(t, 0)
	for _, d := range compare(list(t, src), list(t, good), left) {
		t.Error(d)
	}
	r := receive(t, t.Context(), "--listen", "127.0.0.1:0", killed)
	mustRun(t, "send", src, r.ticket)
	r.end(t, 0)
	for _, d := range compare(list(t, src), list(t, killed), left) {
		t.Error(d)
	}
}

// TestFanOutInterrupt: a signal ends the transfers to all receivers, and is the one cause.
func TestFanOutInterrupt(t *testing.T) {
	src := t.TempDir()
	mariadb(t, src)
	ctx, stop := context.WithCancel(t.Context())
	dsts := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	rs := []*receiver{receive(t, t.Context(), "--listen", "127.0.0.1:0", dsts[0]), receive(t, t.Context(), "--listen", "127.0.0.1:0", dsts[1])}
	go func() {
		awaitJournal(t, dsts[0])
		awaitJournal(t, dsts[1])
		stop()
	}()
	code, _, errs := trireme(ctx, "send", "--rate-limit", "8m", src, rs[0].ticket, rs[1].ticket)
	if code == 0 || strings.Contains(errs, "were not served") {
		t.Errorf("%d: %s", code, errs)
	}
	for i, r := range rs {
		r.end(t, exitOther)
		if info, err := os.Stat(filepath.Join(dsts[i], "ibdata1")); err != nil || !info.IsDir() {
			t.Errorf("a server could start on %s: %v", dsts[i], err)
		}
	}
}

// TestTickets: what several tickets may not be.
func TestTickets(t *testing.T) {
	other := strings.Replace(strings.TrimSuffix(good, ".identity"), "/AQ", "/AA", 1)
	other = strings.Replace(other, "1800000000", "4000000000", 1)
	later := strings.Replace(good, "1800000000", "4000000000", 1)
	for name, c := range map[string]struct {
		words []string
		says  string
	}{
		"twice":    {[]string{other, other}, "ticket 2 of 2: it is there twice"},
		"identity": {[]string{other, later}, "ticket 2 of 2: its receiver was started with --keep-identity"},
		"garbage":  {[]string{other, "x"}, "ticket 2 of 2: read the ticket"},
		"many":     {make([]string, 65), "65 tickets, at most 64"},
	} {
		if _, err := tickets(c.words); exitCode(err) != cli.ExitUsage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tks, err := tickets([]string{other}); err != nil || len(tks) != 1 {
		t.Error(err)
	}
	if _, err := tickets([]string{later}); err != nil {
		t.Error(err)
	}
}
