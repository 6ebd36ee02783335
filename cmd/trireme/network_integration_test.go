//go:build integration

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/bench/netlab"
	"trireme/cmd/internal/status"
	"trireme/engine/tree"
)

// scene is two hosts with a link between them, a datadir on the first, and room for a copy on the second.
type scene struct {
	*testing.T
	ctx      context.Context
	lab      *netlab.Lab
	src, dst string
	at       string   // where the receiver listens; empty: the second host's address
	listen   []string // more of its flags
}

// newScene makes a stopped datadir of mb MiB and a lab. It ends with the test.
func newScene(t *testing.T, mb int, c netlab.Config) *scene {
	t.Helper()
	netlab.Need(t)
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, fmt.Errorf("the scene took longer than a minute"))
	t.Cleanup(cancel)
	dir := t.TempDir()
	s := &scene{T: t, ctx: ctx, src: filepath.Join(dir, "src"), dst: filepath.Join(dir, "dst")}
	stopped(t, s.src, mb)
	lab, err := netlab.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.lab = lab
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// stopped makes what looks like a stopped server's datadir, of content that does not shrink.
func stopped(t *testing.T, dir string, mb int) {
	t.Helper()
	r := rand.NewChaCha8([32]byte{byte(mb)})
	for name, n := range map[string]int{"ibdata1": 2 << 20, "ib_logfile0": 1 << 20, "shop/orders.ibd": (mb - 3) << 20} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, n)
		_, _ = r.Read(b) // never fails
		if name == "ibdata1" {
			// The head of a tablespace: page 0, its type, its size in pages, and flags for pages of 16 KiB.
			clear(b[:64])
			b[25], b[49], b[57] = 8, 128, 0x15
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sameFiles compares every file of a source with its copy.
func sameFiles(t *testing.T, src, dst string) {
	t.Helper()
	for _, name := range []string{"ibdata1", "ib_logfile0", "shop/orders.ibd"} {
		a, err := os.ReadFile(filepath.Join(src, name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dst, name)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not what its source is: %v", name, err)
		}
	}
}

// end is one of the two programs of a transfer, with what it said.
type end struct {
	cmd  *exec.Cmd
	errs bytes.Buffer
}

func (e *end) code() int { return e.cmd.ProcessState.ExitCode() }

// transfer runs both ends. meanwhile, unless it is nil, is called while they work. It returns when both have ended.
func (s *scene) transfer(words []string, meanwhile func()) (sender, receiver *end) {
	s.Helper()
	receiver, sender = new(end), new(end)
	at := s.at
	if at == "" {
		at = s.lab.Host(1).Addr().String() + ":0"
	}
	// A wall that swallows packets is noticed when nothing has been confirmed for two seconds, and given up after two more.
	options := filepath.Join(s.TempDir(), "options.cnf")
	if err := os.WriteFile(options, []byte("[sst]\nsockopt=,user-timeout=2000\n[trireme]\nreconnect=2s\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	common := []string{"--progress", "log", "--defaults-file", options}
	receiver.cmd = exec.CommandContext(s.ctx, binary, append(append(append([]string{"receive", "--listen", at}, common...), s.listen...), s.dst)...)
	receiver.cmd.Stderr = &receiver.errs
	out, err := receiver.cmd.StdoutPipe()
	if err == nil {
		err = s.lab.Host(1).Start(receiver.cmd)
	}
	if err != nil {
		s.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.Fatalf("no ticket: %v, %v: %s", err, receiver.cmd.Wait(), receiver.errs.String())
	}
	f := strings.Fields(line)
	words = append(append([]string{"send"}, common...), words...)
	sender.cmd = exec.CommandContext(s.ctx, binary, append(words, s.src, f[len(f)-1])...)
	sender.cmd.Stderr = &sender.errs
	if err := s.lab.Host(0).Start(sender.cmd); err != nil {
		s.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile()
	}
	_ = sender.cmd.Wait() // the caller looks at the exit codes
	if code := sender.code(); code == 2 || code == 3 || code == 7 {
		_ = receiver.cmd.Process.Kill() // nobody will come
	}
	_ = receiver.cmd.Wait()
	if s.ctx.Err() != nil {
		s.Fatalf("%v; sender: %s; receiver: %s", context.Cause(s.ctx), sender.errs.String(), receiver.errs.String())
	}
	return sender, receiver
}

// works is transfer for one that must end well.
func (s *scene) works(words ...string) status.Status {
	s.Helper()
	sender, receiver := s.transfer(words, nil)
	if sender.code() != 0 || receiver.code() != 0 {
		s.Fatalf("sender %d: %s; receiver %d: %s", sender.code(), sender.errs.String(), receiver.code(), receiver.errs.String())
	}
	for who, e := range map[string]*end{"sender": sender, "receiver": receiver} {
		if !strings.Contains(e.errs.String(), "complete: ") {
			s.Errorf("the %s gave no summary: %s", who, e.errs.String())
		}
	}
	sameFiles(s.T, s.src, s.dst)
	sum, err := status.Read(filepath.Join(s.src, tree.StatusName))
	if err != nil {
		s.Fatal(err)
	}
	return sum
}

// moved waits until n bytes have arrived.
func (s *scene) moved(n int64) {
	for s.ctx.Err() == nil {
		if st, err := status.Read(filepath.Join(s.dst, tree.StatusName)); err == nil && st.Sent >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestNetworkLinks copies over links with a rate, and over one that loses packets, which the summary tells.
func TestNetworkLinks(t *testing.T) {
	elsewhere.take(t)
	for name, c := range map[string]struct {
		mb    int
		lossy bool
		link  netlab.Config
	}{
		"100Mbit": {24, false, netlab.Config{Shape: netlab.Shape{Rate: 100e6}}},
		"1Gbit":   {64, false, netlab.Config{Shape: netlab.Shape{Rate: 1e9}}},
		"lossy":   {8, true, netlab.Config{Shape: netlab.Shape{Rate: 100e6, Delay: 2 * time.Millisecond, Loss: 0.01}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.mb, c.link)
			sum := s.works()
			size := int64(c.mb) << 20
			if sum.Sent < size || sum.Sent > size+1<<20 || sum.Wire < size {
				t.Errorf("%d MiB were to be sent: %+v", c.mb, sum)
			}
			if sum.Again == 0 && c.lossy {
				t.Errorf("a link that loses one packet of a hundred, and nothing was retransmitted: %+v", sum)
			}
			t.Logf("%d MiB in %.2f s, retransmitted %d bytes", c.mb, sum.Seconds, sum.Again)
		})
	}
}

// TestNetworkSix copies over the sixth version of IP, by each transport: to an address of the usual kind, and to a link-local one, whose
// zone is a matter of each host.
func TestNetworkSix(t *testing.T) {
	elsewhere.take(t)
	s := newScene(t, 8, netlab.Config{})
	joiner := s.lab.Host(1)
	for name, a := range map[string]netip.Addr{"usual": joiner.Addr6(), "link-local": joiner.Local(s.lab.Host(0))} {
		for _, transport := range []string{"tls", "quic"} {
			t.Run(name+","+transport, func(t *testing.T) {
				part := *s
				part.T, part.dst = t, filepath.Join(t.TempDir(), "dst")
				part.at, part.listen = netip.AddrPortFrom(a, 0).String(), []string{"--transport", transport}
				if sum := part.works("--transport", transport); sum.Sent < 8<<20 {
					t.Errorf("%+v", sum)
				}
			})
		}
	}
}

// TestNetworkWall: a firewall that swallows everything in the middle of a transfer ends it at both ends, each with the cause. The
// next run completes the copy from what has arrived.
func TestNetworkWall(t *testing.T) {
	elsewhere.take(t)
	s := newScene(t, 40, netlab.Config{Relay: true, Shape: netlab.Shape{Rate: 100e6}})
	link := s.lab.Link(0, 1)
	sender, receiver := s.transfer(nil, func() {
		s.moved(12 << 20)
		link.Cut()
	})
	for who, e := range map[string]*end{"sender": sender, "receiver": receiver} {
		if said := e.errs.String(); e.code() != 6 || !strings.Contains(said, "connection") || !strings.Contains(said, "timed out") {
			t.Errorf("the %s ended with %d: %s", who, e.code(), said)
		}
	}
	link.SetFilter(nil)
	sum := s.works()
	if sum.Saved < 8<<20 || sum.Sent > 32<<20 {
		t.Errorf("nothing of the first run was used: %+v", sum)
	}
}

// TestNetworkReset: a firewall that forgets its connections and answers with resets does not end a transfer.
func TestNetworkReset(t *testing.T) {
	elsewhere.take(t)
	s := newScene(t, 40, netlab.Config{Relay: true, Shape: netlab.Shape{Rate: 100e6}})
	link := s.lab.Link(0, 1)
	sender, receiver := s.transfer(nil, func() {
		s.moved(12 << 20)
		link.Forget(netlab.Reset)
	})
	if sender.code() != 0 || receiver.code() != 0 {
		t.Errorf("sender %d: %s; receiver %d: %s", sender.code(), sender.errs.String(), receiver.code(), receiver.errs.String())
	}
	if n := link.CountFrom(s.lab.Host(0)).Filtered; n == 0 {
		t.Error("no connection was reset")
	}
	sameFiles(t, s.src, s.dst)
}
