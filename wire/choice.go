package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Choice is what the Dials of one transfer know about the path, where the transport is for them to choose (Auto). TCP goes first,
// because over a short path QUIC is never better and takes four times the processor: see the table in the README. QUIC is for paths
// that TCP does not pass. Over a path that is long or loses packets TCP is helped by another congestion control, where the system has
// it: that carries ten times as much as reno where 0.5 % of the packets are lost on a round trip of 50 ms.
//
// Where the system has not, data go over QUIC to begin with: it halves its window at no loss, so it carries half as much again as TCP
// where packets get lost by chance. Weigh sees whether they do, and goes back to TCP where that is as fast. In this order, because what a
// TCP connection was given lies in the kernel for seconds before it has gone, and quic-go keeps nothing.
//
//	first data connection -> near, or bbr to be had ------------------> TCP
//	                      -> QUIC -> does not get through ------------> TCP
//	                              -> packets lost, no queue ----------> QUIC
//	                              -> else: TCP on trial -> as fast ---> TCP
//	                                                    -> slower ----> QUIC
//
// Safe for concurrent use. The zero value is ready. With nil everything goes over TCP.
type Choice struct {
	mu         sync.Mutex
	transport  Transport // by which the control connection came through; 0: not yet
	control    *Conn
	measured   bool
	congestion string // of data connections; empty: the system's
	warned     bool   // about small buffers

	data  atomic.Uint32 // the Transport of data connections; 0: that of the control connection
	held  atomic.Bool   // those that stand stay as they are
	note  func(text string)
	trial trial

	// For tests alone: what takes the place of measure, and of asking for modelBased.
	look func(*Conn) (path, bool)
	ask  func(*Conn) error
}

const (
	// tcpSilence is how long the control connection waits for TCP before it tries QUIC.
	tcpSilence = 2500 * time.Millisecond

	// farAway is the round trip from which on a lost packet costs a loss-based control much.
	farAway = 10 * time.Millisecond

	// modelBased is the congestion control that does not take loss for congestion.
	modelBased = "bbr"
)

// once passes on what is worth saying once.
func (ch *Choice) once(text string, c Config) {
	if ch == nil {
		c.note(text)
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if text != "" && !ch.warned {
		ch.warned = true
		c.note(text)
	}
}

// dial opens a connection by the transport that gets through.
func (ch *Choice) dial(ctx context.Context, t Ticket, kind Kind, c Config) (*Conn, error) {
	if ch == nil {
		return dial(ctx, t, kind, c, nil, TCP)
	}
	if kind == Data {
		return ch.dialData(ctx, t, c)
	}
	if ch.way() == QUIC {
		return dial(ctx, t, kind, c, nil, QUIC)
	}
	first := c
	if first.Socket.ConnectTimeout <= 0 {
		first.Socket.ConnectTimeout = tcpSilence
	}
	conn, err := dial(ctx, t, kind, first, nil, TCP)
	var refused *RefusedError
	if err == nil {
		ch.came(conn)
		return conn, nil
	}
	if errors.As(err, &refused) || ctx.Err() != nil {
		return nil, err
	}
	conn, quicErr := dial(ctx, t, kind, c, nil, QUIC)
	if quicErr != nil {
		if errors.As(quicErr, &refused) {
			return nil, quicErr
		}
		return nil, fmt.Errorf("%w; QUIC does not get through either: %w", err, quicErr)
	}
	c.note(fmt.Sprintf("transport=auto: everything goes over QUIC, since TCP does not get through: %v", err))
	ch.came(conn)
	return conn, nil
}

// dialData opens a data connection by the transport that suits the path.
func (ch *Choice) dialData(ctx context.Context, t Ticket, c Config) (*Conn, error) {
	c = ch.suited(c)
	way := ch.forData()
	if way != QUIC || ch.way() == QUIC {
		return dial(ctx, t, Data, c, nil, way)
	}
	// TCP gets through: there is no need to insist.
	conn, err := dial(ctx, t, Data, c, nil, QUIC)
	var refused *RefusedError
	if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
		return conn, err
	}
	ch.settle(TCP, fmt.Sprintf("transport=auto: data go over TCP, since QUIC does not get through: %v", err))
	return dial(ctx, t, Data, c, nil, TCP)
}

// forData is the transport that data connections should have.
func (ch *Choice) forData() Transport {
	if way := Transport(ch.data.Load()); way != 0 {
		return way
	}
	return ch.way()
}

// left says that a data connection should be replaced by one of another transport.
func (ch *Choice) left(conn *Conn) bool {
	if ch == nil || ch.held.Load() {
		return false
	}
	way := Transport(ch.data.Load())
	return way != 0 && way != conn.peer.Transport
}

// Hold says that connections that stand stay as they are, whatever suits the path: opening others takes round trips, for which not every
// moment is good.
func (ch *Choice) Hold(on bool) {
	if ch != nil {
		ch.held.Store(on)
	}
}

func (ch *Choice) came(conn *Conn) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.control, ch.transport = conn, conn.peer.Transport
}

func (ch *Choice) way() Transport {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.transport == 0 {
		return TCP
	}
	return ch.transport
}

// suited fits c to the path. It measures at the first data connection, when the control connection has seen some round trips.
func (ch *Choice) suited(c Config) Config {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.measured && ch.control != nil && ch.transport == TCP {
		ch.measured = true
		if p, ok := ch.measure(ch.control); ok {
			ch.note = c.note
			ch.congestion = ch.help(p, c)
		}
	}
	if c.Socket.Congestion == "" {
		c.Socket.Congestion = ch.congestion
	}
	return c
}

func (ch *Choice) measure(conn *Conn) (path, bool) {
	if ch.look != nil {
		return ch.look(conn)
	}
	return measure(conn)
}

// mayHave asks for modelBased on the control connection: what it gets the others get.
func (ch *Choice) mayHave() bool {
	if ch.ask != nil {
		return ch.ask(ch.control) == nil
	}
	return ch.control.congestion(modelBased) == nil
}

// help returns the congestion control to ask for, and says what was decided.
func (ch *Choice) help(p path, c Config) string {
	switch {
	case c.Socket.Congestion != "":
		c.note(fmt.Sprintf("transport=auto: data go over TCP with congestion control %s, as configured; %v", c.Socket.Congestion, p))
	case !p.hard(), p.congestion == modelBased:
		c.note(fmt.Sprintf("transport=auto: data go over TCP with the system's congestion control %s; %v", p.congestion, p))
	case ch.mayHave():
		c.note(fmt.Sprintf("transport=auto: data go over TCP with congestion control %s; %v", modelBased, p))
		return modelBased
	default:
		with := fmt.Sprintf("TCP with the system's congestion control %s", p.congestion)
		if p.far() {
			with = "QUIC to begin with"
			ch.trial.stage = onQUIC
			ch.data.Store(uint32(QUIC))
		}
		c.note(fmt.Sprintf("transport=auto: data go over %s; %v; if packets get lost on the way, TCP with %s would be much faster: modprobe tcp_bbr, and add it to sysctl net.ipv4.tcp_allowed_congestion_control",
			with, p, modelBased))
	}
	return ""
}
