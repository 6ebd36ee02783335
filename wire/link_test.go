package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// session is a donor's and a joiner's links over connections in memory.
type memSession struct {
	t       testing.TB
	donor   *Link // control
	joiner  *Links
	fresh   chan *Link // data links as they come to the joiner
	next    func(attempt int) (donor, joiner *memConn)
	mu      sync.Mutex
	dialled int
	pairs   [][2]*memConn
	errs    []error // of Attach
	wg      sync.WaitGroup
}

func memLink(c *memConn, kind Kind) *Conn {
	s := newSocket(c)
	conn := newConn(s, s, Peer{Remote: c.RemoteAddr().String(), Suite: plainWord, Version: 1})
	conn.kind, conn.session = kind, [32]byte{1}
	return conn
}

// newMemSession connects two ends. next makes the pairs, the control connection's with attempt 0.
func newMemSession(t testing.TB, d, j LinkConfig, next func(attempt int) (donor, joiner *memConn)) *memSession {
	t.Helper()
	s := &memSession{t: t, next: next, fresh: make(chan *Link, 8)}
	a, b := next(0)
	s.pairs = append(s.pairs, [2]*memConn{a, b})
	s.donor = newLink(0, d, s.dial)
	s.donor.startOn(memLink(a, Control))
	s.joiner = NewLinks(memLink(b, Control), j)
	s.joiner.Allow(4)
	return s
}

func (s *memSession) dial(ctx context.Context) (*Conn, error) {
	s.mu.Lock()
	s.dialled++
	n := s.dialled
	s.mu.Unlock()
	a, b := s.next(n)
	if a == nil {
		return nil, &net.OpError{Op: "dial", Err: errors.New("the network is down")}
	}
	s.mu.Lock()
	s.pairs = append(s.pairs, [2]*memConn{a, b})
	s.mu.Unlock()
	s.wg.Go(func() {
		l, err := s.joiner.Attach(ctx, memLink(b, Data))
		if err != nil {
			s.mu.Lock()
			s.errs = append(s.errs, err)
			s.mu.Unlock()
		}
		if l != nil {
			s.fresh <- l
		}
	})
	return memLink(a, Data), nil
}

func (s *memSession) close(links ...*Link) {
	for _, l := range append(links, s.donor, s.joiner.Control()) {
		_ = l.Close()
	}
	s.wg.Wait()
}

func steady(n LinkConfig) LinkConfig { n.Limits = Limits{Outage: time.Minute}; return n }

// message is the n-th frame of a direction: type, content and whether it is given are drawn from the seed.
func message(seed uint64, n int, most int) (typ uint8, head, body []byte) {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	size := r.IntN(40)
	if r.IntN(4) == 0 {
		size = r.IntN(most)
	}
	head, body = make([]byte, r.IntN(20)), make([]byte, size)
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	for i := range head {
		head[i] = byte(r.Uint32())
	}
	return uint8(r.IntN(linkTypes)), head, body
}

// pump sends and expects the given number of frames on both ends. The joiner keeps its last one until it has received everything,
// so that the donor, which alone can open a connection, has a reason to. wg is done when all have arrived.
func (s *memSession) pump(wg *sync.WaitGroup, t testing.TB, donor, joiner *Link, seed uint64, frames, most int) {
	all := make(chan struct{})
	send := func(name string, l *Link, seed uint64, last <-chan struct{}) {
		unit := make([]byte, most)
		for n := range frames {
			typ, head, body := message(seed, n, most)
			p := unit[:copy(unit, body)]
			if n == frames-1 && last != nil {
				<-last
			}
			err := l.Give(typ, head, p, &unit)
			if err == nil && (n%7 == 0 || n >= frames-2) {
				err = l.Flush()
			}
			if err != nil {
				t.Errorf("%s: send frame %d: %v", name, n, err)
				return
			}
		}
	}
	receive := func(name string, l *Link, seed uint64, done func()) {
		buf := make([]byte, MaxFrame)
		for n := range frames {
			typ, head, body := message(seed, n, most)
			gotType, got, err := l.Recv(buf)
			if err != nil || gotType != typ || !bytes.Equal(got, append(head, body...)) {
				t.Errorf("%s: frame %d: type %d with %d bytes, %v; want type %d with %d", name, n, gotType, len(got), err, typ, len(head)+len(body))
				break
			}
		}
		done()
		if typ, got, err := l.Recv(buf); err == nil { // until it is closed
			t.Errorf("%s: a frame of type %d with %d bytes after the last", name, typ, len(got))
		}
	}
	wg.Add(2)
	s.wg.Go(func() { receive("donor", donor, seed+1, wg.Done) })
	s.wg.Go(func() { receive("joiner", joiner, seed, func() { close(all); wg.Done() }) })
	wg.Go(func() { send("donor", donor, seed, nil) })
	wg.Go(func() { send("joiner", joiner, seed+1, all) })
}

