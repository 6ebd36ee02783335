package wire

import (
	"errors"
	"fmt"
)

// Transport is what carries a connection. As a setting it says what an end may use, and its zero is no opinion: a joiner then
// listens for TCP alone, a donor follows the ticket.
type Transport uint8

// Transports.
const (
	TCP  Transport = 1 // TLS over TCP, or plain TCP
	QUIC Transport = 2 // QUIC over UDP, which always encrypts
	Auto Transport = 3 // as a setting only: either; the donor measures the path (see Choice)
)

// String returns the name as used in logs.
func (t Transport) String() string {
	switch t {
	case TCP:
		return "TCP"
	case QUIC:
		return "QUIC"
	case Auto:
		return "auto"
	}
	return "unset"
}

// udp says that a joiner with this setting listens for QUIC. Without encryption there is none.
func (c Config) udp() bool { return !c.Plain && (c.Transport == QUIC || c.Transport == Auto) }

// way settles how a donor with the given setting goes to the joiner: TCP, QUIC, or Auto where both are fine; or why it does not.
func (t Ticket) way(donor Transport) (Transport, *objection) {
	offer := t.Transport
	if offer == 0 {
		offer = TCP
	}
	switch {
	case donor == 0 || donor == offer || donor == Auto:
		return offer, nil
	case offer == Auto:
		return donor, nil
	case donor == QUIC:
		return 0, transportObjection("the joiner takes TCP only, but this donor is told to use QUIC; set transport=quic or transport=auto on the joiner, or remove transport=quic on the donor")
	}
	return 0, transportObjection("the joiner takes QUIC only, but this donor is told to use TLS over TCP; set transport=auto on the joiner, or remove transport=tls on the donor")
}

func transportObjection(text string) *objection {
	return &objection{CodeTransport, text, errors.New(text)}
}

// onlyQUIC is what a joiner that takes QUIC alone says to a donor that comes by TCP and has nothing to say for itself.
func (c Config) onlyQUIC(by Transport) *objection {
	if c.Transport != QUIC || by == QUIC {
		return nil
	}
	return transportObjection("this joiner takes QUIC over UDP only (transport=quic), and the donor came by TCP; set transport=auto on the joiner, or transport=quic on the donor")
}

func (t Transport) validate(plain bool) error {
	if t > Auto {
		return fmt.Errorf("transport %d is unknown", t)
	}
	if plain && t == QUIC {
		return errors.New("QUIC always encrypts, and encryption is turned off (ssl-mode=DISABLED or encrypt=0); use TCP, or turn encryption on")
	}
	return nil
}
