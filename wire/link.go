package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Link carries frames like a Conn, over one connection after another: when one is lost, the donor opens the next, both ends say how
// much they have received, and both send again what is missing. Every frame arrives once, in order, or the link fails for good.
//
//	Send -> kept until acknowledged -> Conn -> Recv
//	             |                              |
//	             +-- sent again after a loss    +-- Ack when a frame asks for one
//
// One goroutine may send while another receives; acknowledgements travel beside them. A Link has no goroutine of its own: who waits
// for something opens the next connection, or at the joiner waits until the donor has. Close, limits and counters may be used by
// anybody at any time.
type Link struct {
	id uint16
	c  LinkConfig
	// attended says that somebody receives all the time, as on the control link. Otherwise who waits for an Ack receives by himself.
	attended bool
	open     func(context.Context) (*Conn, error) // opens a connection; nil at the joiner
	choice   *Choice                              // of open; nil: it has none

	ctx    context.Context // ends when the link fails or is closed
	cancel context.CancelFunc

	mu   sync.Mutex
	turn sync.Cond // something below has changed

	conn    *Conn // nil while there is none
	muteEnd time.Time
	attempt uint32 // of conn, or the one that is being made
	mute    bool   // conn cannot be written to any more, what it still brings is read
	err     error  // why the link is over; io.EOF: the peer has ended it; nil while it is not
	ended   bool   // this end has said that nothing follows

	// Roles. Who has one may use conn in that direction without mu.
	writing, reading bool
	opening          bool // a connection is being opened or taken over; conn is nil

	out   kept
	acked uint64 // out's frames up to here have arrived
	asked uint64 // the newest frame that an Ack was asked for
	fresh int    // bytes sent since
	dirty bool   // something was sent since the last flush

	got  uint64 // frames received
	owed bool   // an Ack is to be sent

	// A frame that came while its end waited for an Ack.
	inbox     []byte
	inboxType uint8
	inboxBody []byte // nil: none
	scratch   [attachSize]byte

	limits   Limits
	down     outage
	timer    *time.Timer   // of down; nil before the first
	last     time.Duration // what Expire was given
	expires  time.Time     // when a silent peer has had its time; zero: not yet
	expireBy time.Time     // the same whatever happens

	attaches   int // since minute
	minute     time.Time
	peer       Peer
	session    [32]byte
	before     counters // of connections that are no more
	statistics LinkStats
}

// LinkConfig is what the links of a session share.
type LinkConfig struct {
	// Limits are those at the start.
	Limits Limits
	// From says where the limit of outages comes from, for errors: "reconnect=20s, default".
	From string
	// The hooks are called without locks, by whoever noticed, and must not block. nil: nobody wants to know.

	// OnLost is told that a connection was lost.
	OnLost func(link uint16, err error)
	// OnOverdue is told once in an outage that it has lasted for Limits.Overdue.
	OnOverdue func(err *LostError)
	// OnReopened is told that frames flow again.
	OnReopened func(Reopened)
}

// Limits bound what a Link puts up with.
type Limits struct {
	// Silence is how long nothing may arrive before a connection counts as lost. It is for links whose peer speaks regularly. 0: any time.
	Silence time.Duration
	// Outage is how long a lost connection is tried to be opened again. 0: a loss is the end of the link; negative: without limit.
	Outage time.Duration
	// Overdue is when OnOverdue is called. 0: never.
	Overdue time.Duration
}

// Reopened says how an outage ended.
type Reopened struct {
	Link   uint16
	Cause  error         // how the connection was lost; ErrWornOut or ErrMoved when it was replaced on purpose
	Took   time.Duration // since the loss was noticed
	Resent int64         // bytes this end sends again
}

// LinkStats counts what a Link did about losses.
type LinkStats struct {
	Reopened int   // connections after the first, but for those that were worn out
	Resent   int64 // bytes sent again
}

