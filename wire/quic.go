package wire

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go" // the one complete QUIC in Go; the standard library's is not for use by others
)

// Limits of QUIC, with their reasons.
const (
	// quicSilence is how long a donor waits for the first sign of life over UDP. Firewalls drop without a word, and people
	// wait for this; a path with a round trip of half a second still gets three attempts (RFC 9002 section 6.2).
	quicSilence = 2500 * time.Millisecond

	// A peer that was killed leaves no kernel behind that would say so, as with TCP: only silence tells. Both are overruled by
	// the keepalive options of the socket.
	quicKeepAlive = 5 * time.Second
	quicIdle      = 20 * time.Second

	// Windows grow with the path, from the first to the second: enough for 1 Gbit/s over 100 ms (12.5 MB) on one connection.
	// The second is also the most memory that a joiner whose disk stalls spends on a connection.
	quicWindow    = 1 << 20
	quicWindowMax = 16 << 20

	// quicBuffer is what a UDP socket should have in each direction, in bytes: what 1 Gbit/s brings in 60 ms, during which
	// the scheduler may have better things to do. quic-go asks for as much.
	quicBuffer = 7 << 20

	// quicAckDelay is how long an acknowledgement may be held back (RFC 9000 section 18.2, max_ack_delay).
	quicAckDelay = 25 * time.Millisecond

	// What a connection is closed with. The peer does not look at the number; RFC 9000 section 20.2 leaves it to us.
	quicDone quic.ApplicationErrorCode = 0 // everything was delivered
	quicCut  quic.ApplicationErrorCode = 1 // given up
)

// quicConfig is the part that both ends share. incoming is how many streams the peer may open, over all time.
func (c Config) quicConfig(silence time.Duration, incoming int64) *quic.Config {
	q := &quic.Config{
		Versions:                       []quic.Version{quic.Version1},
		HandshakeIdleTimeout:           silence,
		KeepAlivePeriod:                quicKeepAlive,
		MaxIdleTimeout:                 quicIdle,
		InitialStreamReceiveWindow:     quicWindow,
		MaxStreamReceiveWindow:         quicWindowMax,
		InitialConnectionReceiveWindow: quicWindow,
		MaxConnectionReceiveWindow:     quicWindowMax,
		MaxIncomingStreams:             incoming,
		MaxIncomingUniStreams:          -1,
		RequireStreamCreditRelease:     true, // and nobody ever releases any
	}
	o := c.Socket
	if o.KeepIdle > 0 {
		q.KeepAlivePeriod = o.KeepIdle
		k := o.keepAlive()
		q.MaxIdleTimeout = k.Idle + time.Duration(k.Count)*k.Interval
	}
	if o.UserTimeout > 0 {
		q.MaxIdleTimeout = o.UserTimeout
	}
	if o.NoKeepAlive {
		q.KeepAlivePeriod = 0
		q.MaxIdleTimeout = quicNoKeepAlive
	}
	return q
}

// quicNoKeepAlive is the idle time of connections that shall not be kept alive: nothing ends them but the protocol above.
const quicNoKeepAlive = 24 * time.Hour

// quic-go writes about small buffers to standard error, which belongs to the server's log. Config.Note says it instead.
var silenceQuicGo = sync.OnceFunc(func() { _ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") })

// endpoint is one UDP socket with the QUIC that is spoken on it, until the last of its users lets go.
type endpoint struct {
	udp       *net.UDPConn
	transport *quic.Transport

	mu    sync.Mutex
	users int
}

// newEndpoint takes over the socket, for one user.
func newEndpoint(udp *net.UDPConn) *endpoint {
	silenceQuicGo()
	return &endpoint{udp: udp, users: 1, transport: &quic.Transport{
		Conn: udp,
		// Whoever speaks another version is no peer of ours, and gets no answer.
		DisableVersionNegotiationPackets: true,
	}}
}

func (e *endpoint) hold() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users++
}

// release ends what is still going on when the last user goes, without a word to the peers.
func (e *endpoint) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users--; e.users == 0 {
		_ = e.transport.Close() // fails for sockets only that it made itself
		_ = e.udp.Close()       // nothing is kept in a UDP socket
	}
}
