package clone

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trireme/wire"
)

// ticket is what the receiver hands to the sender, as one word of a shell:
//
//	HOST:PORT/trireme/VERSION/PIN/NONCE[/TRANSPORT]/EXPIRY/CAPABILITIES
//
// The parts before EXPIRY are those of wire.Ticket. EXPIRY is in seconds since 1970, and CAPABILITIES are words with dots between them. A word that
// a sender does not know asks for nothing it must do.
//
// NONCE is not what the ends prove to each other: that is made of NONCE and of all other parts but the address and TRANSPORT (see bound), so
// that whoever changes one of them is a stranger. The address may be another one, for a way through a tunnel.
type ticket struct {
	wire.Ticket
	expires      time.Time // with whole seconds
	capabilities []string
}

// The capabilities.
const (
	capPin      = "pin"      // whoever has the ticket may send
	capCert     = "cert"     // the sender must show a certificate as well
	capIdentity = "identity" // the server's identity moves along
	capKnown    = "known"    // the receiver knows table definitions from an earlier transfer
)

func (t ticket) String() string {
	return fmt.Sprintf("%s/%d/%s", t.Ticket, t.expires.Unix(), strings.Join(t.capabilities, "."))
}

// boundLabel separates this use of a nonce from those of package wire. The zero byte ends it.
const boundLabel = "trireme ticket by hand\x00"

// bound is the ticket for package wire: its nonce is the first 16 bytes of HMAC-SHA-256, under NONCE, of boundLabel and of the ticket's text
// from the first slash on without NONCE and TRANSPORT.
func (t ticket) bound() wire.Ticket {
	w := t.Ticket
	t.Transport = 0 // like the address
	_, text, _ := strings.Cut(t.String(), "/")
	parts := strings.Split(text, "/")
	m := hmac.New(sha256.New, t.Nonce[:])
	m.Write([]byte(boundLabel + strings.Join(slices.Delete(parts, 3, 4), "/")))
	copy(w.Nonce[:], m.Sum(nil))
	return w
}

func (t ticket) can(word string) bool { return slices.Contains(t.capabilities, word) }

// errTicket is how every complaint about a ticket begins. The word itself is a secret and never repeated.
const errTicket = "read the ticket (the last word of the line that trireme receive printed)"

func parseTicket(word string) (ticket, error) {
	bad := func(err error) (ticket, error) { return ticket{}, fmt.Errorf("%s: %w", errTicket, err) }
	parts := strings.Split(word, "/")
	if len(parts) < 7 {
		return bad(fmt.Errorf("it has %d parts, expected HOST:PORT/trireme/VERSION/PIN/NONCE/EXPIRY/CAPABILITIES; was it cut off?", len(parts)))
	}
	inner, expiry, capabilities := parts[:len(parts)-2], parts[len(parts)-2], parts[len(parts)-1]
	var t ticket
	var err error
	if t.Ticket, err = wire.ParseTicket(strings.Join(inner, "/")); err != nil {
		return bad(err)
	}
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || seconds <= 0 {
		return bad(fmt.Errorf("%q is not a time of expiry", expiry))
	}
	t.expires = time.Unix(seconds, 0)
	if capabilities == "" {
		return bad(errors.New("the capabilities are missing; was it cut off?"))
	}
	t.capabilities = strings.Split(capabilities, ".")
	return t, nil
}

// valid says whether the ticket may still be used. Both clocks are named, because one of them may be wrong.
func (t ticket) valid(now time.Time) error {
	if now.Before(t.expires) {
		return nil
	}
	return coded(exitRefused, fmt.Errorf("the ticket expired at %s, and the clock here says %s; start trireme receive again for a new one",
		t.expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
}
