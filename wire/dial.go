package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"trireme/wire/identity"
	"trireme/wire/record"
)

// Dial connects the donor to the joiner that issued t. It returns when both ends have proved themselves and accepted each other.
// All addresses of the host are tried, with a short head start for each over the next. Data connections need c.Session.
//
// Errors: a *RefusedError when the real joiner was reached and one of the two does not want the other, which both then know; a
// *StrangerError when somebody else answered; otherwise what the system or ctx says.
func Dial(ctx context.Context, t Ticket, kind Kind, c Config) (*Conn, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("dial %s: %w", joinHostPort(t.Host, t.port()), err)
	}
	switch {
	case kind != Control && kind != Data:
		panic(fmt.Sprintf("wire: internal error: dialling a connection of kind %d", kind))
	case kind == Data && c.Session == ([32]byte{}):
		return nil, fmt.Errorf("dial %s: a data connection needs Config.Session, the Session of its control connection", joinHostPort(t.Host, t.port()))
	case t.Plain != c.Plain:
		// Never weaker, and never other, than asked for. The joiner is told in its own mode; the proof gives nothing away.
		mode := modeObjection(t.Plain)
		return nil, deliver(ctx, t, c, mode)
	}
	way, why := t.way(c.Transport)
	if why != nil {
		return nil, deliver(ctx, t, c, why)
	}
	return c.Socket.retried(ctx, func() (*Conn, error) {
		switch way {
		case QUIC:
			return dialQUIC(ctx, t, kind, c)
		case Auto:
			return c.Choice.dial(ctx, t, kind, c)
		}
		return dial(ctx, t, kind, c, nil, TCP)
	})
}

// dialQUIC is dial where nothing but QUIC will do. When UDP does not get through the joiner hears of it by TCP, if that does.
func dialQUIC(ctx context.Context, t Ticket, kind Kind, c Config) (*Conn, error) {
	conn, err := dial(ctx, t, kind, c, nil, QUIC)
	var silent *silentError
	if kind != Control || !errors.As(err, &silent) {
		return conn, err
	}
	heard := deliver(ctx, t, c, &objection{CodeTransport, cleanReason(silent.Error()), err})
	var refused *RefusedError
	if errors.As(heard, &refused) {
		return nil, heard
	}
	if errors.Is(heard, syscall.ECONNREFUSED) {
		told := *silent
		told.refused = heard
		return nil, fmt.Errorf("dial %s: %w", joinHostPort(t.Host, t.port()), &told)
	}
	return nil, fmt.Errorf("%w; TCP does not lead to the joiner either: %w", err, heard)
}

// Refuse is for a donor that cannot start, for instance because of its option file: it connects without a certificate of its own,
// proves that it belongs to the state request, and has the joiner's log show reason, of which 512 bytes arrive. nil means that the
// joiner has heard it.
func Refuse(ctx context.Context, t Ticket, c Config, reason string) error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("dial %s: %w", joinHostPort(t.Host, t.port()), err)
	}
	err := deliver(ctx, t, c, &objection{CodeSetup, cleanReason(reason), nil})
	var told *RefusedError
	if errors.As(err, &told) && !told.ByPeer {
		var unheard *StrangerError
		if !errors.As(err, &unheard) {
			return nil
		}
	}
	return err
}

// deliver connects in the joiner's own mode just to say why not. It always returns an error, the objection itself if it arrived.
func deliver(ctx context.Context, t Ticket, c Config, o *objection) error {
	c.Plain, c.Policy, c.Material = t.Plain, identity.Policy{}, nil
	// A joiner listens for TCP in any case: for this.
	conn, err := dial(ctx, t, Control, c, o, TCP)
	if conn != nil {
		panic("wire: internal error: a refusal opened a connection")
	}
	return err
}

func modeObjection(joinerPlain bool) *objection {
	err := errors.New("the joiner encrypts, but this donor is told not to (ssl-mode=DISABLED or encrypt=0); set the same on both")
	if joinerPlain {
		err = errors.New("the joiner does not encrypt (ssl-mode=DISABLED or encrypt=0), but this donor is told to; set the same on both")
	}
	return &objection{CodeMode, err.Error(), err}
}

func (t Ticket) port() int {
	if t.Port == 0 {
		return DefaultPort
	}
	return t.Port
}

// dial comes back a few times when the connection ended before anything was proved: under a flood the joiner drops connections
// that look idle, and cannot know that one of them is the donor.
func dial(ctx context.Context, t Ticket, kind Kind, c Config, refusal *objection, way Transport) (*Conn, error) {
	where := joinHostPort(t.Host, t.port())
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout(), fmt.Errorf("no answer within %s: %w", c.timeout(), context.DeadlineExceeded))
	defer cancel()
	pause := dialPause
	var broken error
	for attempt := 1; ; attempt++ {
		conn, err := dialOnce(ctx, t, kind, c, refusal, way)
		if err == nil {
			return conn, nil
		}
		var stranger *StrangerError
		var refused *RefusedError
		if broken != nil && errors.As(err, &refused) && refused.Code == CodeBusy {
			// The attempt before had come through, only its answer was lost: that is the story to tell.
			err = broken
		}
		broken = err
		if attempt == dialAttempts || !errors.As(err, &stranger) || stranger.Cause != CauseClosed || ctx.Err() != nil {
			return nil, dialError(ctx, where, err)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, dialPauseMost)
		case <-ctx.Done():
			return nil, dialError(ctx, where, err)
		}
	}
}

func dialError(ctx context.Context, where string, err error) error {
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return err // says all there is to say
	case ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		return fmt.Errorf("dial %s: %w (%w)", where, context.Cause(ctx), err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("dial %s: nothing listens there; is the joiner still running, and does the address lead to it: %w", where, err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("dial %s: there is no way to that address, or a firewall rejects the port: %w", where, err)
	}
	return fmt.Errorf("dial %s: %w", where, err)
}

func dialOnce(ctx context.Context, t Ticket, kind Kind, c Config, refusal *objection, way Transport) (*Conn, error) {
	ch, err := connect(ctx, t, c, way)
	if err != nil {
		return nil, err
	}
	// From here on only deadlines wake up a blocked read, so the end of ctx becomes one. ctx comes first, which is what makes
	// its cause the one that is reported.
	stop := context.AfterFunc(ctx, func() { _ = ch.stream.SetDeadline(time.Unix(1, 0)) })
	conn, err := donorHandshake(ch, t, kind, c, refusal)
	if !stop() && err == nil {
		// ctx ended at the last moment and may have left its deadline behind.
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = ch.stream.Close() // the handshake failed; that is the news
		return nil, err
	}
	if way == QUIC && c.stood != nil {
		c.stood.Store(true)
	}
	return conn, nil
}

// secure speaks TLS on a fresh TCP connection and compares the pin. It closes nc when it fails.
func secure(ctx context.Context, nc net.Conn, t Ticket, c Config) (*channel, error) {
	s := newSocket(nc)
	c.Socket.tune(nc)
	if c.Plain {
		return plainChannel(s), nil
	}
	tc := record.Client(s, c.donorTLS())
	fail := func(err error) (*channel, error) {
		_ = tc.Close() // the handshake failed; that is the news
		return nil, err
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return fail(tlsError(s.RemoteAddr().String(), err))
	}
	ch, err := tlsChannel(s, tc)
	if err != nil {
		return fail(&StrangerError{s.RemoteAddr().String(), CauseProtocol, err})
	}
	if err := checkPin(ch, t, identity.Pin); err != nil {
		return fail(err)
	}
	return ch, nil
}
