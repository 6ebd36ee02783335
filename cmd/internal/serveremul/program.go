package serveremul

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start is how a program is to be started; the roles fill it.
type start struct {
	command string   // for sh -c
	env     []string // on top of the server's
	stdin   []string // lines for a pipe; nil = inherited
}

// program is one started SST program and the server's end of its channels.
type program struct {
	t testing.TB
	p Profile
	o Options

	cmd   *exec.Cmd
	out   *os.File // the server's reading end of standard output
	lines *lineReader
	child int // pid of the SST program, when a stand-in lies between
	pidfd int // the same as a handle; -1 otherwise

	wg   sync.WaitGroup
	once sync.Once

	mu     sync.Mutex
	res    Result
	killed string // why the emulator ended the program
	reaped bool   // the process number may belong to somebody else
}

// launch starts the program and the goroutine that serves it. serve reads the role's conversation and judge looks at the
// whole; both run in that goroutine.
func launch(t testing.TB, p Profile, o Options, s start, serve func(*program) error, judge func(*program, error) error) *program {
	t.Helper()
	g := &program{t: t, p: p, o: o, pidfd: -1}
	outR, outW := mustPipe(t)
	errR, errW := mustPipe(t)
	g.out, g.lines = outR, newLineReader(outR, p.JoinerBuffer)
	in := stdin(t, o, s)
	if err := g.start(s, in, outW, errW); err != nil {
		t.Fatalf("serveremul: start %s: %v", s.command, err)
	}
	for _, f := range []*os.File{in, outW, errW} {
		if f != o.Stdin {
			f.Close()
		}
	}
	limit := time.AfterFunc(o.Timeout, func() { g.kill("the emulator's limit of " + o.Timeout.String() + " has passed") })
	g.wg.Go(func() {
		var stderr strings.Builder
		_, _ = io.Copy(&stderr, errR)
		errR.Close()
		g.mu.Lock()
		g.res.Stderr = stderr.String()
		g.mu.Unlock()
	})
	g.wg.Go(func() {
		defer limit.Stop()
		served := serve(g)
		g.drain()
		code := exitCode(g.reap())
		outR.Close()
		g.mu.Lock()
		g.res.ExitCode = code
		g.mu.Unlock()
		err := judge(g, served)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.killed != "" {
			err = errors.New(g.killed)
		}
		g.res.Err = err
	})
	t.Cleanup(func() {
		g.kill("the test is over")
		g.wait()
	})
	return g
}

// start runs the command, in between a stand-in for the server when the test wants to kill that.
func (g *program) start(s start, in, out, stderr *os.File) error {
	env := append(serverEnv(g.o), s.env...)
	var extra []*os.File
	var pidR, pidW *os.File
	if g.o.Mortal {
		self := g.o.Server
		if self == "" {
			var err error
			if self, err = os.Executable(); err != nil {
				return err
			}
		}
		pidR, pidW = mustPipe(g.t)
		defer pidR.Close()
		defer pidW.Close()
		g.cmd = exec.Command(self)
		env = append(env, standInEnv+"="+s.command)
		if g.p.OwnSession {
			env = append(env, standInSessionEnv+"=1")
		}
		extra = append(extra, pidW)
	} else {
		g.cmd = exec.Command("sh", "-c", strings.ReplaceAll(s.command, parentMark, strconv.Itoa(os.Getpid())))
		g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: g.p.OwnSession}
	}
	if g.p.KeepReadEnd {
		end, err := reopen(g.out)
		if err != nil {
			return err
		}
		defer end.Close()
		extra = append(extra, end)
	}
	g.cmd.Env, g.cmd.ExtraFiles = env, extra
	g.cmd.Stdin, g.cmd.Stdout, g.cmd.Stderr = in, out, stderr
	if err := g.cmd.Start(); err != nil {
		return err
	}
	if !g.o.Mortal {
		return nil
	}
	pidW.Close()
	data, err := io.ReadAll(pidR)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("the stand-in did not start (is Main called in TestMain?): %w", err)
	}
	g.child = pid
	g.pidfd, err = unix.PidfdOpen(pid, 0)
	return err
}

// reap waits for the process, and marks it before its number becomes free.
func (g *program) reap() error {
	pid := g.cmd.Process.Pid
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	g.mu.Lock()
	g.reaped = true
	g.mu.Unlock()
	return g.cmd.Wait()
}

// reopen opens another reading end of a pipe. A shared one would not do: handing a file to a process makes it blocking,
// and then closing ours would not end a read.
func reopen(f *os.File) (*os.File, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var end *os.File
	var openErr error
	err = conn.Control(func(fd uintptr) {
		end, openErr = os.Open("/proc/self/fd/" + strconv.Itoa(int(fd)))
	})
	return end, errors.Join(err, openErr)
}

// serverEnv is the environment of the emulated server.
func serverEnv(o Options) []string {
	var env []string
	path := os.Getenv("PATH")
	if o.PATH != "" {
		path = o.PATH + ":" + path
	}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "WSREP_"), strings.HasPrefix(name, "INNODB_"), name == "PATH", name == standInEnv:
		default:
			env = append(env, kv)
		}
	}
	// A program under the race detector would sleep for a second at its end, for races that are just happening.
	env = append(env, "PATH="+path, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	if o.InnoDBDataHome != "" {
		env = append(env, "INNODB_DATA_HOME_DIR="+o.InnoDBDataHome)
	}
	return append(env, o.Env...)
}

