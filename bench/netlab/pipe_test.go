package netlab

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// arrivals feeds packets into a pipe in virtual time, one each interval, and returns when each of those that arrived did.
func arrivals(t *testing.T, s Shape, packets, size int, interval time.Duration) (at []time.Duration, c Count) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(7)
		p.setShape(s)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() {
			p.run(ctx, func(b []byte) {
				if len(b) != size {
					t.Errorf("a packet of %d bytes arrived, %d were sent", len(b), size)
				}
				at = append(at, time.Since(start))
			})
		})
		packet := make([]byte, size)
		for range packets {
			p.put(time.Now(), packet)
			time.Sleep(interval)
		}
		time.Sleep(time.Minute)
		cancel()
		wg.Wait()
		c = p.counts()
	})
	return at, c
}

// TestPipe: rate, delay, queue and loss are what the shape says, to the nanosecond.
func TestPipe(t *testing.T) {
	t.Run("rate", func(t *testing.T) {
		// 1250 bytes take 1 ms at 10 Mbit/s; they come twice as fast.
		at, c := arrivals(t, Shape{Rate: 10e6, Queue: 1 << 20}, 500, 1250, 500*time.Microsecond)
		if len(at) != 500 || at[0] != time.Millisecond || at[499] != 500*time.Millisecond {
			t.Errorf("%d arrived from %v to %v", len(at), at[0], at[len(at)-1])
		}
		if c.Packets != 500 || c.Bytes != 500*1250 || c.Lost+c.Overflow != 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("delay", func(t *testing.T) {
		at, _ := arrivals(t, Shape{Delay: 25 * time.Millisecond}, 10, 100, time.Millisecond)
		for i, d := range at {
			if want := time.Duration(i)*time.Millisecond + 25*time.Millisecond; d != want {
				t.Errorf("packet %d arrived after %v, want %v", i, d, want)
			}
		}
	})
	t.Run("queue", func(t *testing.T) {
		// Ten packets fit; all of them come at once.
		at, c := arrivals(t, Shape{Rate: 10e6, Queue: 12500}, 100, 1250, 0)
		if len(at) != 10 || c.Overflow != 90 || at[9] != 10*time.Millisecond {
			t.Errorf("%d arrived, the last after %v; %+v", len(at), at[len(at)-1], c)
		}
	})
	t.Run("loss", func(t *testing.T) {
		const n = 100000
		at, c := arrivals(t, Shape{Loss: 0.005}, n, 40, time.Microsecond)
		if int64(len(at)) != n-c.Lost || math.Abs(float64(c.Lost)-500) > 100 {
			t.Errorf("%d of %d arrived; %+v", len(at), n, c)
		}
		if _, again := arrivals(t, Shape{Loss: 0.005}, n, 40, time.Microsecond); again != c {
			t.Errorf("with the same seed %+v, before %+v", again, c)
		}
	})
	t.Run("memory", func(t *testing.T) {
		_, c := arrivals(t, Shape{Delay: time.Second}, 2000, 64<<10, 0)
		if c.Bytes != mostHeld || c.Overflow != 2000-mostHeld>>16 {
			t.Errorf("%+v", c)
		}
	})
}
