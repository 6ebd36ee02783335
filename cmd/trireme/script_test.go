//go:build !integration

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"trireme/bench/cluster"
)

// TestScripts runs the transcripts in testdata/script. Beside testscript's own commands they have
//
//	datadir DIR [MiB]     make a small datadir
//	serve FILE...         hold the lock that a server has on each file, until the script ends
//	receive [FLAG...] DIR run "trireme receive" in the background and put its ticket into $TICKET
//	received CODE         wait for it, which must end with CODE; its output is what stdout and stderr then look at
//	cut                   end the receiver as a crash would
//	same A B              A and B hold the same data
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Values[receiving{}] = new(receiver)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each line otherwise; the program waits for its goroutines
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"datadir": makeDatadir, "serve": serve, "receive": receive, "received": received, "cut": cut, "same": same,
		},
	})
}

// makeDatadir writes what a stopped server leaves, in small.
func makeDatadir(ts *testscript.TestScript, _ bool, args []string) {
	dir, extra := ts.MkAbs(args[0]), 1
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		extra = n
	}
	random := rand.NewChaCha8([32]byte{1})
	sizes := map[string]int{
		"ibdata1": 1 << 20, "ib_logfile0": 1 << 20, "undo001": 1 << 20, "aria_log_control": 52, "aria_log.00000001": 16 << 10,
		"mysql/db.opt": 60, "mysql/user.MAI": 8 << 10, "shop/db.opt": 60, "shop/orders.MYD": extra << 20, "shop/orders.MYI": 1 << 10,
		"auto.cnf": 56, "grastate.dat": 100, "galera.cache": 4 << 10, "ib_buffer_pool": 99, "server-key.pem": 99,
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		b := make([]byte, sizes[name])
		_, _ = random.Read(b) // never fails
		if name == "ibdata1" {
			clear(b[:58])
			b[49], b[57] = 64, 0x15 // its pages, and their size in the format of today
		}
		path := filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		ts.Check(os.WriteFile(path, b, 0o660))
	}
}

// serve takes the locks of a server: those of the process, for writing.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		f, err := os.OpenFile(ts.MkAbs(name), os.O_RDWR, 0)
		ts.Check(err)
		ts.Defer(func() { f.Close() })
		ts.Check(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	}
}

// receiving is the key of a script's receiver.
type receiving struct{}

type receiver struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	reading   sync.WaitGroup
}

func (r *receiver) wait() int {
	r.reading.Wait()
	err := r.cmd.Wait()
	r.cmd = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -2
	}
	return 0
}

func current(ts *testscript.TestScript) *receiver {
	r, ok := ts.Value(receiving{}).(*receiver)
	if !ok {
		ts.Fatalf("no receiver")
	}
	return r
}

func receive(ts *testscript.TestScript, _ bool, args []string) {
	r := current(ts)
	if r.cmd != nil {
		ts.Fatalf("a receiver runs already")
	}
	r.out.Reset()
	r.errs.Reset()
	program, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "trireme"))
	ts.Check(err)
	cmd := exec.Command(program, append([]string{"receive", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), &r.errs
	pipe, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	r.cmd = cmd
	ts.Defer(func() {
		if r.cmd != nil {
			_ = r.cmd.Process.Kill() // the script failed before it came to wait
			r.wait()
		}
	})
	lines := bufio.NewReader(pipe)
	line, err := lines.ReadString('\n')
	r.out.WriteString(line)
	if err != nil {
		code := r.wait()
		ts.Fatalf("receive ended with %d before it printed a ticket: %s", code, r.errs.String())
	}
	r.reading.Go(func() { _, _ = io.Copy(&r.out, lines) })
	words := strings.Fields(line)
	ts.Setenv("TICKET", strings.Trim(words[len(words)-1], `"}`))
	ts.Logf("[receive] %s", line)
}

func received(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	r := current(ts)
	code := r.wait()
	ts.Logf("[receive stdout]\n%s[receive stderr]\n%s", r.out.String(), r.errs.String())
	ts.Check(os.WriteFile(ts.MkAbs("receive.out"), r.out.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("receive.err"), r.errs.Bytes(), 0o600))
	if code != want {
		ts.Fatalf("receive ended with %d, want %d", code, want)
	}
}

func cut(ts *testscript.TestScript, _ bool, _ []string) {
	r := current(ts)
	ts.Check(r.cmd.Process.Kill())
	r.wait()
}

func same(ts *testscript.TestScript, neg bool, args []string) {
	exclude := func(rel string) bool { return cluster.NotTransferred(rel) || rel == "server-key.pem" }
	a, err := cluster.TreeHash(context.Background(), ts.MkAbs(args[0]), exclude)
	ts.Check(err)
	b, err := cluster.TreeHash(context.Background(), ts.MkAbs(args[1]), exclude)
	ts.Check(err)
	if diff := cluster.Diff(a, b); (len(diff) > 0) != neg || len(a) == 0 {
		ts.Fatalf("%d names, differences %q", len(a), diff)
	}
}
