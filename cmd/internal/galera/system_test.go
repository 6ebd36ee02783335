package galera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("x"), ExitUnknown},
		{exitf(ExitBusy, "x"), ExitBusy},
		{fmt.Errorf("a: %w", exitf(ExitProto, "b: %w", exitf(ExitPipe, "c"))), ExitProto},
		{&os.PathError{Op: "open", Path: "p", Err: syscall.ENOSPC}, ExitNoSpace},
		{fmt.Errorf("a: %w", syscall.ECONNREFUSED), 111},
		{syscall.EAGAIN, ExitUnknown},
		{syscall.ECANCELED, ExitUnknown},
		{exitf(ExitAgain, "x"), ExitAgain},
		{context.Canceled, ExitSignal},
		{context.DeadlineExceeded, ExitTimeout},
	} {
		if got := ExitCode(tc.err); got != tc.want {
			t.Errorf("%v: %d, expected %d", tc.err, got, tc.want)
		}
	}
}

func TestReadStdin(t *testing.T) {
	pipe := func(t *testing.T, content string, end bool) *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		if _, err := w.WriteString(content); err != nil {
			t.Fatal(err)
		}
		if end {
			w.Close()
		}
		return r
	}
	full := "sst_user=u\nsst_password=p=q\nnew_key=x\nnonsense\nsst_remote_user=ru\nsst_remote_password=rp"
	want := Stdin{User: "u", Password: "p=q", RemoteUser: "ru", RemotePassword: "rp"}
	if got, err := ReadStdin(pipe(t, full, true), time.Minute); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ReadStdin(pipe(t, full, false), 30*time.Millisecond); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ReadStdin(pipe(t, "", true), time.Minute); err != nil || got != (Stdin{}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadStdin(pipe(t, strings.Repeat("x", 60<<10), true), time.Minute); err != nil {
		t.Error(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(theirs, strings.NewReader("sst_user=u\n"+strings.Repeat("x", maxStdin)))
		done <- errors.Join(err, theirs.Close())
	}()
	if _, err := ReadStdin(ours, time.Minute); ExitCode(err) != ExitInvalid {
		t.Errorf("a flood: %v", err)
	}
	ours.Close()
	<-done
	// A file and a terminal are never read.
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := ReadStdin(f, time.Minute); err != nil || got != (Stdin{}) {
		t.Errorf("a file: %+v, %v", got, err)
	}
	if at, _ := f.Seek(0, io.SeekCurrent); at != 0 {
		t.Errorf("%d bytes of a file were read", at)
	}
}

func FuzzParseStdin(f *testing.F) {
	f.Add([]byte("sst_user=u\nsst_password=p\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := parseStdin(b)
		if strings.Contains(in.User+in.Password+in.RemoteUser+in.RemotePassword, "\n") {
			t.Errorf("%q: %+v", b, in)
		}
	})
}

// child starts a program that ends with its standard input.
func child(t *testing.T, name string, args ...string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return cmd, in
}

func TestParent(t *testing.T) {
	cmd, in := child(t, "cat")
	p, err := FindParent(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Alive(); err != nil || p.PID() != cmd.Process.Pid {
		t.Errorf("%v, pid %d", err, p.PID())
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if err := p.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("canceled wait: %v", err)
	}
	// A process with the same number that started at another time is another process.
	reused := &Parent{pid: p.pid, start: "1", pidfd: -1, direct: p.direct}
	if err := reused.Alive(); ExitCode(err) != ExitPipe {
		t.Errorf("reused number: %v", err)
	}
	// The same without a pidfd, and not yet reaped.
	plain := &Parent{pid: p.pid, start: p.start, pidfd: -1, direct: p.direct}
	in.Close()
	for name, p := range map[string]*Parent{"pidfd": p, "plain": plain} {
		if err := p.Wait(t.Context()); ExitCode(err) != ExitPipe || p.Alive() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := FindParent(cmd.Process.Pid); ExitCode(err) != ExitPipe {
		t.Errorf("a process that has ended: %v", err)
	}
	ours, err := FindParent(0)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if s, err := readProc(ours.PID()); err != nil || isShell(s.comm) {
		t.Errorf("found %+v, %v", s, err)
	}
}

func TestWaitOrStdout(t *testing.T) {
	cmd, _ := child(t, "cat")
	p, err := FindParent(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if err := p.WaitOrStdout(t.Context(), w); ExitCode(err) != ExitPipe || !strings.Contains(err.Error(), "no longer reads") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseProcStat(f *testing.F) {
	f.Add([]byte("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 20"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseProcStat(b); err == nil && s.start == "" {
			t.Errorf("%q: %+v", b, s)
		}
	})
}

// stockScript starts a shell script that is named like an SST script and waits.
func stockScript(t *testing.T, name string) (pid int, stop io.Closer) {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread x\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, in := child(t, "sh", path)
	return cmd.Process.Pid, in
}

func TestLockInstance(t *testing.T) {
	lock := func(dir string) error {
		release, err := lockInstance(t.Context(), dir, RoleDonor, 60*time.Millisecond)
		if err == nil {
			release()
		}
		return err
	}
	pidFile := func(t *testing.T, content string) string {
		dir := t.TempDir()
		write(t, dir, instanceFile, content)
		return dir
	}
	for name, content := range map[string]string{
		"empty": "", "garbage": "x\n", "zero": "0\n", "negative": "-1\n", "dead": "4194303\n", "huge": strings.Repeat("9", 100),
		"init": "1\n", "ourselves": fmt.Sprintln(os.Getpid()), "our parent": fmt.Sprintln(os.Getppid()),
	} {
		if err := lock(pidFile(t, content)); err != nil {
			t.Errorf("stale file with %s: %v", name, err)
		}
	}
	pid, stop := stockScript(t, "wsrep_sst_rsync")
	dir := pidFile(t, fmt.Sprintln(pid))
	if err := lock(dir); ExitCode(err) != ExitAlready || !strings.Contains(err.Error(), fmt.Sprint(pid)) {
		t.Errorf("beside a stock script: %v", err)
	}
	other, _ := stockScript(t, "backup")
	if err := lock(pidFile(t, fmt.Sprintln(other))); err != nil {
		t.Errorf("beside a script of another name: %v", err)
	}
	// The wait ends with the script.
	go stop.Close()
	release, err := lockInstance(t.Context(), dir, RoleJoiner, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock(dir); ExitCode(err) != ExitAlready {
		t.Errorf("beside ourselves: %v", err)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, instanceFile)); string(data) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("file says %q", data)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := lockInstance(ctx, dir, RoleJoiner, time.Minute); !errors.Is(err, cause) {
		t.Errorf("a wait that was ended: %v", err)
	}
	release()
	if err := lock(dir); err != nil {
		t.Errorf("after release: %v", err)
	}
	if err := lock(filepath.Join(dir, "missing")); ExitCode(err) != ExitMissing {
		t.Errorf("missing datadir: %v", err)
	}
}

func TestScriptCommand(t *testing.T) {
	for cmdline, want := range map[string]bool{
		"bash\x00-ue\x00/usr/bin/wsrep_sst_rsync\x00--role\x00":  true,
		"bash\x00/usr/bin/wsrep_sst_mariabackup\x00":             true,
		"wsrep_sst_x\x00--role\x00":                              true,
		"sh\x00-c\x00wsrep_sst_x --role 'donor'\x00":             false,
		"vi\x00a\x00b\x00/usr/bin/wsrep_sst_rsync\x00":           false,
		"mariadbd\x00--wsrep_sst_method=x\x00--basedir=/usr\x00": false,
		"": false,
		"/usr/sbin/mysqld\x00--basedir=/usr\x00--wsrep_sst_auth=\x00": false,
	} {
		if got := scriptCommand(cmdline); got != want {
			t.Errorf("%q: %v", cmdline, got)
		}
	}
}

func TestCloseInheritedFDs(t *testing.T) {
	// In the test program only what is not marked may go: a file that exec would hand on, made by hand.
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if n := CloseInheritedFDs(); n < 1 {
		t.Errorf("%d closed", n)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("the file is still open: %v", err)
	}
	// The runtime's own files must have survived.
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if n := CloseInheritedFDs(); n != 0 {
		t.Errorf("%d closed the second time", n)
	}
}

func TestParseVersion(t *testing.T) {
	for _, tc := range []struct {
		family             Family
		line               string
		name, series, full string
	}{
		{MariaDB, "/usr/sbin/mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", "mariadb", "10.11", "10.11.19-MariaDB-0+deb12u1"},
		{MariaDB, "mysqld  Ver 8.0.36-28.1 for Linux on x86_64 (Percona XtraDB Cluster (GPL), Release rel28)", "pxc", "8.0", "8.0.36-28.1"},
		{MariaDB, "mysqld  Ver 5.7.33 for Linux on x86_64 (MySQL Community Server - (GPL))", "codership57", "5.7", "5.7.33"},
		{MariaDB, "mysqld  Ver 8.0.32 for Linux on x86_64", "codership80", "8.0", "8.0.32"},
		{PXC, "nonsense", "", "", ""},
		{MariaDB, "Ver 10.x", "", "", ""},
	} {
		if name, series, full := parseVersion(tc.family, tc.line); name != tc.name || series != tc.series || full != tc.full {
			t.Errorf("%q: %q %q %q", tc.line, name, series, full)
		}
	}
}

func TestServerVersion(t *testing.T) {
	if f, s, v := ServerVersion(t.Context(), Args{Family: PXC, MysqldVersion: "8.0.36-28.1"}); f != "pxc" || s != "8.0" || v != "8.0.36-28.1" {
		t.Errorf("from the command line: %q %q %q", f, s, v)
	}
	// A process that is not named like a server is never started a second time.
	other, _ := child(t, "cat")
	if f, _, _ := ServerVersion(t.Context(), Args{Parent: other.Process.Pid}); f != "" {
		t.Errorf("cat is %q", f)
	}
	// A shell in the place of a server: its script tells a version when it is asked, and waits otherwise.
	shell, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "mariadbd")
	if err := os.WriteFile(path, shell, 0o755); err != nil {
		t.Fatal(err)
	}
	fake, _ := child(t, path)
	// exec has to be over before the name is looked at.
	waitFor(t, func() bool { return namedServer(exeOf(fake.Process.Pid)) })
	program := serverProgram(fake.Process.Pid)
	if program != fmt.Sprintf("/proc/%d/exe", fake.Process.Pid) {
		t.Errorf("program %q", program)
	}
	if out := runVersion(t.Context(), program); out != "" {
		t.Errorf("a program that fails says %q", out)
	}
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		t.Skip("no mariadbd is installed")
	}
	line := runVersion(t.Context(), server)
	if f, series, full := parseVersion(PXC, line); f != "mariadb" || series == "" || !strings.HasPrefix(full, series+".") {
		t.Errorf("%q: %q %q %q", line, f, series, full)
	}
}

// waitFor polls until f holds.
func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the state that was waited for did not come")
		}
	}
}

func TestRunVersionIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mariadbd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nenv | grep -c ^WSREP_ >&2\nyes Ver 1.2.3 | head -c 100000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := runVersion(t.Context(), path)
	if len(out) != 4096 || !strings.HasPrefix(out, "Ver 1.2.3\n") {
		t.Errorf("%d bytes", len(out))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := runVersion(ctx, path); out != "" {
		t.Errorf("canceled: %q", out)
	}
}

func TestFeatures(t *testing.T) {
	for _, tc := range []struct {
		family    Family
		version   string
		fileFirst bool
		needsRedo bool
	}{
		{MariaDB, "10.3.34-MariaDB", true, true},
		{MariaDB, "10.3.35-MariaDB", false, false},
		{MariaDB, "10.4.24-MariaDB", true, true},
		{MariaDB, "10.4.25-MariaDB", false, false},
		{MariaDB, "10.5.15-MariaDB", true, true},
		{MariaDB, "10.5.16-MariaDB-log", false, false},
		{MariaDB, "10.6.7-MariaDB", true, true},
		{MariaDB, "10.6.8-MariaDB", false, false},
		{MariaDB, "10.7.3-MariaDB", true, true},
		{MariaDB, "10.7.4-MariaDB", false, false},
		{MariaDB, "10.11.19-MariaDB", false, false},
		{MariaDB, "11.8.6-MariaDB", false, false},
		{MariaDB, "12.0.1-MariaDB", false, false},
		{MariaDB, "10.2.44-MariaDB", true, true},
		{MariaDB, "", true, true},
		{MariaDB, "10.x", true, true},
		{PXC, "8.0.36-28.1", true, true},
		{Codership57, "5.7.33", true, true},
		{Codership80, "8.0.32", false, true},
	} {
		f := FeaturesOf(tc.family, tc.version)
		if f.FileFirst != tc.fileFirst || f.NeedsRedo != tc.needsRedo {
			t.Errorf("%s %s: %+v", tc.family, tc.version, f)
		}
	}
}

func TestReadsStdin(t *testing.T) {
	for _, tc := range []struct {
		a    Args
		want bool
	}{
		{Args{Role: RoleJoiner, ProgressKnown: true}, false},
		{Args{Role: RoleDonor, ProgressKnown: true}, true},
		{Args{Role: RoleDonor}, false},
		{Args{Role: RoleJoiner, Family: PXC}, true},
		{Args{Role: RoleDonor, Family: Codership57}, false},
		{Args{Role: RoleDonor, Family: Codership80}, true},
	} {
		if got := tc.a.ReadsStdin(); got != tc.want {
			t.Errorf("%+v: %v", tc.a, got)
		}
	}
}
