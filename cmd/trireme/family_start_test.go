package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"trireme/cmd/internal/serveremul"
)

// TestCommandLines lets servers call the program in unusual but legal ways.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, family string
		edit         func(o *serveremul.Options)
	}{
		{"words that mean nothing", "M11.8", func(o *serveremul.Options) {
			o.ExtraArgs = []string{"", "--not-invented-yet", "value", "", "--nor-this=value", "--alone"}
			o.MysqldArgs = []string{"--role=arbiter", "--bypass", "--address=nowhere", "--wsrep_start_position=" + serveremul.Position}
		}},
		{"datadir without slash", "M10.5", func(o *serveremul.Options) { o.ExtraArgs = []string{"--datadir", o.Datadir} }},
		{"options with equal signs", "W80", func(o *serveremul.Options) { o.ExtraArgs = []string{"--datadir=" + o.Datadir + "/"} }},
		{"datadir with blanks", "M10.11", func(o *serveremul.Options) {
			blank := filepath.Join(filepath.Dir(o.Datadir), filepath.Base(o.Datadir)+" my data")
			if err := os.Rename(o.Datadir, blank); err != nil {
				panic(err)
			}
			o.Datadir = blank
		}},
		{"datadir is a link", "M10.11", func(o *serveremul.Options) {
			link := o.Datadir + "-link"
			if err := os.Symlink(o.Datadir, link); err != nil {
				panic(err)
			}
			o.Datadir = link
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := families(t, c.family, c.family)
			r.Known()
			c.edit(&r.Give)
			c.edit(&r.Take)
			for _, o := range []*serveremul.Options{&r.Give, &r.Take} {
				if strings.HasSuffix(o.Datadir, "-link") {
					// WalkDir does not follow its root, and the listing shall be that of the directory.
					target, err := os.Readlink(o.Datadir)
					if err != nil {
						t.Fatal(err)
					}
					o.ExtraArgs, o.Datadir = []string{"--datadir", o.Datadir + "/"}, target
				}
			}
			r.MustRun()
		})
	}
}

// TestNoDefaults: a server that was started with --no-defaults reads no option file, so the program must not either.
func TestNoDefaults(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	serveremul.Put(t, home, "my.cnf", []byte("[trireme]\nstreams=many\n"))
	for _, args := range [][]string{{"--no-defaults", "--wsrep_on=ON"}, {"--wsrep_on=ON"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			r := families(t, "M10.11", "M10.11")
			r.Known()
			for _, o := range []*serveremul.Options{&r.Give, &r.Take} {
				o.DefaultsFile, o.MysqldArgs = "", args
				o.Env = append(o.Env, "MARIADB_HOME="+home, "MYSQL_HOME="+home)
			}
			if args[0] == "--no-defaults" {
				r.MustRun()
				return
			}
			taken := serveremul.StartJoiner(t, r.To, nil, r.Take).Wait()
			mustFail(t, "joiner", taken, 22, "streams", filepath.Join(home, "my.cnf"))
		})
	}
}

// TestAddresses advertises other forms of an address than host and port.
func TestAddresses(t *testing.T) {
	t.Parallel()
	t.Run("IPv6", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Skipf("this host has no IPv6 loopback address: %v", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		r := families(t, "M10.11", "M10.11")
		r.Known()
		r.Take.Address = fmt.Sprintf("[::1]:%d", port)
		_, taken := r.MustRun()
		if !strings.HasPrefix(taken.Ready, r.Take.Address+"/trireme/") {
			t.Errorf("ready %q", taken.Ready)
		}
	})
	for name, address := range map[string]string{
		"nothing": "", "no host": ":4444", "no port": "127.0.0.1:x", "too long": strings.Repeat("a", 300) + ":4444",
		"shell": "$(id):4444", "half a bracket": "[::1:4444",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := families(t, "M10.11", "M10.11")
			r.Take.Address = address
			taken := serveremul.StartJoiner(t, r.To, nil, r.Take).Wait()
			if taken.Err == nil || taken.Ready != "" || taken.ExitCode <= 0 {
				t.Errorf("error %v, exit code %d, ready %q", taken.Err, taken.ExitCode, taken.Ready)
			}
			mustSay(t, "joiner", taken, "failed: ")
		})
	}
	t.Run("of another method", func(t *testing.T) {
		t.Parallel()
		r := families(t, "M10.11", "M10.11")
		r.Give.Address = "127.0.0.1:4444/rsync_sst"
		mustFail(t, "donor", r.StartDonor().Wait(), 71, "both nodes must run this program")
	})
}

// TestPortInUse names who holds the port; nothing else has happened by then.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	for family, code := range map[string]int{"M10.11": 16, "PXC": 11} {
		r := families(t, family, family)
		l, err := net.Listen("tcp", r.Take.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(r.Take.Address)
		before := serveremul.Tree(t, r.Take.Datadir, true)
		taken := serveremul.StartJoiner(t, r.To, nil, r.Take).Wait()
		mustFail(t, "joiner", taken, code, "port "+port+" is in use by ", "(pid "+strconv.Itoa(os.Getpid())+")", "wsrep_sst_receive_address")
		for _, d := range serveremul.Differences(before, serveremul.Tree(t, r.Take.Datadir, true)) {
			t.Errorf("the datadir was touched: %s", d)
		}
	}
}

