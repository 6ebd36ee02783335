package wire

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestLinkOutage: an outage ends at its limit, with how it began and where the limit is from, and is announced before.
func TestLinkOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var overdue time.Duration
		began := time.Now()
		config := LinkConfig{
			Limits: Limits{Outage: 20 * time.Second, Overdue: 3 * time.Second}, From: "reconnect=20s, default",
			OnOverdue: func(e *LostError) {
				overdue = time.Since(began)
				if e.Limit != 3*time.Second || strings.Contains(e.Error(), "reconnect") {
					t.Errorf("overdue: %v", e)
				}
			},
		}
		s := newMemSession(t, config, config, func(n int) (*memConn, *memConn) {
			if n > 0 {
				return nil, nil
			}
			return memPair(1<<20, -1, -1)
		})
		s.pairs[0][0].onCut()
		for i, l := range []*Link{s.donor, s.joiner.Control()} {
			overdue, began = 0, time.Now()
			_, _, err := l.Recv(make([]byte, 10))
			var lost *LostError
			if !errors.As(err, &lost) || lost.Limit != 20*time.Second || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "not opened again within 20s (reconnect=20s, default)") {
				t.Errorf("end %d: %v", i, err)
			}
			if took := time.Since(began); took != 20*time.Second || overdue != 3*time.Second {
				t.Errorf("end %d: over after %v, overdue after %v", i, took, overdue)
			}
		}
		if err := s.donor.Send(1, nil, nil); err == nil || !strings.Contains(err.Error(), "the network is down") {
			t.Errorf("the last attempt is not told: %v", err)
		}
		s.close()
	})
}

// TestLinkLimitsChange: a limit that becomes shorter counts for the outage that is going on, and for the silence.
func TestLinkLimitsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := true
		s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(int) (*memConn, *memConn) {
			if !up {
				return nil, nil
			}
			return memPair(1<<20, -1, -1)
		})
		began := time.Now()
		time.AfterFunc(5*time.Second, func() { up = false; s.donor.SetLimits(Limits{Silence: 2 * time.Second, Outage: time.Minute}) })
		time.AfterFunc(10*time.Second, func() { s.donor.SetLimits(Limits{Silence: 2 * time.Second, Outage: 4 * time.Second}) })
		_, _, err := s.donor.Recv(make([]byte, 10))
		var lost *LostError
		if !errors.As(err, &lost) || !lost.Silent || lost.Limit != 4*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 11*time.Second { // silent at 7, over four seconds later
			t.Errorf("over after %v", took)
		}
		s.close()
	})
}

// TestLinkGone: a port that refuses connections means that the joiner's program has ended; what proves that it is another is final at once.
func TestLinkGone(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		took time.Duration
		want string
	}{
		{"refused", syscall.ECONNREFUSED, goneAfter, "the joiner's program has ended"},
		{"another program", &StrangerError{Cause: CausePin, Err: errors.New("its certificate is another")}, 0, "its certificate is another"},
		{"turned away", &RefusedError{ByPeer: true, Code: CodePolicy, Reason: "expired"}, 0, "expired"},
		{"unreachable", syscall.EHOSTUNREACH, time.Minute, "not opened again within 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLink(0, steady(LinkConfig{}), func(context.Context) (*Conn, error) { return nil, c.err })
				a, _ := memPair(1<<20, -1, -1)
				l.startOn(memLink(a, Control))
				a.onCut()
				began := time.Now()
				_, _, err := l.Recv(make([]byte, 10))
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if took := time.Since(began); took < c.took || took > c.took+2*redialMost {
					t.Errorf("after %v, want %v", took, c.took)
				}
				_ = l.Close()
			})
		})
	}
}

// TestLinkOff: without an outage that is allowed a loss is the end.
func TestLinkOff(t *testing.T) {
	s := newMemSession(t, LinkConfig{}, LinkConfig{}, func(int) (*memConn, *memConn) { return memPair(1<<20, -1, -1) })
	s.pairs[0][0].onCut()
	for i, l := range []*Link{s.donor, s.joiner.Control()} {
		_, _, err := l.Recv(make([]byte, 10))
		var lost *LostError
		if !errors.As(err, &lost) || lost.Limit != 0 || lost.Gone {
			t.Errorf("end %d: %v", i, err)
		}
	}
	if s.dialled != 0 {
		t.Error("the donor has tried again")
	}
	s.close()
}

// TestLinkExpire: a peer that was told that all is over gets its time, and more only while something is not acknowledged.
func TestLinkExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(int) (*memConn, *memConn) { return memPair(1<<20, -1, -1) })
		joiner := s.joiner.Control()
		if err := errors.Join(joiner.Send(9, nil, nil), joiner.Flush()); err != nil { // it is confirmed
			t.Fatal(err)
		}
		s.wg.Go(func() {
			for buf := make([]byte, 10); ; {
				if _, _, err := s.donor.Recv(buf); err != nil {
					return
				}
			}
		})
		began := time.Now()
		joiner.Expire(2 * time.Second)
		if _, _, err := joiner.Recv(make([]byte, 10)); err == nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		s.close()
	})
	// What was said last is lost on the way and said again.
	synctest.Test(t, func(t *testing.T) {
		s := newMemSession(t, steady(LinkConfig{}), steady(LinkConfig{}), func(n int) (*memConn, *memConn) {
			a, b := memPair(1<<20, -1, -1)
			b.out.mute = n == 0
			return a, b
		})
		joiner := s.joiner.Control()
		if err := errors.Join(joiner.Send(9, nil, []byte("done")), joiner.Flush()); err != nil {
			t.Fatal(err)
		}
		joiner.Expire(2 * time.Second)
		s.wg.Go(func() {
			if typ, _, err := s.donor.Recv(make([]byte, 10)); typ != 9 || err != nil {
				t.Errorf("the donor got %d, %v", typ, err)
			}
			s.donor.End()
		})
		if _, _, err := joiner.Recv(make([]byte, 10)); err != io.EOF {
			t.Errorf("the joiner got %v", err)
		}
		s.wg.Wait()
		s.close()
	})
}
