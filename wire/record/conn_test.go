package record

import (
	"bytes"
	"context"
	"crypto/fips140"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// each runs a test over every pair of ends, ours and crypto/tls's, of which at least one is ours.
func each(t *testing.T, test func(t *testing.T, e ends)) {
	for _, own := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		t.Run(fmt.Sprintf("client=%v/server=%v", own[0], own[1]), func(t *testing.T) {
			test(t, shake(t, sockets(t), own[0], own[1]))
		})
	}
}

// widen gives an end of ours its buffers, and returns what flushes it.
func widen(c net.Conn, records int) func() error {
	own, ok := c.(*Conn)
	if !ok {
		return func() error { return nil }
	}
	if records > 0 {
		own.Widen(records)
	}
	return own.Flush
}

// Both ways at once, in pieces of all sizes, before Widen and after, and then the end.
func TestInterop(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		if !fips140.Enabled() && os.Getenv(fipsEnv) != "" {
			t.Fatalf("no FIPS 140-3 mode with GODEBUG=%s", os.Getenv("GODEBUG"))
		}
		if c, ok := e.client.(*Conn); ok && c.Own() == fips140.Enabled() {
			t.Fatalf("own is %v, FIPS 140-3 mode %v", c.Own(), fips140.Enabled())
		}
		contents := [][]byte{pattern(1 << 20), pattern(1 << 20)} // one for each direction: a Write may own it
		want := pattern(1 << 20)
		pieces := []int{1, 100, MaxContent - 1, MaxContent, MaxContent + 1, 3*MaxContent + 7, 200_000}
		for _, records := range []int{0, 1, 3, 8} { // 0: as it is
			var wg sync.WaitGroup
			flushes := []func() error{widen(e.client, records), widen(e.server, records)}
			for i, ends := range [][2]net.Conn{{e.client, e.server}, {e.server, e.client}} {
				from, to, flush, content := ends[0], ends[1], flushes[i], contents[i]
				wg.Go(func() {
					for i, at := 0, 0; at < len(content); i++ {
						n := min(pieces[i%len(pieces)], len(content)-at)
						write := from.Write
						if own, ok := from.(*Conn); ok && i%2 == 0 {
							write = own.WriteOwned
						}
						if got, err := write(content[at : at+n]); err != nil || got != n {
							t.Error(got, err)
							return
						}
						at += n
					}
					if err := flush(); err != nil {
						t.Error(err)
					}
				})
				wg.Go(func() {
					got := make([]byte, len(want))
					for i, at := 0, 0; at < len(got); i++ {
						n, err := io.ReadFull(to, got[at:min(at+pieces[(i+3)%len(pieces)], len(got))])
						if err != nil {
							t.Error(err)
							return
						}
						at += n
					}
					if !bytes.Equal(got, want) {
						t.Error("other content arrived")
					}
				})
			}
			wg.Wait()
			if !bytes.Equal(contents[0], want) || !bytes.Equal(contents[1], want) {
				t.Error("a write has left something behind in what it was given")
			}
			if t.Failed() {
				return
			}
		}
		// What was not flushed goes with the end.
		if _, err := e.client.Write([]byte("bye")); err != nil {
			t.Error(err)
		}
		if err := e.client.Close(); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(e.server); err != nil || string(got) != "bye" {
			t.Errorf("at the end %q and %v", got, err)
		}
		if _, err := e.client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Close: %v", err)
		}
		if err := e.client.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
	})
}

// oursOnly skips where records are crypto/tls's. TestFIPS is about those.
func oursOnly(t *testing.T) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("Go's FIPS 140-3 mode, in which crypto/tls protects the records; this test is about ours")
	}
}

const fipsEnv = "RECORD_TEST_FIPS"

// In FIPS 140-3 mode crypto/tls goes on by itself, and nobody notices.
func TestFIPS(t *testing.T) {
	for _, mode := range []string{"on", "only"} {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^(TestInterop|TestCut)$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode, fipsEnv+"=1")
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestInterop/client=true/server=true") {
			t.Errorf("fips140=%s: %v\n%s", mode, err, out)
		}
	}
}

// A connection that just stops is no end, whoever protects the records.
func TestCut(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		from, to := e.client, e.server
		if _, ok := to.(*Conn); !ok {
			from, to = to, from
		}
		if _, err := from.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := widen(from, 0)(); err != nil {
			t.Fatal(err)
		}
		below, ok := from.(interface{ NetConn() net.Conn })
		if ok {
			_ = below.NetConn().Close() // the cut
		} else {
			_ = from.(*Conn).Conn.Close()
		}
		if got, err := io.ReadAll(to); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "half" {
			t.Errorf("got %q and %v", got, err)
		}
	})
}

