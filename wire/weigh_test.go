package wire

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestWeigh: which transport is kept on which path. Looks come every second, as from a donor.
func TestWeigh(t *testing.T) {
	const mb = 1 << 20
	far := func(queue float64, lost int64) path {
		least := 50 * time.Millisecond
		return path{rtt: time.Duration(float64(least) * queue), least: least, sent: 10000, lost: lost}
	}
	for name, c := range map[string]struct {
		path      path  // what a second adds to sent and lost
		quic, tcp int64 // MiB a second
		want      Transport
		looks     int
	}{
		"losses by chance":      {far(1.1, 50), 10, 7, QUIC, 2},
		"none, TCP as fast":     {far(1, 0), 10, 10, TCP, 6},
		"none, TCP slower":      {far(1, 0), 10, 9, QUIC, 6},
		"few":                   {far(1, 2), 10, 12, TCP, 6},
		"because it is full":    {far(1.9, 50), 20, 20, TCP, 6},
		"full, TCP is slower":   {far(1.9, 50), 20, 15, QUIC, 6},
		"nothing is being sent": {far(1, 0), 0, 0, QUIC, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ch := &Choice{trial: trial{stage: onQUIC}}
				ch.data.Store(uint32(QUIC))
				var said []string
				ch.note = func(text string) { said = append(said, text) }
				var bytes int64
				sum := c.path
				looks := 0
				for ; ch.trial.stage != settled && looks < 20; looks++ {
					time.Sleep(time.Second)
					if ch.forData() == QUIC {
						bytes += c.quic * mb
					} else {
						bytes += c.tcp * mb
					}
					sum.sent += c.path.sent
					sum.lost += c.path.lost
					if busy := ch.judge(bytes, sum); ch.trial.stage == onTCP && !busy {
						t.Errorf("others may judge in the middle of %+v", ch.trial)
					}
				}
				if c.looks == 0 {
					if looks < 20 || len(said) > 0 {
						t.Errorf("decided on nothing: %q", said)
					}
					return
				}
				if looks != c.looks || ch.forData() != c.want || len(said) != 1 {
					t.Errorf("%v after %d looks, want %v after %d; said %q", ch.forData(), looks, c.want, c.looks, said)
				}
			})
		})
	}
}

// faraway is a Choice that sees a long path, on which no congestion control but the system's is to be had.
func faraway() *Choice {
	return &Choice{
		look: func(*Conn) (path, bool) {
			return path{rtt: 50 * time.Millisecond, least: 50 * time.Millisecond, congestion: "reno"}, true
		},
		ask: func(*Conn) error { return syscall.EPERM },
	}
}

// TestMove: data connections go to the other transport while frames flow, forth and back; each frame arrives once, in order, and none
// is sent again. The control connection stays.
func TestMove(t *testing.T) {
	joiner := config(t)
	joiner.Transport = Auto
	ch := faraway()
	dc := donorConfig
	dc.Choice = ch
	s := startSession(t, joiner, dc, 1)
	var mu sync.Mutex
	var causes []error
	s.donor.c.OnReopened = func(r Reopened) {
		mu.Lock()
		defer mu.Unlock()
		causes = append(causes, r.Cause)
	}
	d, j := s.data(1)
	by := func(want Transport) {
		t.Helper()
		if got := d.Peer().Transport; got != want {
			t.Errorf("data go over %v, want %v", got, want)
		}
	}
	by(QUIC)
	const frames = 3000
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, MaxFrame)
		for n := range uint64(frames) {
			if _, body, err := j.Recv(buf); err != nil || binary.BigEndian.Uint64(body) != n {
				t.Errorf("frame %d: % x, %v", n, body[:min(len(body), 8)], err)
				return
			}
		}
	})
	body := make([]byte, 10000)
	for n := range uint64(frames) {
		switch n {
		case frames / 4:
			ch.Hold(true)
			ch.settle(TCP, "")
		case frames / 2:
			by(QUIC)
			ch.Hold(false)
		case 3 * frames / 4:
			by(TCP)
			ch.settle(QUIC, "")
		}
		binary.BigEndian.PutUint64(body, n)
		if err := d.Send(1, nil, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	by(QUIC)
	mu.Lock()
	defer mu.Unlock()
	if !slices.EqualFunc(causes, []error{ErrMoved, ErrMoved}, errors.Is) || d.Stats() != (LinkStats{}) {
		t.Errorf("replaced because of %v, %+v", causes, d.Stats())
	}
	if got := s.donor.Peer().Transport; got != TCP {
		t.Errorf("control goes over %v", got)
	}
	s.close()
}
