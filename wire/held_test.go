package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

func sockets(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), d.Close() })
	for _, c := range []net.Conn{c, d} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // so that a fault fails the test and does not hang it
			t.Fatal(err)
		}
	}
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

// TestHeldCarries has more written than the kernel takes at once, in both directions, so that each end waits for the other again and again.
func TestHeldCarries(t *testing.T) {
	c, d := sockets(t)
	_ = errors.Join(c.SetWriteBuffer(64<<10), d.SetReadBuffer(64<<10))
	a, b := hold(c), hold(d)
	sent := bytes.Repeat([]byte("every byte in its place "), 1<<18)
	var wg sync.WaitGroup
	for _, h := range []*held{a, b} {
		wg.Go(func() {
			if n, err := h.Write(sent); n != len(sent) || err != nil {
				t.Errorf("written %d: %v", n, err)
			}
		})
		wg.Go(func() {
			got := make([]byte, len(sent))
			if n, err := io.ReadFull(h, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if n, err := a.Read(nil); n != 0 || err != nil {
		t.Errorf("read of nothing: %d %v", n, err)
	}
	_ = c.CloseWrite()
	if n, err := b.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d %v", n, err)
	}
}

// TestHeldFailsAsNet compares errors with those of net's own methods, by kind and by text.
func TestHeldFailsAsNet(t *testing.T) {
	buf := make([]byte, 8<<20)
	for _, c := range []struct {
		name  string
		spoil func(mine, theirs *net.TCPConn)
		write bool
		want  error
	}{
		{"read too late", func(mine, _ *net.TCPConn) { _ = mine.SetDeadline(time.Now().Add(10 * time.Millisecond)) }, false, os.ErrDeadlineExceeded},
		{"write too late", func(mine, _ *net.TCPConn) { _ = mine.SetDeadline(time.Now().Add(10 * time.Millisecond)) }, true, os.ErrDeadlineExceeded},
		{"read when closed", func(mine, _ *net.TCPConn) { _ = mine.Close() }, false, net.ErrClosed},
		{"write when closed", func(mine, _ *net.TCPConn) { _ = mine.Close() }, true, net.ErrClosed},
		{"read when reset", func(_, theirs *net.TCPConn) { _ = errors.Join(theirs.SetLinger(0), theirs.Close()) }, false, syscall.ECONNRESET},
		{"write when reset", func(mine, theirs *net.TCPConn) {
			_ = errors.Join(theirs.SetLinger(0), theirs.Close())
			_, _ = mine.Read(buf[:1]) // takes the reset away
		}, true, syscall.EPIPE},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := map[bool]string{}
			for _, ours := range []bool{true, false} {
				mine, theirs := sockets(t)
				var rw io.ReadWriter = mine
				if ours {
					rw = hold(mine)
				}
				c.spoil(mine, theirs)
				n, err := 0, error(nil)
				if c.write {
					for err == nil { // until the kernel takes no more
						n, err = rw.Write(buf)
					}
				} else {
					n, err = rw.Read(buf)
				}
				var e net.Error
				if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Timeout() != (c.want == os.ErrDeadlineExceeded) || n == len(buf) {
					t.Errorf("ours=%v: %d, %v", ours, n, err)
				}
				var o *net.OpError
				if !errors.As(err, &o) {
					t.Fatalf("ours=%v: %v is no *net.OpError", ours, err)
				}
				said[ours] = o.Op + " " + o.Net + " " + o.Err.Error()
				if o.Source.String() != mine.LocalAddr().String() || o.Addr.String() != theirs.LocalAddr().String() {
					t.Errorf("ours=%v: from %v to %v", ours, o.Source, o.Addr)
				}
			}
			if said[true] != said[false] {
				t.Errorf("%q, and net says %q", said[true], said[false])
			}
		})
	}
}
