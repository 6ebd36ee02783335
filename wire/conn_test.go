package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// all runs a test over TLS, over QUIC, and over plain TCP.
func all(t *testing.T, f func(t *testing.T, donor, joiner *Conn)) {
	t.Helper()
	over(t, []string{"transport=TCP", "transport=QUIC", "plain"}, f)
}

func over(t *testing.T, names []string, f func(t *testing.T, donor, joiner *Conn)) {
	t.Helper()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			d, j := connected(t, name == "plain")
			f(t, d, j)
		})
	}
}

func connected(t testing.TB, plain bool) (donor, joiner *Conn) {
	t.Helper()
	c := config(t)
	if plain {
		c = plainConfig(t)
	}
	return join(t, listen(t, c), Control, Config{Plain: plain, MinVersion: 1, MaxVersion: 1})
}

// Plain connections come over the sixth version too; those of TLS and QUIC are the suite's.
func TestPlainSix(t *testing.T) {
	t.Run("family=6", func(t *testing.T) {
		d, j := connected(t, true)
		if remote := d.Peer().Remote; !strings.HasPrefix(remote, "[::1]:") {
			t.Errorf("the joiner is at %s", remote)
		}
		chat(t, d, j)
	})
}

// The boundaries are those of records, of the coalescing buffer and of a frame.
func TestFrameSizes(t *testing.T) {
	sizes := []int{0, 1, FrameHeader, recordSize - FrameHeader - 1, recordSize - FrameHeader, recordSize - FrameHeader + 1, recordSize, recordSize + 1,
		3*recordSize - 5, coalesceSize - 1, coalesceSize, 1 << 20, 1<<20 + 64<<10}
	all(t, func(t *testing.T, d, j *Conn) {
		data := make([]byte, MaxFrame)
		rng := rand.NewChaCha8([32]byte{1})
		_, _ = rng.Read(data)
		buf := make([]byte, MaxFrame)
		for _, head := range []int{0, 1, 24, recordSize - FrameHeader, recordSize} {
			for _, size := range sizes {
				if head+size > MaxFrame {
					continue
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := errors.Join(d.Send(uint8(size), data[:head], data[head:head+size]), d.Flush()); err != nil {
						t.Error(err)
					}
				})
				typ, body, err := j.Recv(buf)
				wg.Wait()
				if err != nil || typ != uint8(size) || !bytes.Equal(body, data[:head+size]) {
					t.Fatalf("head %d, body %d: got type %d, %d bytes, %v", head, size, typ, len(body), err)
				}
			}
		}
	})
}

