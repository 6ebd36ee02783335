//go:build integration

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trireme/bench/cluster"
	"trireme/cmd/internal/status"
	"trireme/engine/tree"
)

// run calls the program under test and returns its exit code and what it said on standard error.
func (p *pair) run(words ...string) (int, string) {
	p.Helper()
	var errs bytes.Buffer
	cmd := exec.CommandContext(p.ctx, binary, words...)
	cmd.Stderr = &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), errs.String()
}

// fails is run for a call that must end with code and say something.
func (p *pair) fails(code int, says string, words ...string) {
	p.Helper()
	if got, errs := p.run(words...); got != code || !strings.Contains(errs, says) {
		p.Errorf("trireme %s: exit code %d, want %d and %q:\n%s", strings.Join(words, " "), got, code, says, errs)
	}
}

// works is run for a call that must do what it is asked.
func (p *pair) works(words ...string) string {
	p.Helper()
	code, errs := p.run(words...)
	if code != 0 {
		p.Fatalf("trireme %s: exit code %d:\n%s", strings.Join(words, " "), code, errs)
	}
	return errs
}

// receiver is a "trireme receive" in the background.
type handReceiver struct {
	cmd    *exec.Cmd
	errs   bytes.Buffer
	ticket string
}

func (p *pair) receive(words ...string) *handReceiver {
	p.Helper()
	r := new(handReceiver)
	r.cmd = exec.CommandContext(p.ctx, binary, append([]string{"receive", "--listen", p.c.Host(2) + ":0"}, words...)...)
	r.cmd.Stderr = &r.errs
	out, err := r.cmd.StdoutPipe()
	p.must(err)
	p.must(r.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.Fatalf("no ticket: %v, %v: %s", err, r.cmd.Wait(), r.errs.String())
	}
	r.ticket = strings.Fields(line)[3]
	return r
}