// TestInheritedInput gives the server an endless standard input of its own, which is not the program's to read.
func TestInheritedInput(t *testing.T) {
	t.Parallel()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	const text = "not for you\n"
	if _, err := out.WriteString(text); err != nil {
		t.Fatal(err)
	}
	r := families(t, "M10.11", "M10.11")
	r.Known()
	r.Give.Stdin, r.Take.Stdin = in, in
	r.MustRun()
	out.Close()
	if left, err := io.ReadAll(in); err != nil || string(left) != text {
		t.Errorf("%q is left on the server's standard input (%v), want %q", left, err, text)
	}
}

// TestSecrets: what comes as a credential appears in no log.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"M10.11", "M11.8", "W57"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := families(t, name, name)
			r.Give.Bypass = true
			r.Give.Auth, r.Take.Auth = "sstuser:dontsayit", "sstuser:dontsayit"
			given, taken := r.MustRun()
			if strings.Contains(given.Stderr+taken.Stderr, "dontsayit") {
				t.Errorf("a password is in the log:\n%s%s", given.Stderr, taken.Stderr)
			}
		})
	}
}

// TestDebug: wsrep_debug shows every setting with its place, in both logs, and no credential among them.
func TestDebug(t *testing.T) {
	t.Parallel()
	r := families(t, "M10.11", "M10.11")
	r.Configure("wsrep_debug=1\nwsrep_sst_auth=sst:dontsayit\n")
	r.Give.Bypass = true
	given, taken := r.MustRun()
	for who, res := range map[string]serveremul.Result{"donor": given, "joiner": taken} {
		mustSay(t, who, res, "[DEBUG] setting wsrep-debug = on ("+r.Option+":2 [mysqld])", "[DEBUG] setting streams = auto (default)")
		if strings.Contains(res.Stderr, "dontsayit") {
			t.Errorf("the %s shows a password:\n%s", who, res.Stderr)
		}
	}
}

// TestStalePidFile finds the mark of a program that is no more; in containers its number may belong to anybody.
func TestStalePidFile(t *testing.T) {
	t.Parallel()
	for _, pid := range []string{"1", strconv.Itoa(os.Getpid()), "4194304", "nonsense", ""} {
		t.Run(pid, func(t *testing.T) {
			t.Parallel()
			r := families(t, "M10.11", "M10.11")
			r.Give.Bypass = true
			serveremul.Put(t, r.Give.Datadir, "wsrep_sst.pid", []byte(pid+"\n"))
			serveremul.Put(t, r.Take.Datadir, "wsrep_sst.pid", []byte(pid+"\n"))
			j := r.StartJoiner()
			given, taken := r.StartDonor().Wait(), j.Wait()
			if given.Err != nil || taken.Err != nil {
				t.Errorf("donor %v, joiner %v\n%s\n%s", given.Err, taken.Err, given.Stderr, taken.Stderr)
			}
		})
	}
}

// TestSecondTransfer starts a program in a datadir where another one works: it waits for its turn. TestSecondTransferGivesUp
// in the tests on real servers waits for the end of its patience.
func TestSecondTransfer(t *testing.T) {
	t.Parallel()
	r := families(t, "M10.11", "M10.11")
	first := r.StartJoiner()
	second := serveremul.StartJoiner(t, r.To, nil, r.Take)
	held := func() string {
		pid, err := os.ReadFile(filepath.Join(r.Take.Datadir, "wsrep_sst.pid"))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(pid))
	}
	owner := held()
	first.Signal(syscall.SIGTERM)
	mustFail(t, "first joiner", first.Wait(), 3)
	if second.Ready() == "" {
		t.Fatalf("the second joiner: %v", second.Wait().Err)
	}
	if now := held(); owner == "" || now == "" || now == owner {
		t.Errorf("the lock file names %q, before it named %q", now, owner)
	}
	second.Signal(syscall.SIGTERM)
	mustFail(t, "second joiner", second.Wait(), 3)
}

// TestNobodyListens starts the program with a closed pipe for its standard error: it works on, and no SIGPIPE ends it.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	defer out.Close()
	dir := t.TempDir()
	serveremul.Put(t, dir, "my.cnf", []byte("[sst]\nsst-initial-timeout=1\n"))
	cmd := exec.Command(filepath.Join(serveremul.InstallSelf(t, "trireme"), "wsrep_sst_trireme"), "--role", "joiner",
		"--address", serveremul.FreeAddress(t), "--datadir", dir+"/", "--defaults-file", filepath.Join(dir, "my.cnf"))
	cmd.Stderr = out
	_ = cmd.Run()
	// It was not told of anything, and waited for its donor until its time was over.
	if code := cmd.ProcessState.ExitCode(); code != 110 {
		t.Errorf("%v, want exit code 110", cmd.ProcessState)
	}
}

// TestNobodyReads starts the program with a closed pipe for its standard output: it must end with a reason, not by SIGPIPE.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	defer out.Close()
	dir := t.TempDir()
	cnf := filepath.Join(dir, "my.cnf")
	serveremul.Put(t, dir, "my.cnf", nil)
	cmd := exec.Command(filepath.Join(serveremul.InstallSelf(t, "trireme"), "wsrep_sst_trireme"), "--role", "joiner",
		"--address", serveremul.FreeAddress(t), "--datadir", dir+"/", "--defaults-file", cnf)
	cmd.Stdout = out
	var log strings.Builder
	cmd.Stderr = &log
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 32 || !strings.Contains(log.String(), "failed: ") {
		t.Errorf("%v:\n%s", cmd.ProcessState, log.String())
	}
	if entries, err := os.ReadDir(dir); err != nil || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "my.cnf" }) || len(entries) != 1 {
		t.Errorf("left in the datadir: %v (%v)", entries, err)
	}
}
