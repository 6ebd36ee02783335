package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Ticket is the address that a joiner hands to its donor through the cluster:
//
//	HOST:PORT/trireme/VERSION/PIN/NONCE[/TRANSPORT]
//
// TRANSPORT is the word quic or auto, and missing where the joiner takes TCP alone. PIN and NONCE are base64url without padding; PIN is the word plain when the joiner does not encrypt. All characters are of the
// set that every server lets through (sst-contract 4.2). The nonce is worth nothing once the control connection stands.
type Ticket struct {
	Host    string   // name or address; IPv6 without brackets and without zone
	Port    int      // 1 to 65535; 0 prints as DefaultPort
	Version int      // the highest protocol version of the joiner, 1 to 65535
	Plain   bool     // no TLS; Pin is unused
	Pin     [32]byte // SHA-256 of the joiner's certificate
	Nonce   [16]byte // the secret of this state request

	// Transport is QUIC or Auto, whose port is the same; zero for TCP alone, and always when Plain.
	Transport Transport
}

// transportWords are what stands in a ticket.
var transportWords = map[Transport]string{QUIC: "quic", Auto: "auto"}

const (
	ticketWord = "trireme"
	plainWord  = "plain"
)

// Strict decoding keeps the text one-to-one with the value: trailing bits must be zero. Line breaks, which the decoder would skip,
// do not get past the alphabet check.
var base64url = base64.RawURLEncoding.Strict()

// String prints the ticket in the form that ParseTicket reads. It does not check the fields.
func (t Ticket) String() string {
	host := t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := t.Port
	if port == 0 {
		port = DefaultPort
	}
	pin := plainWord
	if !t.Plain {
		pin = base64url.EncodeToString(t.Pin[:])
	}
	s := fmt.Sprintf("%s:%d/%s/%d/%s/%s", host, port, ticketWord, t.Version, pin, base64url.EncodeToString(t.Nonce[:]))
	if word := transportWords[t.Transport]; word != "" {
		s += "/" + word
	}
	return s
}

// ParseTicket reads a ticket. A missing port means DefaultPort, and an IPv6 address may stand without brackets, in which case
// there is no port (both occur with old servers). The error says which part is wrong and never repeats the nonce.
func ParseTicket(s string) (Ticket, error) {
	if len(s) > maxTicket {
		return Ticket{}, fmt.Errorf("parse ticket: %d characters, at most %d are allowed", len(s), maxTicket)
	}
	for i := range len(s) {
		if !ticketChar(s[i]) {
			return Ticket{}, fmt.Errorf("parse ticket: character %q at position %d is not allowed", s[i], i+1)
		}
	}
	part := strings.Split(s, "/")
	if len(part) < 2 || part[1] != ticketWord {
		return Ticket{}, fmt.Errorf("parse ticket: the path does not start with /%s/, so the joiner runs another method", ticketWord)
	}
	if len(part) != 5 && len(part) != 6 {
		return Ticket{}, fmt.Errorf("parse ticket: %d parts, wanted HOST:PORT/%s/VERSION/PIN/NONCE, and a transport behind it at most", len(part), ticketWord)
	}
	var t Ticket
	var err error
	if t.Host, t.Port, err = splitHostPort(part[0]); err != nil {
		return Ticket{}, fmt.Errorf("parse ticket: %w", err)
	}
	if t.Version, err = number(part[2]); err != nil {
		return Ticket{}, fmt.Errorf("parse ticket: version %w", err)
	}
	if part[3] == plainWord {
		t.Plain = true
	} else if err := decode(t.Pin[:], part[3]); err != nil {
		return Ticket{}, fmt.Errorf("parse ticket: pin: %w", err)
	}
	if err := decode(t.Nonce[:], part[4]); err != nil {
		return Ticket{}, fmt.Errorf("parse ticket: nonce: %w", err)
	}
	if len(part) == 6 {
		for transport, word := range transportWords {
			if part[5] == word {
				t.Transport = transport
			}
		}
		switch {
		case t.Transport == 0:
			return Ticket{}, fmt.Errorf("parse ticket: transport %q is not one of quic, auto", part[5])
		case t.Plain:
			return Ticket{}, fmt.Errorf("parse ticket: transport %q goes with encryption only, and the ticket says plain", part[5])
		}
	}
	// With the port written out and brackets added a ticket may be longer than it was read; it must still be a ticket.
	if n := len(t.String()); n > maxTicket {
		return Ticket{}, fmt.Errorf("parse ticket: %d characters when written out, at most %d are allowed", n, maxTicket)
	}
	return t, nil
}

func ticketChar(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("_.:[]/-", b) >= 0
}

func splitHostPort(s string) (host string, port int, err error) {
	portText := ""
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, errors.New("the address has an opening bracket only")
		}
		host, portText = s[1:end], s[end+1:]
		if !strings.Contains(host, ":") {
			return "", 0, fmt.Errorf("address %q: brackets are for IPv6", host)
		}
		if portText != "" && portText[0] != ':' {
			return "", 0, errors.New("something other than a port follows the bracket")
		}
	case strings.Count(s, ":") > 1:
		host = s
	default:
		host, portText = s, ""
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, portText = s[:i], s[i:]
		}
	}
	if err := checkHost(host); err != nil {
		return "", 0, err
	}
	if portText == "" {
		return host, DefaultPort, nil
	}
	if port, err = number(portText[1:]); err != nil {
		return "", 0, fmt.Errorf("port %w", err)
	}
	return host, port, nil
}

func checkHost(host string) error {
	if host == "" {
		return errors.New("the host is missing")
	}
	if strings.Contains(host, ":") {
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return fmt.Errorf("address %q is not an IPv6 address", host)
		}
		return nil
	}
	if strings.ContainsAny(host, "[]") {
		return fmt.Errorf("host %q has brackets in it", host)
	}
	return nil
}

// number reads a decimal number from 1 to 65535 that is written in the one usual way.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' {
		return 0, fmt.Errorf("%q is not a number from 1 to 65535", s)
	}
	return int(n), nil
}

// decode fills dst completely. Its errors do not show the text, which may be secret.
func decode(dst []byte, s string) error {
	if len(s) != base64url.EncodedLen(len(dst)) {
		return fmt.Errorf("%d characters, wanted %d", len(s), base64url.EncodedLen(len(dst)))
	}
	if _, err := base64url.Decode(dst, []byte(s)); err != nil {
		return errors.New("not base64url")
	}
	return nil
}
