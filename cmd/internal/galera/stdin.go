package galera

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxStdin bounds what is read: four short lines are expected.
const maxStdin = 64 << 10

// Stdin is what a server says on standard input. All of it is secret.
type Stdin struct {
	User           string // sst_user
	Password       string // sst_password
	RemoteUser     string // sst_remote_user
	RemotePassword string // sst_remote_password
}

// ReadsStdin says whether the server of these arguments may have something to say on standard input. Everywhere else it
// is inherited from the server and must be left alone (sst-contract 6).
func (a Args) ReadsStdin() bool {
	switch a.Family {
	case PXC:
		return true
	case MariaDB:
		return a.Role == RoleDonor && a.ProgressKnown
	case Codership80:
		return a.Role == RoleDonor
	}
	return false
}

// ReadStdin reads key=value lines from f until its end or until limit has passed; the limit is not an error, because a
// pipe that the server itself inherited never ends. Anything but a FIFO or a socket is not touched at all: the result is
// empty. Unknown keys and lines without = are ignored. It blocks the calling goroutine for at most limit, and changes no
// flag of f, whose open file description may be the server's.
func ReadStdin(f *os.File, limit time.Duration) (Stdin, error) {
	info, err := f.Stat()
	if err != nil {
		return Stdin{}, fmt.Errorf("stat standard input: %w", err)
	}
	if info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return Stdin{}, nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return Stdin{}, fmt.Errorf("read standard input: %w", err)
	}
	var data []byte
	if ctlErr := conn.Control(func(fd uintptr) { data, err = drain(int(fd), limit) }); ctlErr != nil {
		return Stdin{}, fmt.Errorf("read standard input: %w", ctlErr)
	}
	if err != nil {
		return Stdin{}, fmt.Errorf("read standard input: %w", err)
	}
	return parseStdin(data), nil
}

// drain reads fd to its end. It polls before each read, so a silent writer costs the limit and not eternity.
func drain(fd int, limit time.Duration) (data []byte, err error) {
	deadline := time.Now().Add(limit)
	buf := make([]byte, 4096)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return data, nil
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left/time.Millisecond)+1)
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, err = unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return data, nil
		case len(data)+n > maxStdin:
			return nil, exitf(ExitInvalid, "more than %d bytes, expected a few key=value lines", maxStdin)
		}
		data = append(data, buf[:n]...)
	}
}

// parseStdin picks the known keys; the last of equal keys wins.
func parseStdin(data []byte) Stdin {
	var in Stdin
	for line := range bytes.Lines(data) {
		key, value, found := strings.Cut(strings.TrimSuffix(string(line), "\n"), "=")
		if !found {
			continue
		}
		switch key {
		case "sst_user":
			in.User = value
		case "sst_password":
			in.Password = value
		case "sst_remote_user":
			in.RemoteUser = value
		case "sst_remote_password":
			in.RemotePassword = value
		}
	}
	return in
}
