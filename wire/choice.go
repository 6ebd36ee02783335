package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Choice is what the Dials of one transfer know about the path, where the transport is for them to choose (Auto). TCP goes first,
// because over no path that was measured QUIC was better by much, and it takes four times the processor: see the table in the
// README. QUIC is for paths that TCP does not pass. Over a path that is long or loses packets TCP is helped by another congestion
// control, where the system has it: 4 connections carry 175 Mbit/s with bbr where 0.5 % of the packets are lost on a round trip of
// 50 ms, against 17 with reno and 21 with QUIC, whose control is reno's too.
//
// Safe for concurrent use. The zero value is ready. With nil everything goes over TCP.
type Choice struct {
	mu         sync.Mutex
	transport  Transport // by which the control connection came through; 0: not yet
	control    *Conn
	measured   bool
	congestion string // of data connections; empty: the system's
	warned     bool   // about small buffers
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
	if way := ch.way(); kind == Data || way == QUIC {
		return dial(ctx, t, kind, ch.suited(c), nil, way)
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
		if p, ok := measure(ch.control); ok {
			ch.congestion = ch.help(p, c)
		}
	}
	if c.Socket.Congestion == "" {
		c.Socket.Congestion = ch.congestion
	}
	return c
}

// help returns the congestion control to ask for, and says what was decided.
func (ch *Choice) help(p path, c Config) string {
	switch {
	case c.Socket.Congestion != "":
		c.note(fmt.Sprintf("transport=auto: data go over TCP with congestion control %s, as configured; %v", c.Socket.Congestion, p))
	case !p.hard(), p.congestion == modelBased:
		c.note(fmt.Sprintf("transport=auto: data go over TCP with the system's congestion control %s; %v", p.congestion, p))
	case ch.control.congestion(modelBased) != nil:
		c.note(fmt.Sprintf("transport=auto: data go over TCP with the system's congestion control %s; %v; if packets get lost on the way, %s would be much faster: modprobe tcp_bbr, and add it to sysctl net.ipv4.tcp_allowed_congestion_control",
			p.congestion, p, modelBased))
	default:
		c.note(fmt.Sprintf("transport=auto: data go over TCP with congestion control %s; %v", modelBased, p))
		return modelBased
	}
	return ""
}
