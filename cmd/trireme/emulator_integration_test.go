//go:build integration

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"trireme/bench/cluster"
	"trireme/cmd/internal/serveremul"
)

// scripted is a state transfer program in shell that plays one part in each role. The parts find the datadir in D, the
// position to report in G, and a directory that both nodes share in S. A joiner waits for a donor by come, and a donor copies its
// datadir under the lock by copy_locked, which leaves the position in P. It looks at content, because the times of a redo log that
// the server has mapped on tmpfs do not move, and until a look finds nothing to copy.
const scripted = `#!/bin/bash
S=%s
while [ $# -gt 0 ]; do
  case $1 in --role) R=$2 ;; --datadir) D=$2 ;; --gtid) G=$2 ;; --parent) PARENT=$2 ;; --mysqld-args) break ;; esac
  shift
done
come() {
  while [ ! -e "$S/go" ]; do kill -0 "$PARENT" || exit 32; sleep 0.02; done 2>/dev/null
}
flush() {
  rm -f "$D"tables_flushed "$D"sst_error
  echo "flush tables"
  until [ -e "$D"tables_flushed ] && [ "$(wc -l <"$D"tables_flushed)" = 1 ]; do [ -e "$D"sst_error ] && exit 255; sleep 0.02; done
  P=$(cat "$D"tables_flushed)
  rm -f "$D"tables_flushed
}
copy_locked() {
  flush
  for look in 1 2 3 4 5 6 7 8 9; do
    moved=$(rsync -aci --delete --exclude=/grastate.dat --exclude=/gvwstate.dat --exclude=/galera.cache --exclude='*.pid' "$D" "$(cat "$S/where")") || exit 1
    case $moved in *'>f'*|*'*deleting'*) ;; *) echo continue; return ;; esac
  done
  exit 1
}
long=$(printf %%600s | tr ' ' x)
if [ "$R" = joiner ]; then
echo "$D" >"$S/where"
%s
else
%s
fi
`

const (
	waits = "echo ready 127.0.0.1:4444/x\ncome\n"
	lets  = "\n: >\"$S/go\"\n"
)

// exchanges are conversations and what a server makes of them. The same script talks to the emulated and to the real server.
var exchanges = []struct {
	name, joiner, donor string
}{
	{"stray donor line", waits, "echo hello"},
	{"donor's exit code", waits, "exit 32"},
	{"donor ends without a word", waits, "exit 0"},
	{"long donor line", waits, `echo "${long:0:200}"; exit 32`},
	{"done without a position", waits, "echo done nothing"},
	{"bad final line", waits + "echo nothing", "echo done $G" + lets},
	{"no final line", waits + "exit 32", "echo done $G" + lets},
	{"long ready line", `echo "ready 127.0.0.1:4444/$long"; come; echo $(cat "$S/go")`, "echo done $G" + lets},
	{"no ready line", "exit 22", "exit 1"},
	{"stray joiner line", "echo hello; echo ready 127.0.0.1:4444/x; echo $(cat /proc/sys/kernel/random/uuid):5", "exit 1"},
	// The last one succeeds, in spite of lines and exit codes that servers do not look at.
	{
		"two windows", waits + `echo total 9; echo complete 9; cat "$S/go"; exit 5`,
		`copy_locked; copy_locked; echo total 5; echo complete 5; echo "DONE $P"; echo "$P" >"$S/go"; exit 9`,
	},
}

// outcome is what a server says about its part.
type outcome struct {
	donor  string // complete, failed: ERRNO, or never asked
	joined bool
}

// TestEmulator holds the emulator of MariaDB 10.11 against the server that it emulates.
func TestEmulator(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	r.boot()
	r.two.Set("mysqld", "wsrep-sst-method", "scripted")
	for _, e := range exchanges {
		t.Run(e.name, func(t *testing.T) {
			got := r.in(t).exchange(e.joiner, e.donor)
			want := emulated(t, e.joiner, e.donor, nil)
			if got != want {
				t.Errorf("the server says %+v, the emulator %+v", got, want)
			}
			t.Logf("%+v", got)
		})
	}
	t.Run("refused lock", func(t *testing.T) {
		r := r.in(t)
		r.exec(r.one, "SET GLOBAL lock_wait_timeout=1; CREATE DATABASE IF NOT EXISTS rig; CREATE TABLE rig.held (id INT PRIMARY KEY) ENGINE=InnoDB")
		db, err := r.one.DB()
		r.must(err)
		holder, err := db.Conn(r.ctx)
		r.must(err)
		defer holder.Close()
		_, err = holder.ExecContext(r.ctx, "LOCK TABLES rig.held WRITE")
		r.must(err)
		got := r.exchange(waits, "flush; echo continue; echo done $P")
		want := emulated(t, waits, "flush; echo continue; echo done $P", errors.New("lock wait timeout exceeded"))
		// The server words this by a number of its own, whatever the program's exit code is.
		if !strings.HasPrefix(got.donor, "failed: ") || !strings.HasPrefix(want.donor, "failed: ") || got.joined || want.joined {
			t.Errorf("the server says %+v, the emulator %+v", got, want)
		}
	})
}

var transferred = regexp.MustCompile(`State transfer to \S+ \([^)]*\) (complete|failed: [^\n]*)`)

// exchange makes a real node join by the parts and says how it went. The node is stopped at the end.
func (r *pair) exchange(joiner, donor string) outcome {
	r.Helper()
	shared := r.shared("scripted")
	r.must(os.RemoveAll(filepath.Join(shared, "go")))
	program := filepath.Join(r.TempDir(), "scripted")
	r.must(os.WriteFile(program, fmt.Appendf(nil, scripted, shared, joiner, donor), 0o700))
	r.must(r.c.InstallMethod("scripted", program))
	mark := len(r.one.ErrorLog())
	r.start()
	synced := r.two.WaitSynced(r.ctx) == nil
	if synced {
		r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
		r.must(r.two.Stop(r.ctx))
	} else {
		_ = r.two.Wait(r.ctx) // its server has given up, which is known
	}
	r.must(r.one.WaitSynced(r.ctx))
	o := outcome{donor: "never asked", joined: synced}
	if m := transferred.FindStringSubmatch(r.one.ErrorLog()[mark:]); m != nil {
		o.donor = strings.TrimRight(m[1], " ")
	}
	return o
}

// emulated is the same in the emulator.
func emulated(t *testing.T, joiner, donor string, flush error) outcome {
	t.Helper()
	shared, path := t.TempDir(), t.TempDir()
	serveremul.Put(t, path, "wsrep_sst_scripted", fmt.Appendf(nil, scripted, shared, joiner, donor))
	if err := os.Chmod(filepath.Join(path, "wsrep_sst_scripted"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := serveremul.ByName("M10.11")
	take := serveremul.Options{
		Datadir: t.TempDir(), Address: "127.0.0.1:4444", Method: "scripted", PATH: path, GTID: serveremul.Position, Tolerate: true, Mortal: true,
	}
	give := take
	give.Datadir, give.Mortal = t.TempDir(), false
	give.OnFlush = func() (string, error) { return "", flush }
	j := serveremul.StartJoiner(t, p, nil, take)
	o := outcome{donor: "never asked"}
	if give.Address = j.Ready(); give.Address != "" {
		given := serveremul.StartDonor(t, p, nil, give).Wait()
		o.donor = "complete"
		if given.Err != nil {
			o.donor = "failed: " + errnoText(given.Err)
			j.KillServer() // its provider aborts
		}
	}
	o.joined = j.Wait().Err == nil
	return o
}

// errnoText is how a provider words an error number.
func errnoText(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	text := number.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
