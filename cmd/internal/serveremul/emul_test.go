package serveremul

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main()
	goleak.VerifyTestMain(m)
}

const (
	position = "a5f2bd5a-0001-11ee-8d3c-0242ac120002:42"
	earlier  = "a5f2bd5a-0001-11ee-8d3c-0242ac120002:41"
)

// script writes a program in shell, named as the server looks for it, and returns the directory for Options.PATH. The
// emulator is tested with it instead of our own program, so that both cannot be wrong in the same way.
func script(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wsrep_sst_trireme"), []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flushWait is the donor's part of a lock window in shell; it takes the last version of the report.
const flushWait = `
while [ $# -gt 0 ]; do case "$1" in --datadir) D=$2;; esac; shift; done
rm -f "$D"tables_flushed "$D"sst_error
echo "flush tables"
while :; do
  [ -e "$D"sst_error ] && { rm -f "$D"sst_error; exit 255; }
  [ -e "$D"tables_flushed ] && [ "$(wc -l < "$D"tables_flushed)" = 1 ] && break
  sleep 0.01
done
P=$(cat "$D"tables_flushed)
rm -f "$D"tables_flushed
`

func TestJoinerRules(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, tc := range []struct {
		name      string
		body      string
		profiles  []string // empty = all
		ok        bool
		violation string // part of one; empty = there must be none
	}{
		{name: "clean", body: "echo ready h:1/x; echo " + position, ok: true},
		{name: "domain", body: "echo ready h:1/x; echo " + position + " 5", ok: true},
		{name: "no ready", body: "exit 22"},
		{name: "no final line", body: "echo ready h:1/x; exit 32"},
		{name: "exit 0 without final", body: "echo ready h:1/x", violation: "exit code 0"},
		{name: "stray first", body: "echo hello; echo ready h:1/x; echo " + position, violation: `"hello" is not ready`},
		{name: "stray middle", body: "echo ready h:1/x; echo hello; echo " + position, violation: `final line "hello"`},
		{name: "stray last", body: "echo ready h:1/x; echo " + position + "; echo bye", ok: true, violation: `after the end: "bye"`},
		{name: "stray byte", body: "echo ready h:1/x; echo " + position + "; printf x", ok: true, violation: `after the end: "x"`},
		{name: "stray newline", body: "echo ready h:1/x; echo; echo " + position, violation: `final line "" is not`},
		{name: "no newline", body: "echo ready h:1/x; printf " + position, ok: true, violation: "without its end"},
		{name: "carriage return", body: `echo ready h:1/x; printf "` + position + ` 0\r\n"`, ok: true, violation: "control character"},
		{name: "ready of 600", body: "echo ready " + long + "; echo " + position, violation: "final line"},
		{name: "ready of 300", body: "echo ready " + long[:300] + "; echo " + position, ok: true, violation: "ready line of 306 bytes"},
		{name: "unasked progress", body: "echo ready h:1/x; echo total 5; echo " + position, profiles: []string{"M10.5", "M10.11", "M11.8", "W80"}, ok: true, violation: "not asked for"},
		{name: "unknown progress", body: "echo ready h:1/x; echo total 5; echo " + position, profiles: []string{"M10.3", "M10.4e", "W57", "PXC"}, violation: "does not know"},
		{name: "bad exit", body: "echo ready h:1/x; echo " + position + "; exit 5", profiles: []string{"M10.3", "M10.11", "M11.8", "W80"}, ok: true},
		{name: "bad exit checked", body: "echo ready h:1/x; echo " + position + "; exit 5", profiles: []string{"PXC", "W57"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := script(t, tc.body)
			for _, p := range Profiles {
				if len(tc.profiles) > 0 && !slices.Contains(tc.profiles, p.Name) {
					continue
				}
				r := StartJoiner(t, p, nil, Options{Datadir: t.TempDir(), PATH: dir, Address: "127.0.0.1", Tolerate: true}).Wait()
				check(t, p, r, tc.ok, tc.violation)
			}
		})
	}
}

func TestDonorRules(t *testing.T) {
	for _, tc := range []struct {
		name      string
		body      string
		edit      func(*Options)
		ok        bool
		violation string
	}{
		{name: "bypass", body: "echo continue; echo done " + position, ok: true},
		{name: "full", body: flushWait + `echo continue; echo "done $P"`, ok: true},
		{name: "done while locked", body: flushWait + `echo "done $P"`, ok: true, violation: "at this point"},
		{name: "two windows", body: flushWait + "echo continue\n" + flushWait + `echo continue; echo "done $P"`, ok: true},
		{name: "flush while locked", body: flushWait + `echo "flush tables"; exit 1`, violation: "while the tables are locked"},
		{name: "stray", body: "echo hello; exit 1", violation: `unknown signal "hello"`},
		{name: "stray after done", body: "echo done " + position + "; echo x", ok: true, violation: `after the end: "x"`},
		{name: "long line", body: "printf %200s x; echo; exit 1", violation: "within the buffer"},
		{name: "exit without done", body: "exit 32"},
		{name: "exit 0 without done", body: "exit 0", violation: "exit code 0 without done"},
		{name: "code after done", body: "echo done " + position + "; exit 9", ok: true, violation: "exit code 9 after done"},
		{name: "no position", body: "echo done nothing; exit 0", violation: "no position"},
		{
			name: "leftover", body: "echo done " + position, ok: true, violation: "files left",
			edit: func(o *Options) {
				_ = os.WriteFile(filepath.Join(o.Datadir, "tables_flushed"), []byte(earlier+"\n"), 0o600)
			},
		},
		{
			name: "stale", body: `echo "flush tables"; sleep 0.2; echo continue; exit 1`, violation: "is there when the flush begins",
			edit: func(o *Options) {
				_ = os.WriteFile(filepath.Join(o.Datadir, "tables_flushed"), []byte(earlier+"\n"), 0o600)
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := script(t, tc.body)
			for _, p := range Profiles {
				if tc.name == "long line" && p.DonorBuffer > 200 {
					continue
				}
				o := Options{Datadir: t.TempDir(), PATH: dir, Address: "h:1/x", GTID: position, Tolerate: true}
				if tc.edit != nil {
					tc.edit(&o)
				}
				check(t, p, StartDonor(t, p, nil, o).Wait(), tc.ok, tc.violation)
			}
		})
	}
}

func check(t *testing.T, p Profile, r Result, ok bool, violation string) {
	t.Helper()
	if (r.Err == nil) != ok {
		t.Errorf("%s: error %v, success expected: %v\n%s", p.Name, r.Err, ok, r.Stderr)
	}
	all := strings.Join(r.Violations, "\n")
	if violation == "" && all != "" || !strings.Contains(all, violation) {
		t.Errorf("%s: violations %q, expected %q", p.Name, r.Violations, violation)
	}
}

func TestFlushFailure(t *testing.T) {
	dir := script(t, `( sleep 0.5; kill $$ ) 2>/dev/null >/dev/null &
`+flushWait)
	for _, name := range []string{"M10.11", "PXC"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ByName(name)
			var frozen bool
			r := StartDonor(t, p, nil, Options{
				Datadir: t.TempDir(), PATH: dir, Address: "h:1/x", GTID: position,
				OnFlush: func() (string, error) { return "", errors.New("lock wait timeout exceeded") },
				Freeze:  func() { frozen = true },
			}).Wait()
			if r.Err == nil || !strings.Contains(r.Err.Error(), "lock wait timeout") || frozen {
				t.Errorf("error %v, frozen %v", r.Err, frozen)
			}
			if p.ErrorFile != (r.ExitCode == 255) {
				t.Errorf("exit code %d, error file %v", r.ExitCode, p.ErrorFile)
			}
		})
	}
}