// moved waits until the transfer into dir has moved n bytes.
func (p *pair) moved(dir string, n int64) {
	p.Helper()
	for p.ctx.Err() == nil {
		if s, err := status.Read(filepath.Join(dir, tree.StatusName)); err == nil && !s.Finished() && s.Sent+s.Saved >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Fatal("the transfer did not get far enough")
}

const handData = `CREATE DATABASE shop; USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, t VARCHAR(300), KEY (t(20))) ENGINE=InnoDB;
INSERT INTO orders SELECT seq, REPEAT(SHA2(seq, 512), 2) FROM seq_1_to_60000;
CREATE TABLE packed (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB PAGE_COMPRESSED=1;
INSERT INTO packed SELECT seq, REPEAT('x', 2000) FROM seq_1_to_3000;
CREATE TABLE notes (id INT PRIMARY KEY, t VARCHAR(200)) ENGINE=MyISAM; INSERT INTO notes SELECT seq, SHA2(seq, 512) FROM seq_1_to_5000;
CREATE TABLE words (id INT PRIMARY KEY, t VARCHAR(200)) ENGINE=Aria; INSERT INTO words SELECT seq, SHA2(seq, 512) FROM seq_1_to_5000;`

// TestCloneByHand goes the way of somebody who moves a server: a basis while it works, refusals, a connection that is cut, a
// receiver that is killed, and at last a server that starts on the copy and holds the same.
func TestCloneByHand(t *testing.T) {
	elsewhere.take(t)
	p := newPair(t, cluster.Config{})
	p.boot()
	p.exec(p.one, handData)
	src, dst := p.one.Datadir(), p.two.Datadir()
	p.must(p.two.Wipe())
	p.must(p.two.WriteOptions())

	p.fails(3, "holds a lock on", "clone", src, dst)
	if errs := p.works("clone", "--live-basis", src, dst); !strings.Contains(errs, "no server can start on "+dst+" yet") {
		t.Error(errs)
	}
	p.noStart()
	p.exec(p.one, "USE shop; UPDATE orders SET t = 'changed' WHERE id % 1000 = 0; CREATE TABLE later (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO later VALUES (1);")
	want, err := cluster.Checksums(p.ctx, p.one)
	p.must(err)
	p.must(p.one.Stop(p.ctx))

	// A receiver cannot tell a cut from a break that ends, and waits as long as it is told.
	soon := p.put(filepath.Join(p.shared("hand"), "soon.cnf"), "[trireme]\nreconnect=2s\n", 0o644)
	t.Run("cut", func(t *testing.T) {
		p := p.in(t)
		r := p.receive("--defaults-file", soon, dst)
		link := newLink(t, r.ticket)
		sent := make(chan struct{})
		var code int
		var errs string
		go func() {
			defer close(sent)
			code, errs = p.run("send", "--delta", "off", "--rate-limit", "40m", src, link.ticket)
		}()
		p.moved(dst, 8<<20)
		link.cut()
		<-sent
		if code != 6 || !strings.Contains(errs, "connection") {
			t.Errorf("the sender ended with %d: %s", code, errs)
		}
		if err := r.cmd.Wait(); r.cmd.ProcessState.ExitCode() != 6 {
			t.Errorf("the receiver: %v: %s", err, r.errs.String())
		}
		p.noStart()
	})
	t.Run("killed", func(t *testing.T) {
		p := p.in(t)
		r := p.receive(dst)
		sent := make(chan struct{})
		var code int
		var errs string
		go func() {
			defer close(sent)
			code, errs = p.run("send", "--delta", "off", "--rate-limit", "60m", src, r.ticket)
		}()
		p.moved(dst, int64(1+time.Now().UnixNano()%40)<<20)
		p.must(r.cmd.Process.Kill())
		_ = r.cmd.Wait() // says that it was killed
		<-sent
		if code != 6 {
			t.Errorf("the sender ended with %d: %s", code, errs)
		}
		p.noStart()
	})

	// Three receivers out of one reading: the old copy, an empty directory, and one whose connection is cut.
	second, third := filepath.Join(t.TempDir(), "second"), filepath.Join(t.TempDir(), "third")
	rs := []*handReceiver{p.receive("--owner", "mysql", dst), p.receive(second), p.receive("--defaults-file", soon, third)}
	link := newLink(t, rs[2].ticket)
	sent := make(chan struct{})
	var code int
	var errs string
	go func() {
		defer close(sent)
		code, errs = p.run("send", "--rate-limit", "100m", src, rs[0].ticket, rs[1].ticket, link.ticket)
	}()
	p.moved(third, 8<<20)
	link.cut()
	<-sent
	if code != 6 || !strings.Contains(errs, "1 of 3 receivers were not served") {
		t.Errorf("the sender ended with %d: %s", code, errs)
	}
	for i, r := range rs[:2] {
		if err := r.cmd.Wait(); err != nil {
			t.Fatalf("receiver %d: %v: %s", i, err, r.errs.String())
		}
	}
	_ = rs[2].cmd.Wait() // cut off
	t.Logf("send: %s", errs)
	x, err := cluster.TreeHash(p.ctx, src, notCopied)
	p.must(err)
	for _, copied := range []string{dst, second} {
		y, err := cluster.TreeHash(p.ctx, copied, notCopied)
		p.must(err)
		if diff := cluster.Diff(x, y); len(diff) > 0 || len(x) < 100 {
			t.Errorf("%s: %d names, differences %q", copied, len(x), diff)
		}
	}
	s, err := status.Read(filepath.Join(src, tree.StatusName))
	p.must(err)
	if first := s.Receivers[0].Passes[0].Read + s.Receivers[1].Passes[0].Read; len(s.Receivers) != 3 || first > s.Bytes || s.Shared < s.Bytes || s.Receivers[0].Saved < s.Bytes/2 {
		t.Errorf("of %d bytes %d were read for two receivers, %d taken from memory, and %d saved by the old copy", s.Bytes, first, s.Shared, s.Receivers[0].Saved)
	}
	p.must(p.two.Start(p.ctx, true))
	p.must(p.two.WaitSynced(p.ctx))
	got, err := cluster.Checksums(p.ctx, p.two)
	p.must(err)
	for table, sum := range want {
		if got[table] != sum {
			t.Errorf("%s has the checksum %s, want %s", table, got[table], sum)
		}
	}
	if len(want) < 5 || len(got) != len(want) {
		t.Errorf("%d and %d tables were compared", len(want), len(got))
	}
	p.must(cluster.CheckTables(p.ctx, p.two))
	p.fails(4, "the target is in use", "clone", "--into-existing", src, dst)
}

// noStart lets the server try the half-made copy in the second node's datadir. It must refuse, and leave everything as it was.
func (p *pair) noStart() {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mariadbd", "--no-defaults", "--user=mysql", "--datadir="+p.two.Datadir(), "--skip-networking",
		"--socket="+filepath.Join(p.two.Dir(), "x.sock"), "--pid-file="+filepath.Join(p.two.Dir(), "x.pid"))
	p.must(exec.CommandContext(ctx, "chown", "-R", "mysql", p.two.Datadir()).Run()) // or it could not even look
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		p.Errorf("a server ran on a half-made copy: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("ibdata1' is not a regular file")) {
		p.Errorf("the server said: %s", out)
	}
}