// TestLinkCutAnywhere cuts the first connection after every number of bytes in either direction. Every frame arrives once and in order.
func TestLinkCutAnywhere(t *testing.T) {
	const frames, most = 12, 300
	total := func(seed uint64) (n int64) {
		for i := range frames {
			_, h, b := message(seed, i, most)
			n += int64(FrameHeader + len(h) + len(b))
		}
		return n
	}
	cuts := 0
	for direction := range 2 {
		for at := int64(0); at <= total(uint64(direction))+3*(FrameHeader+ackSize); at += 3 {
			synctest.Test(t, func(t *testing.T) {
				s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(n int) (*memConn, *memConn) {
					left := [2]int64{-1, -1}
					if n == 0 {
						left[direction] = at
					}
					return memPair(1<<10, left[0], left[1])
				})
				var wg sync.WaitGroup
				s.pump(&wg, t, s.donor, s.joiner.Control(), 0, frames, most)
				wg.Wait()
				cuts += s.donor.Stats().Reopened
				s.close()
				if t.Failed() {
					t.Fatalf("cut in direction %d after %d bytes", direction, at)
				}
			})
		}
	}
	if cuts < 100 {
		t.Errorf("only %d connections were cut", cuts)
	}
}

// TestLinkCutAgain cuts every connection, the later ones often before they are attached.
func TestLinkCutAgain(t *testing.T) {
	for seed := range uint64(modelSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 99))
				var mu sync.Mutex
				s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(int) (*memConn, *memConn) {
					mu.Lock()
					defer mu.Unlock()
					left := func() int64 {
						if rng.IntN(3) == 0 {
							return rng.Int64N(1 << 10)
						}
						return 256<<10 + rng.Int64N(4<<20)
					}
					return memPair(64<<10, left(), left())
				})
				const frames, most = 300, 200 << 10
				data := s.donor.Branch(1, Limits{Outage: time.Minute})
				var wg sync.WaitGroup
				s.pump(&wg, t, s.donor, s.joiner.Control(), 3, frames, 100)
				if err := data.Open(); err != nil {
					t.Fatal(err)
				}
				there := <-s.fresh
				data.attended, there.attended = true, true
				s.pump(&wg, t, data, there, 5, frames, most)
				wg.Wait()
				st := data.Stats()
				t.Logf("opened again %d times, %d bytes sent again", st.Reopened, st.Resent)
				if st.Reopened == 0 {
					t.Error("nothing was cut")
				}
				if most := int64(st.Reopened+1) * windowMost; st.Resent > most {
					t.Errorf("%d bytes sent again, at most %d were not acknowledged", st.Resent, most)
				}
				s.close(data, there)
				if len(s.errs) > 0 {
					t.Error(s.errs)
				}
			})
		})
	}
}

// TestLinkWindow: a sender that nobody reads from stops at the window, a lone goroutine included, and goes on when it is acknowledged.
func TestLinkWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(int) (*memConn, *memConn) { return memPair(64<<20, -1, -1) })
		data := s.donor.Branch(1, Limits{Outage: time.Minute})
		if err := data.Open(); err != nil {
			t.Fatal(err)
		}
		there := <-s.fresh
		const frames = 50
		sent := 0
		var wg sync.WaitGroup
		wg.Go(func() {
			unit := make([]byte, 1<<20)
			for range frames {
				if err := data.Give(1, nil, unit, &unit); err != nil {
					t.Error(err)
				}
				sent++
			}
			if err := data.Flush(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if sent != windowMost>>20 {
			t.Errorf("%d MiB sent without an acknowledgement, the window has %d", sent, windowMost>>20)
		}
		buf := make([]byte, MaxFrame)
		for range frames {
			if _, _, err := there.Recv(buf); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		s.close(data, there)
	})
}

// TestLinkEnd: an end that was announced is io.EOF, after everything that was sent before it, and no loss.
func TestLinkEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(n int) (*memConn, *memConn) { return memPair(1<<20, -1, -1) })
		if err := s.donor.Send(9, []byte("last"), nil); err != nil {
			t.Fatal(err)
		}
		_ = s.donor.Close()
		buf := make([]byte, 100)
		if typ, body, err := s.joiner.Control().Recv(buf); typ != 9 || string(body) != "last" || err != nil {
			t.Errorf("got %d %q %v", typ, body, err)
		}
		if _, _, err := s.joiner.Control().Recv(buf); err != io.EOF {
			t.Errorf("got %v, want io.EOF", err)
		}
		s.close()
	})
}
