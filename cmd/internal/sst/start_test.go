package sst

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/serveremul"
	"trireme/cmd/internal/settings"
	"trireme/proto"
	"trireme/wire"
)

// newCall is a call of the program with these words, by the server parent.
func newCall(t *testing.T, parent *galera.Parent, words ...string) (c *call, log, out *bytes.Buffer) {
	t.Helper()
	args, err := galera.ParseArgs(words)
	if err != nil {
		t.Fatal(err)
	}
	args.Parent = parent.PID()
	log, out = new(bytes.Buffer), new(bytes.Buffer)
	return &call{
		ctx: t.Context(), args: args, method: settings.MethodTrireme, parent: parent, start: time.Now(),
		log: galera.NewLog(galera.LogConfig{W: log}), out: galera.NewOut(out, args),
	}, log, out
}

// TestWaitForOther has a program that waits for another one in its datadir end at once when its server does, or when it is told to.
func TestWaitForOther(t *testing.T) {
	dir := t.TempDir()
	release, err := galera.LockInstance(t.Context(), dir, galera.RoleDonor)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	// One that comes before the program listens to it must not be the end of the test.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM)
	defer signal.Stop(caught)
	for name, code := range map[string]int{"server": galera.ExitPipe, "signal": galera.ExitSignal} {
		t.Run(name, func(t *testing.T) {
			kill, parent := fakeServer(t)
			c, _, out := newCall(t, parent, "--role", "joiner", "--address", "127.0.0.1:1", "--datadir", dir)
			ended := make(chan struct{})
			var end sync.WaitGroup
			end.Go(func() {
				for tick := time.NewTicker(10 * time.Millisecond); ; {
					select {
					case <-ended:
						return
					case <-tick.C:
					}
					if name == "server" {
						kill()
					} else if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
						t.Error(err)
					}
				}
			})
			err := c.run()
			close(ended)
			end.Wait()
			if c.exitCode(err) != code || out.Len() > 0 {
				t.Errorf("exit code %d, want %d: %v; said %q", c.exitCode(err), code, err, out)
			}
		})
	}
}

// TestNoReady has a joiner that was ended while it got ready not ask for a donor.
func TestNoReady(t *testing.T) {
	_, parent := fakeServer(t)
	c, _, out := newCall(t, parent, "--role", "joiner", "--address", serveremul.FreeAddress(t), "--datadir", t.TempDir(), "--mysqld-args", "--no-defaults")
	ctx, cancel := context.WithCancelCause(t.Context())
	c.ctx = ctx
	cancel(&galera.ExitError{Code: galera.ExitSignal, Err: os.ErrClosed})
	if err := c.joiner(); c.exitCode(err) != galera.ExitSignal || out.Len() > 0 {
		t.Errorf("said %q, %v", out, err)
	}
}

// TestDonorCannotCall has donors that fail before they connect, for each reason that there is: the joiner hears it.
func TestDonorCannotCall(t *testing.T) {
	lost := filepath.Join(t.TempDir(), "my.cnf")
	if err := os.WriteFile(lost, []byte("[mysqld]\ninnodb_log_group_home_dir="+lost+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const gtid = serveremul.Position
	for _, c := range []struct {
		name, datadir string
		words         []string
		flood         bool // on standard input
		says          string
	}{
		{name: "datadir", datadir: "/nowhere/at/all", words: []string{"--gtid", gtid}, says: "lock datadir for the donor"},
		{name: "standard input", words: []string{"--basedir", "/usr", "--plugindir", "/p", "--mysqld-version", "8.0.36", "--gtid", gtid}, flood: true, says: "read standard input"},
		{name: "option", words: []string{"--gtid", gtid, "--defaults-file", "/nowhere/at/all.cnf"}, says: "read option files"},
		{name: "directory", words: []string{"--gtid", gtid, "--defaults-file", lost}, says: "open the datadir"},
		{name: "position", words: []string{"--gtid", "garbage", "--mysqld-args", "--no-defaults"}, says: "argument --gtid"},
		{name: "position of a bypass", words: []string{"--bypass", "--gtid", "garbage", "--mysqld-args", "--no-defaults"}, says: "argument --gtid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := wire.Listen(t.Context(), "127.0.0.1:0", wire.Config{MinVersion: proto.Version, MaxVersion: proto.Version, Plain: true, Nonce: wire.NewNonce()})
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			if c.datadir == "" {
				c.datadir = t.TempDir()
			}
			if c.flood {
				flood(t)
			}
			_, parent := fakeServer(t)
			words := append([]string{"--role", "donor", "--address", ln.Ticket("127.0.0.1").String(), "--datadir", c.datadir}, c.words...)
			donor, log, _ := newCall(t, parent, words...)
			if err := donor.donor(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the donor: %v", err)
			}
			if strings.Contains(log.String(), "[WARNING]") {
				t.Errorf("the donor's log: %s", log)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := ln.Accept(ctx); err == nil || !strings.Contains(err.Error(), "the donor's set-up: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the joiner hears %v, want %q", err, c.says)
			}
		})
	}
}

// flood puts more on standard input than any server has to say.
func flood(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdin
	os.Stdin = r
	var writer sync.WaitGroup
	writer.Go(func() {
		_, _ = w.Write(make([]byte, 1<<20)) // ends with the reader
		_ = w.Close()
	})
	t.Cleanup(func() {
		os.Stdin = was
		_ = r.Close()
		writer.Wait()
	})
}

// TestServerArguments: where a server of Percona says its programs and plugins are is where keyrings are looked for.
func TestServerArguments(t *testing.T) {
	_, parent := fakeServer(t)
	for _, plugins := range []string{"--plugindir", "--plugin-dir"} {
		c, _, _ := newCall(t, parent, "--role", "donor", "--datadir", t.TempDir(), "--basedir", "/opt/percona", plugins, "/opt/percona/plugins", "--mysqld-version", "5.7.44")
		c.series = "5.7"
		if set, _, err := c.settings(); err != nil || set.BaseDir != "/opt/percona" || set.PluginDir != "/opt/percona/plugins" {
			t.Errorf("%s: %+v, %v", plugins, set, err)
		}
	}
}

// TestUnknownArguments: words that nobody knows are named when somebody wants to see everything, without what they say.
func TestUnknownArguments(t *testing.T) {
	profile := serveremul.ByName("M10.11")
	p := serveremul.NewPair(t, profile, profile, serveremul.InstallSelf(t, "trireme"))
	p.Configure("wsrep_debug=1\n")
	p.Take.ExtraArgs = []string{"--new-one", "hush1", "--new-two=hush2"}
	j := p.StartJoiner()
	j.Signal(syscall.SIGTERM)
	said := j.Wait().Stderr
	for _, name := range []string{"--new-one", "--new-two"} {
		if !strings.Contains(said, "argument "+name+" is not known") {
			t.Errorf("%s is not named", name)
		}
	}
	if strings.Contains(said, "hush") || t.Failed() {
		t.Errorf("the log:\n%s", said)
	}
}