// outage is the time without a connection.
type outage struct {
	counting bool // limits run
	since    time.Time
	cause    error // how the connection was lost; nil when there was none before
	last     error // of the attempts to open another
	silent   bool
	overdue  bool
	refused  time.Time // since when the port refuses; zero: it does not
}

func newLink(id uint16, c LinkConfig, open func(context.Context) (*Conn, error)) *Link {
	l := &Link{id: id, c: c, open: open, attended: id == 0, limits: c.Limits}
	l.turn.L = &l.mu
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.out.window, l.out.wipe = windowLeast, id == 0
	if 1 <= id && id <= wideLinks {
		l.out.window = windowMost
	}
	return l
}

// startOn makes conn the first connection.
func (l *Link) startOn(conn *Conn) {
	l.conn, l.peer, l.session = conn, conn.Peer(), conn.Session()
}

// Send hands one frame to the link: it will arrive unless the link fails. It may keep the frame until Flush or longer, and blocks
// while the peer has not acknowledged enough of what was sent before. Head and body are not retained. Types from 0xf0 on are the
// link's own.
func (l *Link) Send(typ uint8, head, body []byte) error { return l.send(typ, head, body, nil) }

// Give is Send for a body that lies in the buffer *unit. The link may keep that buffer, instead of copying, and put another of the
// same length into *unit. What else lies in the buffer may still be read until the next call of Give, and not be changed; body itself must
// not be looked at by anybody before Give returns.
func (l *Link) Give(typ uint8, head, body []byte, unit *[]byte) error {
	if float64(len(body)) < givenShare*float64(len(*unit)) {
		unit = nil
	}
	return l.send(typ, head, body, unit)
}

