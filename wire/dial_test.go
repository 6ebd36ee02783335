package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"trireme/wire/identity"
)

func TestDialErrors(t *testing.T) {
	ctx := testContext(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ticket := Ticket{Host: "127.0.0.1", Port: silent.Addr().(*net.TCPAddr).Port, Version: 1, Nonce: NewNonce()}
	for _, tc := range []struct {
		name   string
		change func(*Ticket, *Config)
		is     error
		text   string
	}{
		{"silence", func(_ *Ticket, c *Config) { c.HandshakeTimeout = 50 * time.Millisecond }, context.DeadlineExceeded, "no answer within 50ms"},
		{"silence, plain", func(k *Ticket, c *Config) { k.Plain, c.Plain, c.HandshakeTimeout = true, true, 50*time.Millisecond }, context.DeadlineExceeded, "no answer within 50ms"},
		{"version range", func(_ *Ticket, c *Config) { c.MinVersion = 2 }, nil, "no range"},
		{"family", func(_ *Ticket, c *Config) { c.Socket.Family = 6 }, nil, "no address of the family IPv6"},
		{"name", func(k *Ticket, _ *Config) { k.Host = "host.invalid" }, nil, "resolve"},
		{"bind", func(_ *Ticket, c *Config) { c.Socket.Bind = "nowhere" }, nil, "not an IP address"},
		{"congestion", func(_ *Ticket, c *Config) { c.Socket.Congestion = "no-such" }, os.ErrNotExist, "tcp_available_congestion_control"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k, c := ticket, Config{MinVersion: 1, MaxVersion: 1, HandshakeTimeout: patience}
			tc.change(&k, &c)
			conn, err := Dial(ctx, k, Control, c)
			if err == nil || conn != nil || !strings.Contains(err.Error(), tc.text) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		why := errors.New("the server is going down")
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
		if _, err := Dial(ctx, ticket, Control, Config{MinVersion: 1, MaxVersion: 1, HandshakeTimeout: patience}); !errors.Is(err, why) {
			t.Errorf("got %v, want the cause", err)
		}
	})
}

// TestRetries lets a joiner's port come up late: sockopt's retry waits for it, and without it the first refusal is the answer.
func TestRetries(t *testing.T) {
	ctx := testContext(t)
	late, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := late.Addr().String()
	_ = late.Close()
	c := config(t)
	c.Nonce = NewNonce()
	ticket := Ticket{Host: "127.0.0.1", Port: late.Addr().(*net.TCPAddr).Port, Version: 1, Nonce: c.Nonce, Pin: identity.Pin(c.Material.Leaf)}
	if _, err := Dial(ctx, ticket, Control, c); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("without retries: %v", err)
	}
	patient := c
	patient.Socket.Retries, patient.Socket.RetryEvery = 1000, 5*time.Millisecond
	var wg sync.WaitGroup
	var donor *Conn
	var lateErr error
	wg.Go(func() { donor, lateErr = Dial(ctx, ticket, Control, patient) })
	l, err := Listen(ctx, addr, c)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := l.Accept(ctx)
	wg.Wait()
	if err != nil || lateErr != nil {
		t.Fatalf("with retries: joiner %v, donor %v", err, lateErr)
	}
	_ = conn.Close()
	_ = donor.Close()
}

func TestOrder(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for _, tc := range []struct {
		in     []netip.Addr
		family int
		want   []netip.Addr
	}{
		{[]netip.Addr{a6, b6, a4, b4}, 0, []netip.Addr{a6, a4, b6, b4}},
		{[]netip.Addr{a4, a6, b6}, 0, []netip.Addr{a4, a6, b6}},
		{[]netip.Addr{a4, a4, a6}, 4, []netip.Addr{a4}},
		{[]netip.Addr{a4, a6}, 6, []netip.Addr{a6}},
		{[]netip.Addr{a4}, 6, nil},
	} {
		if got := order(tc.in, tc.family); !slices.Equal(got, tc.want) {
			t.Errorf("order(%v, %d) = %v, want %v", tc.in, tc.family, got, tc.want)
		}
	}
}

func TestRace(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}
	type plan struct {
		after time.Duration
		err   error
	}
	refused, pin := errors.New("refused"), &StrangerError{Cause: CausePin, Err: errors.New("pin")}
	for _, tc := range []struct {
		name  string
		plans [3]plan
		want  int // index of the winner, -1 for an error
		err   error
		took  time.Duration
	}{
		{"the first is fine", [3]plan{{0, nil}, {0, nil}, {0, nil}}, 0, nil, 0},
		{"the first fails at once", [3]plan{{0, refused}, {0, nil}, {0, nil}}, 1, nil, 0},
		{"the first is silent", [3]plan{{time.Hour, refused}, {time.Second, nil}, {time.Hour, nil}}, 1, nil, headStart + time.Second},
		{"a slow first wins", [3]plan{{300 * time.Millisecond, nil}, {time.Second, nil}, {0, nil}}, 0, nil, 300 * time.Millisecond},
		{"somebody else answers", [3]plan{{0, pin}, {0, nil}, {0, nil}}, 1, nil, 0},
		{"all fail", [3]plan{{0, refused}, {0, pin}, {0, refused}}, -1, pin, 0},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var dropped []int
				got, err := race(context.Background(), addrs, headStart, func(ctx context.Context, a netip.Addr) (int, error) {
					i := slices.Index(addrs, a)
					select {
					case <-time.After(tc.plans[i].after):
						return i, tc.plans[i].err
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				}, func(i int) { dropped = append(dropped, i) })
				if tc.want >= 0 && (err != nil || got != tc.want) || tc.want < 0 && !errors.Is(err, tc.err) {
					t.Errorf("got %d, %v", got, err)
				}
				if took := time.Since(start); took != tc.took {
					t.Errorf("took %v of virtual time, want %v", took, tc.took)
				}
				if slices.Contains(dropped, got) && err == nil {
					t.Error("the winner was dropped")
				}
			})
		})
	}
}
