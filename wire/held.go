package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// held reads and writes a TCP connection without telling Go's scheduler of the system calls. They never wait, because the socket does not
// block, but they may copy for longer than the 20 us after which the scheduler takes the processor away from a goroutine and wakes another
// thread for it: of a transfer at the speed of memory some hundredths of all processor time (bench/NOTES.md). Waiting for the peer is the
// network poller's affair, as ever.
//
// One goroutine reads at a time, and one writes.
type held struct {
	conn    net.Conn
	raw     syscall.RawConn
	in, out call
}

// call is one system call that is under way. It is kept, so that none allocates anything.
type call struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool // whether it is over
}

// hold returns nil where c is no socket.
func hold(c net.Conn) *held {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	h := &held{conn: c, raw: raw}
	h.in.try = func(fd uintptr) bool {
		if h.in.do(syscall.SYS_READ, fd) == 0 && h.in.err == nil {
			h.in.err = io.EOF
		}
		return h.in.err != syscall.EAGAIN
	}
	h.out.try = func(fd uintptr) bool {
		for h.out.n < len(h.out.p) {
			if h.out.do(syscall.SYS_WRITE, fd); h.out.err != nil {
				return h.out.err != syscall.EAGAIN
			}
		}
		return true
	}
	return h
}

// do makes the call for what is left of p.
func (c *call) do(number, fd uintptr) int {
	for {
		rest := c.p[c.n:]
		if number == syscall.SYS_WRITE {
			raceRead(rest)
		}
		n, _, e := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)))
		switch c.err = nil; e {
		case 0:
			if number == syscall.SYS_READ {
				raceWritten(rest[:n])
			}
			c.n += int(n)
			return int(n)
		case syscall.EINTR:
		default:
			c.err = e
			return 0
		}
	}
}

// Read is that of the net.Conn.
func (h *held) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return h.run(&h.in, p, h.raw.Read, "read")
}

// Write is that of the net.Conn.
func (h *held) Write(p []byte) (int, error) { return h.run(&h.out, p, h.raw.Write, "write") }

func (h *held) run(c *call, p []byte, wait func(func(uintptr) bool) error, op string) (int, error) {
	c.p, c.n, c.err = p, 0, nil
	err := wait(c.try)
	n := c.n
	c.p = nil
	if err == nil {
		err = c.err
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	// What net's own methods return.
	var known *net.OpError
	if errors.As(err, &known) {
		known.Op = op
		return n, err
	}
	return n, &net.OpError{Op: op, Net: "tcp", Source: h.conn.LocalAddr(), Addr: h.conn.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}