// A cut anywhere is a cut, and what came in whole before it arrives.
func TestCutAnywhere(t *testing.T) {
	h := testHalf(t, 1)
	first := sealed(t, &h, typeData, []byte("first"), 0)
	in := append(first, sealed(t, &h, typeData, []byte("second"), 2)...)
	for n := range len(in) {
		c, _ := rig(t, in[:n])
		want := ""
		if n >= len(first) {
			want = "first"
		}
		if got, err := io.ReadAll(c); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != want {
			t.Errorf("after %d bytes: %q and %v", n, got, err)
		}
	}
}

// held keeps everything after its first write back until it is let go.
type held struct {
	net.Conn
	writes int
	kept   []byte
}

func (h *held) Write(p []byte) (int, error) {
	if h.writes++; h.writes == 1 {
		return h.Conn.Write(p)
	}
	h.kept = append(h.kept, p...)
	return len(p), nil
}

// What a client sends right behind its handshake is there when the server's is over, though it came in one piece with it.
func TestNothingIsReadAhead(t *testing.T) {
	below := sockets(t)
	cc, sc := configs(t)
	hold := &held{Conn: below.client}
	client, server := tls.Client(hold, cc), Server(below.server, sc)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := client.HandshakeContext(ctx); err != nil {
			t.Error(err)
		}
		if _, err := client.Write([]byte("early")); err != nil {
			t.Error(err)
		}
		if _, err := below.client.Write(hold.kept); err != nil {
			t.Error(err)
		}
		_ = below.client.(*net.TCPConn).CloseWrite() // the reader shall see where it ends
	})
	defer wg.Wait()
	if err := server.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); string(got) != "early" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q and %v", got, err)
	}
}

// intake never hands on bytes of two records at once, whatever passes through it.
func TestIntake(t *testing.T) {
	in := []byte("\x16\x03\x01\x00\x03abc\x17\x03\x03\x00\x00\x17\x03\x03\x00\x01xGET / HTTP")
	want := []string{"\x16\x03\x01\x00\x03", "abc", "\x17\x03\x03\x00\x00", "\x17\x03\x03\x00\x01", "x", "GET /", " HTTP"}
	for _, most := range []int{0, 1, 2, 4} {
		i := &intake{Conn: &script{in: in, most: most}}
		for _, w := range want {
			for at := 0; at < len(w); {
				b := make([]byte, 99)
				n, err := i.Read(b)
				if err != nil || !strings.HasPrefix(w[at:], string(b[:n])) {
					t.Fatalf("%d at a time: %q, %v, want %q", most, b[:n], err, w[at:])
				}
				at += n
			}
		}
		if n, err := i.Read(make([]byte, 9)); n != 0 || err != io.EOF || !i.ended {
			t.Errorf("%d at a time: at the end %d, %v", most, n, err)
		}
	}
}

// A deadline that passes in the middle of a record takes nothing away. For Write it is the end.
func TestDeadlines(t *testing.T) {
	oursOnly(t)
	e := shake(t, sockets(t), true, true)
	client, server := e.client.(*Conn), e.server.(*Conn)
	h := client.out.half
	record := sealed(t, &h, typeData, []byte("late"), 0)
	client.out.seq = h.seq
	for _, part := range [][]byte{record[:3], record[3:9], record[9:]} {
		if err := server.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("without the rest: %v", err)
		}
		if _, err := client.Conn.Write(part); err != nil {
			t.Fatal(err)
		}
		// Wait for these bytes and for no others.
		if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if err := server.in.need(server.in.end - server.in.at + len(part)); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 9)
	if n, err := server.Read(b); err != nil || string(b[:n]) != "late" {
		t.Fatalf("got %q and %v", b[:n], err)
	}

	if err := client.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
	if err := client.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write after it: %d, %v", n, err)
	}
	if err := client.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("flush after it: %v", err)
	}
	_ = client.Close()
	if _, err := server.Read(b); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a closing alert behind a hole: %v", err)
	}
}

// Close ends a Write that nobody takes anything from, and the other end sees a cut.
func TestCloseWhileWriting(t *testing.T) {
	e := shake(t, sockets(t), true, true)
	content := pattern(1 << 20)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := e.client.Write(content); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
		}
	})
	if _, err := io.ReadFull(e.server, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	if err := e.client.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	// Between two writes Close may have had its say, which is an end then.
	if _, err := io.Copy(io.Discard, e.server); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// A reader that finds the stream broken does not wait for a writer that is stuck.
func TestAlertBesideStuckWrite(t *testing.T) {
	c, below := rig(t, []byte{typeHandshake, 3, 3, 0, 9})
	c.out.mu.Lock()
	_, err := c.Read(make([]byte, 9))
	c.out.mu.Unlock()
	if err == nil || len(below.out) > 0 {
		t.Errorf("%v; sent % x", err, below.out)
	}
}