// link is a piece of network that can be cut.
type link struct {
	ticket string
	cut    func()
}

// newLink makes one in front of the receiver of a ticket, out of socat, and ends it with the test.
func newLink(t *testing.T, ticket string) *link {
	t.Helper()
	address, rest, _ := strings.Cut(ticket, "/")
	host, port, _ := strings.Cut(address, ":")
	cmd := exec.Command("socat", "-d", "-d", "TCP-LISTEN:0,bind="+host+",fork", "TCP:"+host+":"+port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cut := func() {
		// The connections are its children's.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	lines := bufio.NewReader(says)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("socat does not listen: %v", err)
		}
		if _, at, ok := strings.Cut(line, "listening on "); ok {
			_, port, _ = strings.Cut(strings.TrimSpace(at), host+":")
			break
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, lines)
	}()
	t.Cleanup(func() {
		cut()
		<-drained
		_ = cmd.Wait() // killed
	})
	if port == "" {
		t.Fatal("no port")
	}
	return &link{ticket: host + ":" + port + "/" + rest, cut: cut}
}

// snapshotByHand clones a snapshot of the first node's datadir, whose server works on, to the second one's, and starts that. dir is the file
// system that both lie on.
func snapshotByHand(t *testing.T, ctx context.Context, r *joinRig, dir string) {
	t.Helper()
	want, err := cluster.Checksums(ctx, r.one)
	must(t, err)
	snap := filepath.Join(dir, "snapshot")
	if out, err := exec.CommandContext(ctx, "btrfs", "subvolume", "snapshot", "-r", dir, snap).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rel, err := filepath.Rel(dir, r.one.Datadir())
	must(t, err)
	must(t, r.two.Wipe())
	must(t, os.RemoveAll(r.two.Datadir()))
	if out, err := exec.CommandContext(ctx, binary, "clone", r.one.Datadir(), r.two.Datadir()).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("holds a lock on")) {
		t.Errorf("the datadir of a server that works: %v: %s", err, out)
	}
	if out, err := exec.CommandContext(ctx, binary, "clone", filepath.Join(snap, rel), r.two.Datadir()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, r.one.Stop(ctx))
	must(t, r.two.Start(ctx, true))
	must(t, r.two.WaitSynced(ctx))
	got, err := cluster.Checksums(ctx, r.two)
	must(t, err)
	if !maps.Equal(got, want) || len(want) < 5 {
		t.Errorf("the clone of the snapshot holds %v, want %v", got, want)
	}
}