func TestLockOrder(t *testing.T) {
	dir := script(t, flushWait+`echo continue; echo "done $P"`)
	for _, p := range Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			var events []string
			datadir := t.TempDir()
			seen := func(what string) func() {
				return func() {
					_, err := os.Stat(filepath.Join(datadir, "tables_flushed"))
					if what == "freeze" && (err == nil) != p.FileFirst {
						// The script may have removed it already; that is all that can differ.
						if !p.FileFirst {
							what = "freeze after report"
						}
					}
					events = append(events, what)
				}
			}
			r := StartDonor(t, p, nil, Options{
				Datadir: datadir, PATH: dir, Address: "h:1/x", GTID: position, Domain: "3", First: earlier,
				OnFlush: func() (string, error) { seen("flush")(); return "", nil },
				Freeze:  seen("freeze"), Thaw: seen("thaw"),
			}).Wait()
			if r.Err != nil {
				t.Fatalf("%v\n%s", r.Err, r.Stderr)
			}
			if !slices.Equal(events, []string{"flush", "freeze", "thaw"}) {
				t.Errorf("events %q", events)
			}
			want := position
			switch p.Family {
			case "mariadb":
				want += " 3"
			case "codership80":
				want += " " + position + " 7"
			}
			if r.Done != want || len(r.Locks) != 1 || !r.Locks[0].Continued {
				t.Errorf("done %q, expected %q, locks %+v", r.Done, want, r.Locks)
			}
		})
	}
}

