package certs

import (
	"bytes"
	"context"
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
)

// patience bounds what must not take long; nothing is asserted about time.
const patience = 20 * time.Second

// run types a command line whose file names begin in dir.
func run(t *testing.T, dir, line string) {
	t.Helper()
	var said bytes.Buffer
	if code := execute(t.Context(), &said, &said, append(strings.Fields("certs "+line), "--dir", dir)); code != 0 {
		t.Fatalf("%s: exit code %d: %s", line, code, &said)
	}
}

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed (make deps); its opinion is what is tested", program)
	}
}

// sets are the files of two nodes, made in the ways of the descriptions: ca.pem, and for each node N.pem, N.crt and N.key.
var sets = []struct {
	name  string
	lines []string
}{
	{"one CA", []string{"init", "issue db1 127.0.0.1 --pem 1.pem --cert 1.crt --key 1.key", "issue db2 localhost --pem 2.pem --cert 2.crt --key 2.key"}},
	{"RSA", []string{"init", "issue db1 --pem 1.pem --cert 1.crt --key 1.key", "issue db2 --rsa 3072 --pem 2.pem --cert 2.crt --key 2.key"}},
	{"self-signed", []string{"issue --self-signed db1 --pem 1.pem --cert 1.crt --key 1.key", "issue --self-signed db2 --pem 2.pem --cert 2.crt --key 2.key", "bundle 1.crt 2.crt --out ca.pem"}},
	{"renewed under a new CA", []string{
		"init", "issue db1 --pem 1.pem --cert 1.crt --key 1.key", "issue db2 --pem old.pem", "init --cert new.pem --key new-key.pem",
		"renew old.pem --ca new.pem --ca-key new-key.pem --pem 2.pem --cert 2.crt --key 2.key", "bundle ca.pem new.pem --out ca.pem --force",
	}},
}

// eachSet runs a test on every set of files, with the directory where they are.
func eachSet(t *testing.T, f func(t *testing.T, dir string)) {
	for _, s := range sets {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			dir := t.TempDir()
			for _, line := range s.lines {
				run(t, dir, line)
			}
			f(t, dir)
		})
	}
}

// freePort is one that nobody listened to a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// TestSocat lets two real socats verify each other, as the tunnel's program calls them, and turn a stranger away.
func TestSocat(t *testing.T) {
	need(t, "socat")
	eachSet(t, func(t *testing.T, dir string) {
		run(t, dir, "issue --self-signed db1 --pem stranger.pem")
		for _, c := range []struct {
			own  string
			want bool
		}{{"cert=1.pem", true}, {"cert=1.crt,key=1.key", true}, {"cert=stranger.pem", false}} {
			got, said := tunnel(t, dir, c.own)
			if took := got == "hello"; took != c.want {
				t.Errorf("with %s the joiner got %q; socat said: %s", c.own, got, said)
			}
		}
	})
}

// tunnel sends a word from a donor with the given files to a joiner, and returns what came out.
func tunnel(t *testing.T, dir, own string) (got, said string) {
	t.Helper()
	ctx, port := bounded(t), freePort(t)
	var out, donorSaid, joinerSaid bytes.Buffer
	joiner := exec.CommandContext(ctx, "socat", "-u", "OPENSSL-LISTEN:"+port+",bind=127.0.0.1,reuseaddr,cert=2.pem,cafile=ca.pem", "STDOUT")
	joiner.Dir, joiner.Stdout, joiner.Stderr = dir, &out, &joinerSaid
	if err := joiner.Start(); err != nil {
		t.Fatal(err)
	}
	donor := exec.CommandContext(ctx, "socat", "-u", "STDIN", "OPENSSL:127.0.0.1:"+port+",commonname=db2,retry=400,interval=0.02,cafile=ca.pem,"+own)
	donor.Dir, donor.Stdin, donor.Stdout, donor.Stderr = dir, strings.NewReader("hello"), &donorSaid, &donorSaid
	err := donor.Run()
	if err != nil {
		_ = joiner.Process.Kill() // it may not have noticed anybody
	}
	err = errors.Join(err, joiner.Wait())
	return out.String(), fmt.Sprintf("donor: %s joiner: %s (%v)", &donorSaid, &joinerSaid, err)
}

// TestStunnel puts two real stunnels between two ends, configured as the stock rsync method does.
func TestStunnel(t *testing.T) {
	need(t, "stunnel")
	eachSet(t, func(t *testing.T, dir string) {
		ctx := bounded(t)
		end, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer end.Close()
		tunnel, entry := freePort(t), freePort(t)
		start := func(n, text string) {
			t.Helper()
			conf := filepath.Join(dir, n+".conf")
			text = "foreground = yes\npid =\nsyslog = no\n[sst]\ncert = " + dir + "/" + n + ".crt\nkey = " + dir + "/" + n + ".key\nCAfile = " + dir + "/ca.pem\nverifyChain = yes\n" + text
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(ctx, "stunnel", conf)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill() // it serves for ever
				_ = cmd.Wait()
				if t.Failed() {
					t.Logf("stunnel %s: %s", n, &said)
				}
			})
		}
		start("2", "accept = 127.0.0.1:"+tunnel+"\nconnect = "+end.Addr().String()+"\n")
		start("1", "client = yes\naccept = 127.0.0.1:"+entry+"\nconnect = 127.0.0.1:"+tunnel+"\ncheckHost = db2\n")
		if err := through(ctx, end.(*net.TCPListener), "127.0.0.1:"+entry); err != nil {
			t.Error(err)
		}
	})
}

// through sends a word from one end to the other, again and again until the programs in between are up.
func through(ctx context.Context, end *net.TCPListener, entry string) error {
	var last error
	for ctx.Err() == nil {
		if last = attempt(end, entry); last == nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return last
}

func attempt(end *net.TCPListener, entry string) error {
	soon := time.Now().Add(time.Second)
	c, err := net.Dial("tcp", entry)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.SetDeadline(soon), end.SetDeadline(soon)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	peer, err := end.Accept()
	if err != nil {
		return fmt.Errorf("nothing came through: %w", err)
	}
	defer peer.Close()
	if err := peer.SetDeadline(soon); err != nil {
		return err
	}
	word := make([]byte, 5)
	if _, err := io.ReadFull(peer, word); err != nil || string(word) != "hello" {
		return fmt.Errorf("got %q: %w", word, err)
	}
	return nil
}
