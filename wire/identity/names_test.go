package identity

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// book is a resolver with fixed answers.
type book struct {
	hosts map[string][]string
	addrs map[string][]string
}

var errUnknown = errors.New("no such host")

func (b book) LookupHost(_ context.Context, host string) ([]string, error) {
	if a, ok := b.hosts[host]; ok {
		return a, nil
	}
	return nil, errUnknown
}

func (b book) LookupAddr(_ context.Context, addr string) ([]string, error) {
	if n, ok := b.addrs[addr]; ok {
		return n, nil
	}
	return nil, errUnknown
}

func TestReverse(t *testing.T) {
	b := book{
		hosts: map[string][]string{"node1": {"10.0.0.1", "2001:db8::1", "10.9.9.9"}},
		addrs: map[string][]string{"10.0.0.1": {"node1.db.local.", "node1"}, "2001:db8::1": {"six.db.local.", "node1.db.local."}},
	}
	for host, want := range map[string][]string{
		"node1":         {"node1", "node1.db.local", "six.db.local"},
		"10.0.0.1":      {"10.0.0.1", "node1.db.local", "node1"},
		"[2001:db8::1]": {"2001:db8::1", "six.db.local", "node1.db.local"},
		"unknown":       {"unknown"},
		"10.0.0.7":      {"10.0.0.7"},
	} {
		if got := reverse(context.Background(), b, host); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

// The resolver of this host must know its own loopback address, or at least answer in time.
func TestReverseReturnsHostFirst(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if got := Reverse(ctx, "127.0.0.1"); len(got) == 0 || got[0] != "127.0.0.1" {
		t.Errorf("got %q", got)
	}
}