// TestCommandLine shows what arrives in the program: words, environment, standard input, open files.
func TestCommandLine(t *testing.T) {
	dir := script(t, `
{ for a in "$@"; do echo "arg:$a"; done; env | grep -E "^(WSREP|INNODB)" ; ls /proc/self/fd | tr "\n" " " ; echo
case $(readlink /proc/self/fd/0) in pipe*) sed s/^/in:/ ;; esac; } >&2
exit 1`)
	for _, tc := range []struct {
		profile string
		donor   bool
		has     []string
		hasNot  []string
	}{
		{"M10.11", false, []string{"arg:--progress\narg:1\n", "arg:--parent", "arg:/d f.cnf", "WSREP_SST_OPT_AUTH=u:p", "INNODB_DATA_HOME_DIR=/ib", "arg:--mysqld-args\narg:--no-defaults\narg:--x=a b\narg:$HOME\n"}, []string{"in:", "--gtid"}},
		{"M10.11", true, []string{"arg:--gtid\narg:" + position, "arg:--gtid-domain-id\narg:9\n", "arg:--local-port\narg:3306", "WSREP_SST_OPT_REMOTE_AUTH=cn:secret", "arg:h:1/x\n"}, []string{"--parent", "in:"}},
		{"M10.3", true, []string{"arg:--gtid-domain-id"}, []string{"--progress", "--local-port", "REMOTE_AUTH"}},
		{"M11.8", true, []string{"in:sst_user=u", "in:sst_password=p", "in:sst_remote_user=cn", "in:sst_remote_password=secret"}, []string{"WSREP_SST_OPT"}},
		{"W57", false, []string{"arg:--auth\narg:u:p\n"}, []string{"--progress", "WSREP_SST_OPT", "--mysqld-args"}},
		{"W80", false, []string{"arg:--mysqld-version\n", "arg:--defaults-group-suffix\narg:\n", "arg:/usr/lib/mysql/plugin\narg:\narg:\n"}, []string{"--basedir"}},
		{"PXC", false, []string{"arg:--basedir", "arg:--plugindir", "arg:--parent\n", "arg:8.0.36-28.1\narg:\n"}, []string{"--progress", "--binlog", "WSREP_SST"}},
		{"PXC", true, []string{"in:sst_user=mysql.pxc.sst.user", "arg:--gtid"}, []string{"--parent", "--local-port"}},
	} {
		p := ByName(tc.profile)
		o := Options{
			Datadir: t.TempDir(), PATH: dir, Address: "h:1/x", GTID: position, Domain: "9", Progress: true, Auth: "u:p",
			InnoDBDataHome: "/ib", MysqldArgs: []string{"--no-defaults", "--x=a b", "", "$HOME"},
		}
		if p.Family != "codership80" && p.Family != "pxc" {
			o.DefaultsFile = "/d f.cnf"
		}
		var r Result
		if tc.donor {
			if p.Address == AddressAuth {
				o.Address = "cn:secret@h:1/x"
			}
			r = StartDonor(t, p, nil, o).Wait()
		} else {
			r = StartJoiner(t, p, nil, o).Wait()
		}
		for _, s := range tc.has {
			if !strings.Contains(r.Stderr, s) {
				t.Errorf("%s donor=%v: no %q in\n%s", p.Name, tc.donor, s, r.Stderr)
			}
		}
		for _, s := range tc.hasNot {
			if strings.Contains(r.Stderr, s) {
				t.Errorf("%s donor=%v: %q in\n%s", p.Name, tc.donor, s, r.Stderr)
			}
		}
	}
}