func (l *Link) send(typ uint8, head, body []byte, unit *[]byte) error {
	n, given := len(head)+len(body), 0
	if n > MaxFrame || typ >= linkTypes {
		panic(fmt.Sprintf("wire: internal error: frame of type %#x with %d bytes on a link", typ, n))
	}
	if unit != nil {
		n, given = len(head), len(*unit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(n, given); err != nil {
		return err
	}
	f := l.out.add(typ, head, body, unit)
	l.fresh += FrameHeader + n + given
	var flags uint8
	// In the control link, where the last frame of all may be the one that counts, each is confirmed.
	if l.id == 0 || l.fresh >= l.out.window/2 || l.out.n >= keptFrames/2 && l.asked <= l.acked {
		flags = flagAck
	}
	// From here on the caller's head and body are no longer needed, but they are in the cache.
	if unit != nil {
		body = f.body
	}
	if c := l.conn; c != nil && !l.mute {
		if flags != 0 {
			l.asked, l.fresh = l.out.last, 0
		}
		l.dirty = true
		l.mu.Unlock()
		err := c.frame(typ, flags, head, body, unit != nil)
		l.mu.Lock()
		if err != nil {
			l.silence(c, err)
		}
	}
	l.release()
	return l.unlessEnded()
}

// unlessEnded is why the link is over. That the peer has ended it is no failure of what was sent before, which it has waited for.
func (l *Link) unlessEnded() error {
	if l.err == io.EOF {
		return nil
	}
	return l.err
}

// admit waits until a frame may be sent, and takes the writing role. n bytes of it are copied, given is the length of its buffer.
func (l *Link) admit(n, given int) error {
	for {
		switch {
		case l.err != nil:
			return l.err
		case l.ended:
			return l.wrap(net.ErrClosed)
		case l.writing:
			l.turn.Wait()
		case l.open != nil && l.conn != nil && !l.mute && l.stale() != nil:
			l.replace()
		case l.out.fits(n, given):
			l.writing = true
			return nil
		case l.conn == nil:
			l.restore()
		default:
			l.makeRoom()
		}
	}
}

// makeRoom lets the peer acknowledge something. It may return without.
func (l *Link) makeRoom() {
	switch {
	case !l.mute && (l.asked <= l.acked || l.dirty):
		l.ask()
	case l.reading, l.attended:
		l.turn.Wait() // for the one who reads
	case l.inboxBody != nil && l.mute:
		l.lose(l.conn, l.down.cause)
	case l.inboxBody != nil:
		l.fail(&LinkError{l.id, "the peer sends without being asked and acknowledges nothing"})
	default:
		l.receive(nil)
	}
}

// ask flushes, and asks for an Ack of everything that was sent.
func (l *Link) ask() {
	c, got := l.conn, l.got
	l.writing, l.asked, l.fresh, l.dirty = true, l.out.last, 0, false
	l.mu.Unlock()
	err := c.sendAck(got, flagAck)
	l.mu.Lock()
	if err != nil {
		l.silence(c, err)
	}
	l.release()
}

// release gives the writing role back, and sends the Ack that became due in the meantime.
func (l *Link) release() {
	for l.owed && l.conn != nil && !l.mute && l.err == nil && !l.ended {
		c, got := l.conn, l.got
		l.owed, l.dirty = false, false
		l.mu.Unlock()
		err := c.sendAck(got, 0)
		l.mu.Lock()
		if err != nil {
			l.silence(c, err)
		}
	}
	l.writing = false
	l.turn.Broadcast()
}

// Flush hands everything sent so far to the kernel, or leaves it to the next connection while there is none.
func (l *Link) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing && l.err == nil {
		l.turn.Wait()
	}
	if l.err != nil || !l.dirty || l.conn == nil || l.mute {
		return l.unlessEnded()
	}
	c := l.conn
	l.writing, l.dirty = true, false
	l.mu.Unlock()
	err := c.Flush()
	if l.out.wipe {
		clear(c.out)
	}
	l.mu.Lock()
	if err != nil {
		l.silence(c, err)
	}
	l.release()
	return l.unlessEnded()
}

// Recv reads one frame into buf, as Conn.Recv does. io.EOF, unwrapped, means that the peer has ended the link; other errors are a
// *LostError, a *LinkError for a peer that breaks the rules, or wrap net.ErrClosed.
func (l *Link) Recv(buf []byte) (typ uint8, body []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.inboxBody != nil:
			if len(l.inboxBody) > cap(buf) {
				l.fail(&LinkError{l.id, (&FrameError{l.inboxType, uint32(len(l.inboxBody)), max(cap(buf), 1)}).Error()})
				return 0, nil, l.err
			}
			body = buf[:copy(buf[:cap(buf)], l.inboxBody)]
			l.inboxBody = nil
			return l.inboxType, body, nil
		case l.err != nil:
			return 0, nil, l.err
		case l.reading:
			l.turn.Wait()
		case l.conn == nil:
			l.restore()
		default:
			if typ, body, ok := l.receive(buf); ok {
				return typ, body, nil
			}
		}
	}
}

// receive reads one frame of the connection, which is there and which nobody reads. A frame for the user is returned with ok, or
// put into the inbox when there is no buf.
func (l *Link) receive(buf []byte) (typ uint8, body []byte, ok bool) {
	c := l.conn
	l.reading = true
	if at := l.patience(); !at.IsZero() {
		_ = c.SetReadDeadline(at) // fails with the connection, which the read will tell
	}
	l.mu.Unlock()
	h, err := c.recvHeader(flagAck)
	own, inline := h.typ >= linkTypes, buf == nil
	switch {
	case err != nil:
	case own:
		body, err = c.recvBody(h, l.scratch[:])
	default:
		if inline {
			if l.inbox == nil {
				l.inbox = make([]byte, MaxFrame)
			}
			buf = l.inbox
		}
		body, err = c.recvBody(h, buf)
	}
	l.mu.Lock()
	l.reading = false
	l.turn.Broadcast()
	switch {
	case err != nil:
		l.lose(c, err)
		return 0, nil, false
	case own:
		l.heed(h.typ, body)
	default:
		l.got++
		if inline {
			l.inboxType, l.inboxBody = h.typ, body
		}
	}
	if h.flags&flagAck != 0 {
		l.owed = true
		if !l.writing {
			l.writing = true
			l.release()
		}
	}
	return h.typ, body, !own && !inline
}

