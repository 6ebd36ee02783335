package wire

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	"trireme/wire/identity"
)

// Kind says what a connection is for. The numbers travel in the preface.
type Kind uint8

// Kinds of connections.
const (
	Control Kind = 1 // the talk between donor and joiner; one per session
	Data    Kind = 2 // blocks; any number, each bound to the control connection by Config.Session
)

// Config describes one end. The same type serves Listen, Dial and Refuse; it is copied, never changed.
type Config struct {
	// Material is the own certificate and key. A joiner needs one unless Plain is set; on a donor nil means that it shows no
	// certificate.
	Material *identity.Material

	// Policy is what the peer's certificate must satisfy. Unused in plain mode. Usage is filled in here.
	Policy identity.Policy

	// Plain turns encryption off. Both ends must say so: there is no fall-back in either direction.
	Plain bool

	// Transport is what a joiner listens for, and what a donor may use. Zero is TCP for the first and the ticket's for the second.
	Transport Transport

	// Choice is what Dials of one transfer share where the transport is for them to choose. With nil they use TCP.
	Choice *Choice

	// MinVersion and MaxVersion are the protocol versions this end speaks, both at least 1.
	MinVersion, MaxVersion uint16

	// Nonce is the secret of this state request. A joiner puts it into its ticket; Dial and Refuse take it from the ticket.
	Nonce [16]byte

	// Session binds a data connection to its control connection: the value of Conn.Session of the control connection. Dial
	// refuses to open a Data connection without it. Unused for Control and on the listening side.
	Session [32]byte

	// HandshakeTimeout bounds everything before a connection is accepted or dialled: TCP for Dial, TLS and preface.
	// Zero means 10 s.
	HandshakeTimeout time.Duration

	// KeyBytes is how much one TLS key may protect before a connection says that it is Spent. Zero, and anything above, means
	// 256 GB.
	KeyBytes int64

	// MaxStrangers bounds the connections that have not proved anything yet. Zero means 64. Over QUIC, TLS handshakes that are
	// under way do not count among them: there may be four times as many of these beside.
	MaxStrangers int

	// ManyControls lets a new control connection replace one that was closed. Zero: the nonce opens one control connection,
	// and later ones are told "busy".
	ManyControls bool

	// OnStranger is called for connections that are dropped without ending anything: at most once per remote address and
	// cause, and for 1024 such pairs, from several goroutines. It must not block. nil means that nobody wants to know.
	OnStranger func(remote string, err error)

	// Note is called with what an operator should know about the choice of a transport and the system's limits for it. It
	// must not block. nil means that nobody wants to know.
	Note func(format string, args ...any)

	Socket SocketOptions

	// stood says whether a connection over QUIC has stood in the session that Dials belong to. nil: they belong to none.
	stood *atomic.Bool
}

// Settings that zero values stand for, and checks, are applied to a copy.

func (c Config) timeout() time.Duration {
	if c.HandshakeTimeout <= 0 {
		return defaultHandshakeTimeout
	}
	return c.HandshakeTimeout
}

// note passes a text on, if there is one.
func (c Config) note(text string) {
	if text != "" && c.Note != nil {
		c.Note("%s", text)
	}
}

// keyRecords is KeyBytes in records.
func (c Config) keyRecords() int64 {
	if n := c.KeyBytes / recordSize; c.KeyBytes > 0 && n < spentRecords {
		return n
	}
	return spentRecords
}

func (c Config) strangers() int {
	if c.MaxStrangers <= 0 {
		return defaultMaxStrangers
	}
	return c.MaxStrangers
}

func (c Config) validate() error {
	if c.MinVersion == 0 || c.MaxVersion < c.MinVersion {
		return fmt.Errorf("protocol versions %d to %d are no range", c.MinVersion, c.MaxVersion)
	}
	if err := c.Transport.validate(c.Plain); err != nil {
		return err
	}
	return c.Socket.validate()
}

// tlsConfig is the part that both ends share. Trust is not decided here: certificates are judged after the nonce was proved, so
// that the verdict can be told to the other end. Resumption would skip certificates and is off.
func (c Config) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		NextProtos:                  []string{alpn},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true, // small first records serve browsers (performance 2.1)
	}
}

// alpn keeps browsers, scanners and other TLS clients from getting far.
const alpn = "trireme"

// NewNonce draws the secret of a new state request.
func NewNonce() (n [16]byte) {
	rand.Read(n[:]) // never fails, by its documentation
	return n
}
