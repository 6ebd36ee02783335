package ends

import (
	"testing"
	"time"

	"trireme/cmd/internal/settings"
)

// TestSocketOptions: what sockopt says reaches the sockets.
func TestSocketOptions(t *testing.T) {
	o := socketOptions(settings.SockOpts{Bind: "[::1]", Family: "ip6", Forever: true, Interval: time.Second, SourcePort: 7}, time.Minute)
	if o.Bind != "::1" || o.Family != 6 || o.Retries < 1<<30 || o.RetryEvery != time.Second || o.RetryFor != time.Minute || o.SourcePort != 7 {
		t.Errorf("%+v", o)
	}
	if o := socketOptions(settings.SockOpts{Retry: 3}, 0); o.Retries != 3 || o.RetryFor != 0 {
		t.Errorf("%+v", o)
	}
}