// Random frames with random flushes arrive as they were sent, in both directions at once.
func TestFramesBothWays(t *testing.T) {
	all(t, func(t *testing.T, d, j *Conn) {
		const frames = 300
		var wg sync.WaitGroup
		for i, ends := range [][2]*Conn{{d, j}, {j, d}} {
			seed := [32]byte{byte(i)}
			plan := func() (func() (uint8, []byte, []byte), *rand.Rand) {
				src := rand.NewChaCha8(seed)
				rng := rand.New(src)
				return func() (uint8, []byte, []byte) {
					head, body := make([]byte, rng.IntN(64)), make([]byte, rng.IntN(1<<rng.IntN(18)))
					_, _ = src.Read(head)
					_, _ = src.Read(body)
					return uint8(rng.IntN(256)), head, body
				}, rng
			}
			wg.Go(func() {
				next, _ := plan()
				for n := range frames {
					typ, head, body := next()
					err := ends[0].Send(typ, head, body)
					if n%7 == 0 || n == frames-1 {
						err = errors.Join(err, ends[0].Flush())
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
			wg.Go(func() {
				next, _ := plan()
				buf := make([]byte, MaxFrame)
				for n := range frames {
					typ, head, body := next()
					gotTyp, got, err := ends[1].Recv(buf)
					if err != nil || gotTyp != typ || !bytes.Equal(got, append(head, body...)) {
						t.Errorf("frame %d: got type %d, %d bytes, %v; want type %d, %d bytes", n, gotTyp, len(got), err, typ, len(head)+len(body))
						_ = ends[0].Close() // lets the sender go
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestSendBuffersUntilFlush(t *testing.T) {
	all(t, func(t *testing.T, d, _ *Conn) {
		before := d.Written()
		if err := d.Send(1, nil, make([]byte, 100)); err != nil || d.Written() != before {
			t.Errorf("%v, %d bytes left the process before Flush", err, d.Written()-before)
		}
		if err := d.Flush(); err != nil || d.Written() < before+108 {
			t.Errorf("%v, %d bytes after Flush", err, d.Written()-before)
		}
	})
}

func TestCountersAgree(t *testing.T) {
	all(t, func(t *testing.T, d, j *Conn) {
		chat(t, d, j)
		eventually(t, func() bool { return j.Read() == d.Written() }, func() any { return []int64{d.Written(), j.Read()} })
		if d.BlockedWriting() <= 0 {
			t.Errorf("blocked for %v", d.BlockedWriting())
		}
	})
}

// Full records and few system calls are what the buffers are for: 64 MiB may cost no more than TLS must.
func TestFramingOverhead(t *testing.T) {
	d, j := connected(t, false)
	const frames, size = 16, 1 << 20
	before := d.Written()
	var wg sync.WaitGroup
	wg.Go(func() {
		body := make([]byte, size)
		for range frames {
			if err := d.Send(1, nil, body); err != nil {
				t.Error(err)
				return
			}
		}
		if err := d.Flush(); err != nil {
			t.Error(err)
		}
	})
	buf := make([]byte, MaxFrame)
	for range frames {
		if _, _, err := j.Recv(buf); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	content := int64(frames * (size + FrameHeader))
	records := (content + recordSize - 1) / recordSize
	if got := d.Written() - before; got != content+records*recordOverhead {
		t.Errorf("%d bytes on the wire, want %d", got, content+records*recordOverhead)
	}
}

// rawFrames gives a Conn whose peer writes raw bytes.
func rawFrames(t testing.TB, b []byte) *Conn {
	t.Helper()
	mine, theirs := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = theirs.Write(b)
		_ = theirs.Close()
	})
	t.Cleanup(func() { _ = mine.Close(); wg.Wait() })
	s := newSocket(mine)
	return newConn(s, s, Peer{Remote: "peer", Suite: plainWord})
}

func frame(typ, flags uint8, reserved uint16, length uint32, body string) []byte {
	b := []byte{typ, flags}
	b = binary.BigEndian.AppendUint16(b, reserved)
	b = binary.BigEndian.AppendUint32(b, length)
	return append(b, body...)
}

func TestRecvRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		raw   []byte
		room  int
		is    error
		limit int // of a FrameError; -1: none expected
	}{
		{"end between frames", nil, 100, io.EOF, -1},
		{"end in the header", frame(1, 0, 0, 5, "")[:3], 100, io.ErrUnexpectedEOF, -1},
		{"end before the body", frame(1, 0, 0, 5, ""), 100, io.ErrUnexpectedEOF, -1},
		{"end in the body", frame(1, 0, 0, 5, "abc"), 100, io.ErrUnexpectedEOF, -1},
		{"longer than the buffer", frame(1, 0, 0, 101, ""), 100, nil, 100},
		{"longer than any", frame(1, 0, 0, MaxFrame+1, ""), MaxFrame + 10, nil, MaxFrame},
		{"4 GiB", frame(1, 0, 0, 1<<32-1, ""), 100, nil, 100},
		{"no room", frame(1, 0, 0, 1, "x"), 0, nil, 1},
		{"flags", frame(1, 1, 0, 1, "x"), 100, nil, 0},
		{"reserved", frame(1, 0, 256, 1, "x"), 100, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, body, err := rawFrames(t, tc.raw).Recv(make([]byte, 0, tc.room))
			var fe *FrameError
			switch {
			case body != nil || err == nil:
				t.Errorf("got %d bytes, %v", len(body), err)
			case tc.is != nil && !errors.Is(err, tc.is):
				t.Errorf("got %v, want %v", err, tc.is)
			case tc.is == io.EOF && err != io.EOF:
				t.Errorf("a proper end is wrapped: %v", err)
			case tc.limit >= 0 && (!errors.As(err, &fe) || fe.Limit != tc.limit):
				t.Errorf("got %v, want a frame error with limit %d", err, tc.limit)
			}
		})
	}
}

func TestSendPanicsOnOverlongFrame(t *testing.T) {
	c := rawFrames(t, nil)
	defer func() {
		if recover() == nil {
			t.Error("a frame beyond the limit was sent")
		}
	}()
	_ = c.Send(1, make([]byte, 1), make([]byte, MaxFrame))
}

func FuzzRecv(f *testing.F) {
	f.Add(append(frame(1, 0, 0, 3, "abc"), frame(2, 0, 0, 0, "")...))
	f.Add(frame(1, 0, 0, 1<<31, "abc"))
	f.Add(frame(1, 4, 9, 1, "a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := rawFrames(t, b)
		buf := make([]byte, 64)
		var again []byte
		for {
			typ, body, err := c.Recv(buf)
			if err != nil {
				break
			}
			again = append(again, frame(typ, 0, 0, uint32(len(body)), string(body))...)
		}
		if !bytes.HasPrefix(b, again) {
			t.Errorf("read % x out of % x", again, b)
		}
	})
}

// A proper close is io.EOF at the other end, and what was flushed before it arrives.
func TestCloseDeliversWhatWasFlushed(t *testing.T) {
	all(t, func(t *testing.T, d, j *Conn) {
		if err := errors.Join(d.Send(1, nil, []byte("last words")), d.Flush(), d.Close()); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if _, body, err := j.Recv(buf); err != nil || string(body) != "last words" {
			t.Fatalf("got %q, %v", body, err)
		}
		if _, _, err := j.Recv(buf); err != io.EOF {
			t.Errorf("got %v, want io.EOF itself", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

// A TLS stream that just stops is no proper end: somebody may have cut it.
func TestTruncationIsNoEnd(t *testing.T) {
	d, j := connected(t, false)
	_ = d.socket.Conn.Close()
	if _, _, err := j.Recv(make([]byte, 100)); err == io.EOF || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestDeadlinesAndCloseWakeUp(t *testing.T) {
	all(t, func(t *testing.T, d, j *Conn) {
		if err := d.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var ne net.Error
		if _, _, err := d.Recv(make([]byte, 10)); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("Recv: %v, want a timeout", err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			body := make([]byte, 1<<20)
			for {
				// Nobody reads, so this blocks before long.
				if err := d.Send(1, nil, body); err != nil {
					return
				}
			}
		})
		eventually(t, func() bool { return d.Written() > 1<<16 }, func() any { return d.Written() })
		_ = d.Close()
		wg.Wait()
		_ = j
	})
}

func TestSpent(t *testing.T) {
	d, _ := connected(t, false)
	if d.Spent() {
		t.Error("a new connection is spent")
	}
	d.sentRecords.Store(spentRecords + 1)
	if !d.Spent() {
		t.Error("not spent after 256 GB")
	}
	d.sentRecords.Store(deadRecords)
	if err := errors.Join(d.Send(1, nil, make([]byte, recordSize)), d.Flush()); !errors.Is(err, errDead) {
		t.Errorf("beyond the limit: %v", err)
	}
	for bytes, want := range map[int64]int64{0: spentRecords, -1: spentRecords, 1 << 60: spentRecords, 1 << 20: 64, 1: 0} {
		if got := (Config{KeyBytes: bytes}).keyRecords(); got != want {
			t.Errorf("KeyBytes %d: %d records, want %d", bytes, got, want)
		}
	}
	c := config(t)
	c.KeyBytes = 1 << 20
	d, j := join(t, listen(t, c), Control, c)
	if d.Spent() || j.Spent() {
		t.Error("a connection with a bound of its own is spent at once")
	}
	if err := errors.Join(d.Send(1, nil, make([]byte, 1<<20+recordSize)), d.Flush()); err != nil {
		t.Fatal(err)
	}
	if !d.Spent() {
		t.Error("not spent after its own bound")
	}
	p, _ := connected(t, true)
	p.socket.read.Store(1 << 60)
	if p.Spent() {
		t.Error("a plain connection has no key to wear out")
	}
}

// The path from a file's bytes to the wire allocates nothing per frame, and neither does the way back. quic-go's packets are its own affair.
func TestNoAllocations(t *testing.T) {
	const size = 1 << 20
	over(t, []string{"transport=TCP", "plain"}, func(t *testing.T, d, j *Conn) {
		plain := d.Peer().Suite == plainWord
		records := (size+recordSize-1)/recordSize + 1
		head, body, buf := make([]byte, 24), make([]byte, size), make([]byte, MaxFrame)
		send := func() {
			if err := errors.Join(d.Send(1, head, body), d.Flush()); err != nil {
				t.Error(err)
			}
		}
		measure := func(what string, receive func() error) {
			round, done := make(chan struct{}), make(chan error)
			var wg sync.WaitGroup
			wg.Go(func() {
				for range round {
					done <- receive()
				}
			})
			step := func() {
				round <- struct{}{}
				send()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			for range 8 {
				step() // what is allocated once
			}
			// The whole process is counted, and quic-go's timers forget the connections of an earlier test some time after their end. What a
			// frame allocates shows in every try, what they do does not.
			n := testing.AllocsPerRun(50, step)
			for try := 1; n > 0 && try < 5; try++ {
				time.Sleep(100 * time.Millisecond)
				n = min(n, testing.AllocsPerRun(50, step))
			}
			if n > 0 {
				t.Errorf("%s: %v allocations for a frame", what, n)
			}
			close(round)
			wg.Wait()
		}
		measure("sent and received", func() error { _, _, err := j.Recv(buf); return err })

		// From here on nobody decrypts: the bytes are only taken off the socket.
		wire := size + len(head) + FrameHeader
		if !plain {
			wire += records * recordOverhead
		}
		measure("sent", func() error { _, err := io.ReadFull(j.socket.Conn, buf[:wire]); return err })
	})
}