func TestRequest(t *testing.T) {
	for _, tc := range []struct {
		address, method string
		refusedBy       []string
	}{
		{"h:4444/x/1/abc-DEF_0.9", "trireme", nil},
		{"[2001:db8::1]:4444/x", "trireme", nil},
		{"cn:secret@h:4444/x", "trireme", []string{"M10.3", "M10.4e", "PXC"}},
		{"[fe80::1%eth0]:1/x", "trireme", []string{"M10.3", "M10.4e", "M10.5", "M10.11", "M11.8", "W80", "PXC"}},
		{"h:1/x;reboot", "trireme", []string{"M10.3", "M10.4e", "M10.5", "M10.11", "M11.8", "W80", "PXC"}},
		{"h:1/x", "tri reme", []string{"M10.3", "M10.4e", "M10.5", "M10.11", "M11.8", "W80", "PXC"}},
		{"h:1/x", "other", []string{"PXC"}},
	} {
		for _, p := range Profiles {
			_, _, err := p.request(Options{Address: tc.address, Method: tc.method, Allowed: []string{"trireme"}})
			if refused := slices.Contains(tc.refusedBy, p.Name); refused != (err != nil) {
				t.Errorf("%s: %s %s: %v, refusal expected: %v", p.Name, tc.method, tc.address, err, refused)
			}
		}
	}
	d := StartDonor(t, ByName("PXC"), nil, Options{Address: "a@h:1", Datadir: t.TempDir()})
	if r := d.Wait(); r.Err == nil {
		t.Error("PXC started a donor for an address with @")
	}
}

func TestSignalsAndDeath(t *testing.T) {
	dir := script(t, `trap "echo caught >&2; exit 3" TERM
echo ready h:1/x; echo waiting >&2
while :; do sleep 0.02; [ -d /proc/$P ] || exit 32; done`)
	opts := func(t *testing.T) Options {
		return Options{Datadir: t.TempDir(), PATH: dir, Address: "h", Env: []string{"P=1"}}
	}
	t.Run("signal", func(t *testing.T) {
		t.Parallel()
		j := StartJoiner(t, ByName("M10.11"), nil, opts(t))
		if addr := j.Ready(); addr != "h:1/x" {
			t.Fatalf("address %q", addr)
		}
		j.Signal(syscall.SIGTERM)
		if r := j.Wait(); r.ExitCode != 3 || r.Err == nil {
			t.Errorf("exit code %d, error %v", r.ExitCode, r.Err)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		j := StartJoiner(t, ByName("PXC"), nil, opts(t))
		j.Ready()
		j.Cancel()
		if r := j.Wait(); r.ExitCode == 0 || !strings.Contains(r.Stderr, "caught") {
			t.Errorf("exit code %d, %s", r.ExitCode, r.Stderr)
		}
	})
	t.Run("limit", func(t *testing.T) {
		t.Parallel()
		o := opts(t)
		o.Timeout = 300 * time.Millisecond
		if r := StartJoiner(t, ByName("M10.11"), nil, o).Wait(); r.Err == nil || !strings.Contains(r.Err.Error(), "limit") {
			t.Errorf("error %v", r.Err)
		}
	})
	t.Run("server killed", func(t *testing.T) {
		t.Parallel()
		o := opts(t)
		o.Mortal = true
		// The script watches the pid that it was given as --parent.
		o.PATH = script(t, `while [ $# -gt 0 ]; do [ "$1" = --parent ] && P=$2; shift; done
echo ready h:1/x
while [ -d /proc/$P ]; do sleep 0.02; done
echo gone >&2; exit 32`)
		j := StartJoiner(t, ByName("M10.11"), nil, o)
		j.Ready()
		j.KillServer()
		if r := j.Wait(); !strings.Contains(r.Stderr, "gone") || r.Err == nil {
			t.Errorf("error %v, stderr %q", r.Err, r.Stderr)
		}
	})
}

// TestPipeOfDeadServer shows the trap of sst-contract 2.1: MariaDB up to 10.11 leaves its child a reading end.
func TestPipeOfDeadServer(t *testing.T) {
	body := `trap "" PIPE
echo ready h:1/x; echo up >&2
while [ ! -e "$D" ]; do sleep 0.02; done
if echo total 1 2>/dev/null; then echo wrote >&2; else echo broken >&2; fi
exit 1`
	for name, want := range map[string]string{"M10.11": "wrote", "M11.8": "broken", "PXC": "broken"} {
		flag := filepath.Join(t.TempDir(), "go")
		j := StartJoiner(t, ByName(name), nil, Options{
			Datadir: t.TempDir(), PATH: script(t, body), Address: "h", Mortal: true, Env: []string{"D=" + flag},
		})
		j.Ready()
		j.KillServer()
		if err := os.WriteFile(flag, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := j.Wait(); !strings.Contains(r.Stderr, want) {
			t.Errorf("%s: stderr %q, expected %q", name, r.Stderr, want)
		}
	}
}
