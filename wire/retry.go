package wire

import (
	"context"
	"errors"
	"time"
)

// retryEvery is the pause between attempts to connect when none is given; socat's is the same.
const retryEvery = time.Second

// retried calls dial until it connects, the peer has answered, the attempts or the time that the options allow are used up, or ctx
// ends. The last error is the one that counts: it says how things are now.
func (o SocketOptions) retried(ctx context.Context, dial func() (*Conn, error)) (*Conn, error) {
	every := o.RetryEvery
	if every <= 0 {
		every = retryEvery
	}
	begin := time.Now()
	for attempt := 0; ; attempt++ {
		conn, err := dial()
		var refused *RefusedError
		var stranger *StrangerError
		if err == nil || attempt >= o.Retries || errors.As(err, &refused) || errors.As(err, &stranger) || o.RetryFor > 0 && time.Since(begin)+every > o.RetryFor {
			return conn, err
		}
		t := time.NewTimer(every)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		}
	}
}