// stdin returns the program's standard input. A pipe holds a few short lines, so they fit before anybody reads.
func stdin(t testing.TB, o Options, s start) *os.File {
	if s.stdin != nil {
		r, w := mustPipe(t)
		if _, err := w.WriteString(strings.Join(s.stdin, "")); err != nil {
			t.Fatalf("serveremul: fill standard input: %v", err)
		}
		w.Close()
		return r
	}
	if o.Stdin != nil {
		return o.Stdin
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatalf("serveremul: %v", err)
	}
	return f
}

func mustPipe(t testing.TB) (r, w *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("serveremul: %v", err)
	}
	return r, w
}

// next reads a line for the role's conversation; false at the end of the stream.
func (g *program) next() (string, bool) {
	text, whole, err := g.lines.next()
	if err != nil {
		return "", false
	}
	if !whole {
		g.violate("line without its end within the buffer of %d bytes: %q", g.lines.limit+1, text)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		g.violate("control character in line %q", text)
	}
	if g.o.OnLine != nil {
		g.o.OnLine(text)
	}
	return text, true
}

// drain reads what comes after the end of the conversation: there must be nothing.
func (g *program) drain() {
	for {
		text, ok := g.next()
		if !ok {
			return
		}
		g.violate("line after the end: %q", text)
	}
}

// progress takes a total or complete line where the server knows them.
func (g *program) progress(text string) bool {
	if !hasPrefix(text, "total") && !hasPrefix(text, "complete") {
		return false
	}
	if !g.p.Reports {
		g.violate("line %q for a server that does not know it", text)
		return false
	}
	if !g.o.Progress || !g.p.PassProgress {
		g.violate("line %q that was not asked for", text)
	}
	word, number, _ := strings.Cut(text, " ")
	if n, err := strconv.ParseInt(number, 10, 64); err != nil || n < 0 || word != "total" && word != "complete" {
		g.violate("unreadable number in line %q", text)
	}
	g.mu.Lock()
	g.res.Progress = append(g.res.Progress, text)
	g.mu.Unlock()
	return true
}

func (g *program) violate(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.res.Violations = append(g.res.Violations, fmt.Sprintf(format, args...))
}

// signal sends sig to the program and its children while it has not been waited for.
func (g *program) signal(sig syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.pidfd >= 0:
		// The probe fails when the process has ended, and its number may be somebody else's.
		if unix.PidfdSendSignal(g.pidfd, 0, nil, 0) == nil {
			signalTree(g.child, sig)
		}
	case !g.o.Mortal && !g.reaped:
		signalTree(g.cmd.Process.Pid, sig)
	}
}

// kill ends the program and its stand-in, without judgement on what it did.
func (g *program) kill(why string) {
	g.mu.Lock()
	if g.killed == "" {
		g.killed = why
	}
	g.mu.Unlock()
	g.signal(syscall.SIGKILL)
	_ = g.cmd.Process.Kill()
	// A grandchild that left the tree could hold the stream open for ever.
	g.out.Close()
}

// killServer ends the stand-in, and with it the only reader of the program's output.
func (g *program) killServer() {
	if !g.o.Mortal {
		panic("serveremul: KillServer without Options.Mortal")
	}
	g.mu.Lock()
	g.killed = "the server was killed"
	g.mu.Unlock()
	_ = g.cmd.Process.Kill()
	// Closing makes a reader of our own return, as the end of a server would.
	g.out.Close()
}

// cancel is what PXC does at its shutdown.
func (g *program) cancel() {
	if !g.p.OwnSession {
		panic("serveremul: " + g.p.Name + " cannot cancel a program")
	}
	if g.o.Mortal {
		g.signal(syscall.SIGTERM)
		return
	}
	_ = syscall.Kill(-g.cmd.Process.Pid, syscall.SIGTERM)
}

// wait returns the result and reports the violations once.
func (g *program) wait() Result {
	g.t.Helper()
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.once.Do(func() {
		if g.pidfd >= 0 {
			unix.Close(g.pidfd)
			g.pidfd = -1
		}
		if g.p.StderrPipe {
			for l := range strings.Lines(g.res.Stderr) {
				if len(l) > 1024 {
					g.res.Violations = append(g.res.Violations, fmt.Sprintf("log line of %d bytes comes in pieces", len(l)))
				}
			}
		}
		if g.o.Tolerate {
			return
		}
		for _, v := range g.res.Violations {
			g.t.Errorf("serveremul: %s %s: violation: %s", g.p.Name, g.o.Method, v)
		}
	})
	return g.res
}

// exitError is what a server makes of an exit code (sst-contract 2.1).
func exitError(code int) error {
	switch code {
	case 0:
		return nil
	case -1:
		return errors.New("program was aborted: " + syscall.ECHILD.Error())
	case 126:
		return syscall.EACCES
	case 127:
		return syscall.ENOENT
	case 143:
		return syscall.EINTR
	}
	return fmt.Errorf("exit code %d: %w", code, syscall.Errno(code))
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// command joins the program and its options. Without a program it is found through PATH by the method's name.
func command(o Options, cmd []string, options string) string {
	if len(cmd) == 0 {
		return "wsrep_sst_" + o.Method + " " + options
	}
	words := make([]string, 0, len(cmd)+1)
	for _, word := range cmd {
		words = append(words, quote(word))
	}
	return strings.Join(append(words, options), " ")
}

// answers are the files by which a donor's server answers.
var answers = []string{"tables_flushed", "tables_flushed.tmp", "sst_error"}

// leftovers lists those that are still there.
func (g *program) leftovers() []string {
	var left []string
	for _, name := range answers {
		if _, err := os.Lstat(filepath.Join(g.o.Datadir, name)); err == nil {
			left = append(left, name)
		}
	}
	return left
}
