package galera

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// parentSlice bounds one blocking wait: without a pidfd only another look tells that the server is gone. Tests make it longer.
var parentSlice = 100 * time.Millisecond

// testOnlyBeforePoll is where tests let things happen at the worst moment.
var testOnlyBeforePoll = func() {}

// Parent is the server that started this program, held by something that survives the reuse of its process number: a
// pidfd where the kernel has them, and the start time always. It also knows the direct parent, which may be a shell in
// between: whoever loses that has been abandoned, too. Alive may be called while Wait runs; Close must come last.
type Parent struct {
	pid    int
	start  string
	pidfd  int // -1 = the kernel has none
	direct int // os.Getppid at the start
}

// FindParent finds the server: pid when it was given (--parent), else the nearest ancestor with a server's name, because a
// donor gets no --parent, sh may or may not have stepped aside (sst-contract 2.1), and an administrator may have put a
// script of his own in between. Without one it is the nearest ancestor that is not a shell. A server that is already gone
// is an ExitError with ExitPipe. An orphan cannot know whose child it was: it finds the process that adopted it.
func FindParent(pid int) (*Parent, error) {
	p := &Parent{pid: pid, pidfd: -1, direct: os.Getppid()}
	if pid == 0 {
		p.pid = p.direct
	}
	best := procStat{}
	for at := p.pid; ; {
		s, err := readProc(at)
		if err != nil || s.dead() {
			if best.start != "" {
				break // what we were started by is there; who started that is not our business
			}
			return nil, exitf(ExitPipe, "find the server: process %d is gone", at)
		}
		server := pid != 0 || namedServer(s.comm)
		if server || best.start == "" && (!isShell(s.comm) || s.ppid <= 0) {
			best, p.pid, p.start = s, at, s.start
		}
		if server || s.ppid <= 0 {
			break
		}
		at = s.ppid
	}
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == nil {
		p.pidfd = fd
		// The number may have changed hands between the two calls.
		if err := p.Alive(); err != nil {
			_ = p.Close()
			return nil, err
		}
	} else if errors.Is(err, unix.ESRCH) {
		return nil, p.gone()
	}
	return p, nil
}

// PID returns the server's process number.
func (p *Parent) PID() int { return p.pid }

// Program returns the file of the server's running program, "" when it may not be seen.
func (p *Parent) Program() string { return exeOf(p.pid) }

// gone is the error of a server that is no longer there.
func (p *Parent) gone() error {
	return exitf(ExitPipe, "the server (process %d) is gone", p.pid)
}

// Alive returns nil while the server lives, and an ExitError with ExitPipe after that. It has the form that
// LockerConfig.Parent wants.
func (p *Parent) Alive() error {
	if os.Getppid() != p.direct {
		return p.gone()
	}
	s, err := readProc(p.pid)
	if err != nil || s.dead() || s.start != p.start {
		return p.gone()
	}
	return nil
}

// Wait blocks until the server is gone, which is an ExitError with ExitPipe, or ctx is done, which is its cause.
func (p *Parent) Wait(ctx context.Context) error {
	return p.wait(ctx, -1)
}

// WaitOrStdout is Wait that also ends when nobody reads out any more, which is how MariaDB 11.8 and PXC tell; out is
// the standard output and is only polled. On MariaDB up to 10.11 the program itself holds the reading end, so there this
// says nothing before CloseInheritedFDs has run (sst-contract 2.1).
func (p *Parent) WaitOrStdout(ctx context.Context, out *os.File) error {
	conn, err := out.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch standard output: %w", err)
	}
	var waitErr error
	if err := conn.Control(func(fd uintptr) { waitErr = p.wait(ctx, int(fd)) }); err != nil {
		return fmt.Errorf("watch standard output: %w", err)
	}
	return waitErr
}

func (p *Parent) wait(ctx context.Context, out int) error {
	// A joiner's server waits for our end, so the end of ctx must not wait for the slice.
	ended, forget, err := wakeup(ctx)
	if err != nil {
		return fmt.Errorf("watch the server: %w", err)
	}
	defer forget()
	// poll ignores entries with a negative descriptor; without events only errors of the pipe are reported.
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}, {Fd: int32(out)}, {Fd: int32(ended), Events: unix.POLLIN}}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := p.Alive(); err != nil {
			return err
		}
		testOnlyBeforePoll()
		_, err := unix.Poll(fds, int(parentSlice/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch the server: %w", err)
		}
		if err == nil && fds[0].Revents != 0 {
			return p.gone()
		}
		if err == nil && fds[1].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			return exitf(ExitPipe, "the server (process %d) no longer reads our output", p.pid)
		}
	}
}

// wakeup makes a descriptor that can be read from when ctx is done. forget frees it.
func wakeup(ctx context.Context) (fd int, forget func(), err error) {
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, nil, err
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a counter that is not full takes any number
	})
	return fd, func() {
		if !stop() {
			<-told
		}
		_ = unix.Close(fd)
	}, nil
}

// Close frees the handle. It is an error to use the Parent after that.
func (p *Parent) Close() error {
	if p.pidfd < 0 {
		return nil
	}
	fd := p.pidfd
	p.pidfd = -1
	return unix.Close(fd)
}

// CloseInheritedFDs closes the files and sockets of the server that leaked into this process, and returns how many there
// were. MariaDB up to 10.11 also leaves the reading end of our own standard output open, which hides the death of
// the server (sst-contract 2.1). What this program opened itself is marked close-on-exec and stays; what came through
// an exec never is. It must run before anything clears that mark, so early in main.
func CloseInheritedFDs() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		// Without proc there is no list, and no way to know what is ours.
		return 0
	}
	closed := 0
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= 2 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		if unix.Close(fd) == nil {
			closed++
		}
	}
	return closed
}
