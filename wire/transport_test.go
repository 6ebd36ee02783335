package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the two ends are told decides, and a contradiction is told to both, with the same text.
func TestTransportsMustAgree(t *testing.T) {
	for _, tc := range []struct {
		joiner, donor, want Transport // want 0: refused
		text                string
	}{
		{joiner: 0, donor: 0, want: TCP}, {joiner: TCP, donor: Auto, want: TCP}, {joiner: TCP, donor: TCP, want: TCP},
		{joiner: TCP, donor: QUIC, text: "the joiner takes TCP only"},
		{joiner: QUIC, donor: 0, want: QUIC}, {joiner: QUIC, donor: Auto, want: QUIC}, {joiner: QUIC, donor: QUIC, want: QUIC},
		{joiner: QUIC, donor: TCP, text: "the joiner takes QUIC only"},
		{joiner: Auto, donor: 0, want: TCP}, {joiner: Auto, donor: Auto, want: TCP}, {joiner: Auto, donor: TCP, want: TCP}, {joiner: Auto, donor: QUIC, want: QUIC},
	} {
		t.Run(fmt.Sprintf("joiner=%v/donor=%v", tc.joiner, tc.donor), func(t *testing.T) {
			l, _ := quicJoiner(t, tc.joiner, nil)
			dc := donorConfig
			dc.Transport, dc.Choice = tc.donor, new(Choice)
			o := meet(t, l, l.Ticket(host(t)), Control, dc)
			if tc.want == 0 {
				for end, err := range map[string]error{"donor": o.donorErr, "joiner": o.joinerErr} {
					if r := refusal(t, end, err); r.Code != CodeTransport || !strings.Contains(r.Reason, tc.text) || !strings.Contains(r.Reason, "transport=") {
						t.Errorf("%s: %v", end, r)
					}
				}
				return
			}
			if o.donorErr != nil || o.joinerErr != nil {
				t.Fatalf("donor: %v; joiner: %v", o.donorErr, o.joinerErr)
			}
			if d, j := o.donor.Peer().Transport, o.joiner.Peer().Transport; d != tc.want || j != tc.want {
				t.Errorf("donor by %v, joiner by %v, want %v", d, j, tc.want)
			}
			chat(t, o.donor, o.joiner)
		})
	}
}

// A joiner that takes QUIC alone turns away a donor that comes by TCP without a word about why, and tells it.
func TestQUICOnlyTurnsTCPAway(t *testing.T) {
	l, _ := quicJoiner(t, QUIC, nil)
	ticket := l.Ticket(host(t))
	ticket.Transport = 0 // as if somebody had cut it off
	o := meet(t, l, ticket, Control, donorConfig)
	for end, err := range map[string]error{"donor": o.donorErr, "joiner": o.joinerErr} {
		if r := refusal(t, end, err); r.Code != CodeTransport || !strings.Contains(r.Reason, "takes QUIC over UDP only") {
			t.Errorf("%s: %v", end, r)
		}
	}
}

// tcpForward passes TCP connections on from a port where UDP is swallowed, as behind a firewall that drops it.
func tcpForward(t *testing.T, to net.Addr) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hole, err := net.ListenPacket("udp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); _ = hole.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to.String())
			if err != nil {
				_ = a.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].Close()
				})
			}
		}
	})
	return ln.Addr().(*net.TCPAddr).Port
}

// Where UDP is dropped, QUIC alone ends with a text that names port and firewall, on both ends; auto does not care.
func TestUDPBlocked(t *testing.T) {
	l, _ := quicJoiner(t, QUIC, nil)
	ticket := l.Ticket(host(t))
	ticket.Port = tcpForward(t, l.Addr())
	o := meet(t, l, ticket, Control, donorConfig)
	for end, err := range map[string]error{"donor": o.donorErr, "joiner": o.joinerErr} {
		r := refusal(t, end, err)
		for _, want := range []string{fmt.Sprintf("UDP 127.0.0.1:%d", ticket.Port), "firewall", "transport=auto"} {
			if r.Code != CodeTransport || !strings.Contains(r.Reason, want) {
				t.Errorf("%s: %v, want %q", end, r, want)
			}
		}
	}

	l, _ = quicJoiner(t, Auto, nil)
	ticket = l.Ticket(host(t))
	ticket.Port = tcpForward(t, l.Addr())
	dc := donorConfig
	dc.Choice = faraway()
	kind := Control
	for range 3 { // the second finds out, the third knows
		o := meet(t, l, ticket, kind, dc)
		if o.donorErr != nil || o.donor.Peer().Transport != TCP {
			t.Fatalf("auto, kind %d: %v", kind, o.donorErr)
		}
		if kind == Control {
			kind, dc.Session = Data, o.donor.Session()
		}
	}
}