// heed acts on a frame of the link's own.
func (l *Link) heed(typ uint8, body []byte) {
	switch typ {
	case frameAck:
		n, err := parseAck(body)
		if err == nil {
			err = l.advance(n)
		}
		if err != nil {
			l.fail(&LinkError{l.id, err.Error()})
		}
	case frameEnd:
		if len(body) != 0 {
			l.fail(&LinkError{l.id, "the end of a link has content"})
			return
		}
		l.fail(io.EOF)
	default:
		l.fail(&LinkError{l.id, fmt.Sprintf("frame of type %#x, which has no place here", typ)})
	}
}

// advance takes note that the peer has received n frames.
func (l *Link) advance(n uint64) error {
	if n < l.acked || n > l.out.last {
		return fmt.Errorf("the peer claims to have received %d frames, %d were sent and %d acknowledged", n, l.out.last, l.acked)
	}
	l.acked = n
	l.out.drop(n)
	return nil
}

// patience is when the read that begins now has waited for too long; zero: never.
func (l *Link) patience() time.Time {
	switch {
	case l.mute:
		return l.muteEnd
	case !l.expires.IsZero():
		return l.expires
	case l.limits.Silence > 0:
		return time.Now().Add(l.limits.Silence)
	}
	return time.Time{}
}

// silence deals with a connection that cannot be written to. It is lost when all that it brings has been read: the last words of
// the peer may be among it.
func (l *Link) silence(c *Conn, err error) {
	if l.conn != c || l.mute {
		return
	}
	l.mute, l.muteEnd = true, time.Now().Add(closeTimeout)
	if l.down.cause == nil {
		l.down.cause = err
	}
	_ = c.SetReadDeadline(l.patience()) // fails with the connection, which the read will tell
	l.turn.Broadcast()
}

// lose gives up connection c, which has failed with err. mu is let go for a moment.
func (l *Link) lose(c *Conn, err error) {
	if l.conn != c {
		return // it has been replaced already
	}
	l.conn, l.mute = nil, false
	l.before.add(c)
	c.kill()
	l.turn.Broadcast()
	var broken *FrameError
	switch {
	case l.err != nil:
		return
	case errors.As(err, &broken):
		l.fail(&LinkError{l.id, broken.Error()})
		return
	case l.ended:
		l.fail(l.wrap(net.ErrClosed))
		return
	case !l.expires.IsZero() && (l.out.n == 0 || time.Now().After(l.expireBy)):
		l.fail(&LostError{Link: l.id, Cause: err})
		return
	}
	if l.down.cause == nil { // the first is the one to tell
		l.down.cause, l.down.silent = err, errors.Is(err, os.ErrDeadlineExceeded)
	}
	err = l.down.cause
	if l.limits.Outage == 0 {
		l.fail(l.lost(0))
		return
	}
	if l.open == nil {
		l.begin()
	}
	if hook := l.c.OnLost; hook != nil {
		l.mu.Unlock()
		hook(l.id, err)
		l.mu.Lock()
	}
}

// kill closes the connection without a word to the peer, and wakes up who uses it. It does not wait for the network: a Link holds
// its mutex meanwhile.
func (c *Conn) kill() {
	c.socket.closing.Store(true)
	c.socket.abandon()
	_ = c.socket.Conn.Close() // it is given up; over QUIC the socket goes with it, and there is nothing left to wait for
}

// sendAck sends how many frames have been received, at once.
func (c *Conn) sendAck(received uint64, flags uint8) error {
	b := appendAck(c.ack[:0], received)
	if err := c.send(frameAck, flags, b, nil); err != nil {
		return err
	}
	return c.Flush()
}
