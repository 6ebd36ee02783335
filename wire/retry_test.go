package wire

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestRetried runs in virtual time: what is tried again, how often, and when it ends.
func TestRetried(t *testing.T) {
	down := errors.New("nobody there")
	for _, c := range []struct {
		name    string
		options SocketOptions
		err     error
		up      int // the attempt that succeeds; 0: none
		calls   int
		took    time.Duration
	}{
		{"no retries", SocketOptions{}, down, 2, 1, 0},
		{"third time", SocketOptions{Retries: 5}, down, 3, 3, 2 * time.Second},
		{"used up", SocketOptions{Retries: 3, RetryEvery: time.Minute}, down, 0, 4, 3 * time.Minute},
		{"bound of time", SocketOptions{Retries: 1 << 30, RetryFor: 10 * time.Second}, down, 0, 11, 10 * time.Second},
		{"refused", SocketOptions{Retries: 5}, &RefusedError{}, 0, 1, 0},
		{"stranger", SocketOptions{Retries: 5}, &StrangerError{}, 0, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, calls := time.Now(), 0
				conn, err := c.options.retried(t.Context(), func() (*Conn, error) {
					if calls++; calls == c.up {
						return new(Conn), nil
					}
					return nil, c.err
				})
				if calls != c.calls || time.Since(begin) != c.took {
					t.Errorf("%d calls in %v, want %d in %v", calls, time.Since(begin), c.calls, c.took)
				}
				if up := c.calls == c.up; up != (conn != nil) || up != (err == nil) || !up && !errors.Is(err, c.err) {
					t.Errorf("got %v, %v", conn, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := (SocketOptions{Retries: 1 << 30, RetryEvery: time.Hour}).retried(ctx, func() (*Conn, error) { return nil, down }); err != down || time.Since(begin) != 90*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
	})
}