// Nobody there at all: neither by UDP nor by TCP.
func TestQUICNobodyThere(t *testing.T) {
	l, _ := quicJoiner(t, QUIC, nil)
	ticket := l.Ticket(host(t))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Dial(testContext(t), ticket, Control, donorConfig)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "nothing came back from UDP") || !strings.Contains(err.Error(), "TCP is refused there") || strings.Contains(err.Error(), "transport=") {
		t.Errorf("got %v", err)
	}
}

// A joiner that ends in the middle of a transfer over QUIC is not taken for a firewall that drops UDP.
func TestQUICJoinerEnds(t *testing.T) {
	l, _ := quicJoiner(t, QUIC, nil)
	var wg sync.WaitGroup
	var joiner *Conn
	var joinerErr error
	wg.Go(func() { joiner, joinerErr = l.Accept(testContext(t)) })
	link, err := DialLink(testContext(t), l.Ticket(host(t)), donorConfig, LinkConfig{Limits: Limits{Outage: patience}})
	wg.Wait()
	if err = errors.Join(err, joinerErr); err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	joiner.kill()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = link.open(testContext(t))
	if err == nil || !strings.Contains(err.Error(), "where connections have stood before: the joiner's program has ended, or the path is cut") || strings.Contains(err.Error(), "firewall") {
		t.Errorf("got %v", err)
	}
}

// auto takes TCP where it gets through and says what it measured; where it does not, everything goes over QUIC.
func TestAuto(t *testing.T) {
	for _, blocked := range []bool{false, true} {
		t.Run(fmt.Sprintf("blocked=%v", blocked), func(t *testing.T) {
			l, _ := quicJoiner(t, Auto, nil)
			ticket := l.Ticket(host(t))
			want, says := TCP, "transport=auto: data go over TCP with the system's congestion control "
			if blocked {
				want, says = QUIC, "transport=auto: everything goes over QUIC, since TCP does not get through"
				ticket.Port = udpForward(t, l.quic.ep.udp.LocalAddr(), func([]byte) {})
			}
			var mu sync.Mutex
			var notes []string
			dc := donorConfig
			dc.Choice = new(Choice)
			dc.Note = func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				notes = append(notes, fmt.Sprintf(format, args...))
			}
			kind := Control
			for range 3 {
				o := meet(t, l, ticket, kind, dc)
				if o.donorErr != nil || o.joinerErr != nil {
					t.Fatal(o.donorErr, o.joinerErr)
				}
				if got := o.donor.Peer().Transport; got != want {
					t.Errorf("connection of kind %d went by %v, want %v", kind, got, want)
				}
				chat(t, o.donor, o.joiner)
				if kind == Control {
					kind, dc.Session = Data, o.donor.Session()
				}
			}
			if len(notes) != 1 || !strings.HasPrefix(notes[0], says) {
				t.Errorf("notes %q, want one that begins with %q", notes, says)
			}
		})
	}
}

func TestHardPaths(t *testing.T) {
	for p, want := range map[path]bool{
		{least: 100 * time.Microsecond, sent: 20}:                             false,
		{least: 9 * time.Millisecond, sent: 20}:                               false,
		{least: 10 * time.Millisecond, sent: 20}:                              true,
		{least: time.Millisecond, sent: 20, lost: 1}:                          true,
		{least: 50 * time.Millisecond, congestion: "reno"}:                    true,
		{least: 100 * time.Microsecond, rtt: 12 * time.Millisecond, sent: 20}: false, // acknowledgements were held back
	} {
		if p.hard() != want {
			t.Errorf("%+v: hard %v", p, !want)
		}
	}
}
