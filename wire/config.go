package wire

import (
	"net/netip"
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

	// MaxStrangers bounds the connections that have not proved anything yet. Zero means 64.
	MaxStrangers int

	// ManyControls lets a new control connection replace one that was closed. Zero: the nonce opens one control connection,
	// and later ones are told "busy".
	ManyControls bool

	// OnStranger is called for connections that are dropped without ending anything: at most once per remote address and
	// cause, from several goroutines. It must not block. nil means that nobody wants to know.
	OnStranger func(remote string, err error)

	Socket SocketOptions
}

// SocketOptions are the TCP settings a user may ask for. Every zero leaves the system's default, unless said otherwise.
type SocketOptions struct {
	Family         int            // 4 or 6 restricts the address family
	Bind           string         // local IP address of Dial
	SourcePort     int            // local port of Dial
	Device         string         // SO_BINDTODEVICE
	NoKeepAlive    bool           // keepalive is on by default: 30 s idle, 10 s between probes, 6 probes
	KeepIdle       time.Duration  // TCP_KEEPIDLE, whole seconds
	KeepInterval   time.Duration  // TCP_KEEPINTVL, whole seconds
	KeepCount      int            // TCP_KEEPCNT
	UserTimeout    time.Duration  // TCP_USER_TIMEOUT, milliseconds
	SendBuffer     int            // SO_SNDBUF, bytes
	ReceiveBuffer  int            // SO_RCVBUF, bytes
	Congestion     string         // TCP_CONGESTION
	MaxSegment     int            // TCP_MAXSEG, bytes
	TOS            int            // IP_TOS or IPV6_TCLASS
	Delay          bool           // true turns TCP_NODELAY off
	Allow          []netip.Prefix // a listener drops peers outside these; empty allows all
	ConnectTimeout time.Duration  // bound of one TCP connect; zero means HandshakeTimeout
}
