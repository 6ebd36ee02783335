package galera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// instanceFile is the lock file of the stock scripts. The same name makes them see us, and us them.
const instanceFile = "wsrep_sst.pid"

const (
	instanceWait = 30 * time.Second // as long as the stock scripts wait for each other
	instancePoll = 50 * time.Millisecond
)

// LockInstance makes this the only SST program that works in datadir; role is for the message. The lock is a flock, which
// ends with its holder, so a file that a crash left behind never blocks. A stock script holds no flock but leaves its
// process number in the same file; that counts while this process lives and is an SST script, because in containers
// numbers repeat from one start to the next (sst-contract 8.6).
//
// It blocks up to 30 seconds for another one and then returns an ExitError with ExitAlready; the end of ctx ends the wait
// with its cause. release removes the file and lets go; it may be called more than once, but not concurrently.
func LockInstance(ctx context.Context, datadir, role string) (release func(), err error) {
	return lockInstance(ctx, datadir, role, instanceWait)
}

func lockInstance(ctx context.Context, datadir, role string, limit time.Duration) (func(), error) {
	path := filepath.Join(datadir, instanceFile)
	deadline := time.Now().Add(limit)
	for {
		f, holder, err := tryInstance(path)
		if err != nil {
			return nil, fmt.Errorf("lock datadir for the %s: %w", role, err)
		}
		if f != nil {
			return func() { releaseInstance(f, path) }, nil
		}
		if time.Now().After(deadline) {
			return nil, exitf(ExitAlready, "lock datadir for the %s: %s is held by %s since more than %s; "+
				"end that process or wait for it", role, path, holder, limit)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock datadir for the %s: wait for %s: %w", role, holder, context.Cause(ctx))
		case <-time.After(instancePoll):
		}
	}
}

// tryInstance returns the locked file, or who holds it.
func tryInstance(path string) (f *os.File, holder string, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o640)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil || holder != "" {
			_ = f.Close()
			f = nil
		}
	}()
	pid, err := readPid(f)
	if err != nil {
		return f, "", err
	}
	flockErr := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(flockErr, unix.EWOULDBLOCK) || errors.Is(flockErr, unix.EINTR) {
		return f, fmt.Sprintf("process %d", pid), nil
	}
	if flockErr != nil {
		return f, "", fmt.Errorf("flock %s: %w", path, flockErr)
	}
	// The holder before us removes the file before it lets go, so what we locked may have no name any more.
	named, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return f, "a process that is just ending", nil
	}
	if err != nil {
		return f, "", err
	}
	opened, err := f.Stat()
	if err != nil {
		return f, "", err
	}
	if !os.SameFile(named, opened) {
		return f, "a process that is just ending", nil
	}
	// Now that nobody else of ours can write it, look for a stock script.
	if pid, err = readPid(f); err != nil {
		return f, "", err
	}
	if pid != os.Getpid() && isScript(pid) {
		return f, fmt.Sprintf("the SST script with process number %d", pid), nil
	}
	if err := f.Truncate(0); err != nil {
		return f, "", err
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return f, "", err
	}
	return f, "", nil
}

// releaseInstance removes the name first, so that nobody can lock a file that is about to lose it unnoticed.
func releaseInstance(f *os.File, path string) {
	if f.Fd() == ^uintptr(0) {
		return // closed before
	}
	named, err := os.Lstat(path)
	if opened, statErr := f.Stat(); err == nil && statErr == nil && os.SameFile(named, opened) {
		_ = os.Remove(path)
	}
	_ = f.Close()
}

// readPid reads the number in the lock file; 0 when there is none.
func readPid(f *os.File) (int, error) {
	buf := make([]byte, 32)
	n, err := f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 1 {
		return 0, nil
	}
	return pid, nil
}

// isScript reports whether pid is a living SST script. A program of ours would hold the flock, so its own name does
// not make it one: that number was left behind by somebody else.
func isScript(pid int) bool {
	s, err := readProc(pid)
	if err != nil || s.dead() {
		return false
	}
	cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return false
	}
	return scriptCommand(string(cmdline)) && exeOf(pid) != exeOf(os.Getpid())
}

// scriptCommand reports whether a command line, its words ended by NUL, is that of an SST script: the program itself, or
// the file that a shell runs. Later words may mention anything, and so may the text of sh -c, by which servers start us.
func scriptCommand(cmdline string) bool {
	for i, word := range strings.SplitN(cmdline, "\x00", 4) {
		switch {
		case i == 3 || word == "-c":
			return false
		case strings.HasPrefix(filepath.Base(word), "wsrep_sst_"):
			return true
		}
	}
	return false
}

// exeOf returns the path of a process's program, "" when it may not be seen.
func exeOf(pid int) string {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(exe, " (deleted)")
}
