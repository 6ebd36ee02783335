package wire

import "time"

// counters are those of a Conn.
type counters struct {
	written, read int64
	again         int64
	delivered     int64 // of connections that are no more
	writeTime     time.Duration
}

func (n *counters) add(c *Conn) {
	n.written += c.Written()
	n.read += c.Read()
	n.again += c.Retransmitted()
	n.writeTime += c.BlockedWriting()
	n.delivered += c.Delivered()
}

func (l *Link) counters() counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.before
	if l.conn != nil {
		n.add(l.conn)
	}
	return n
}

// Written returns the bytes that all connections of the link have handed to the kernel, TLS included.
func (l *Link) Written() int64 { return l.counters().written }

// Read returns the bytes taken from the kernel so far, TLS included.
func (l *Link) Read() int64 { return l.counters().read }

// Retransmitted returns the bytes that the kernel had to send again, as far as it tells. Stats has what the link did about losses itself.
func (l *Link) Retransmitted() int64 { return l.counters().again }

// BlockedWriting returns the time spent in write system calls.
func (l *Link) BlockedWriting() time.Duration { return l.counters().writeTime }

// Stats returns what the link did about losses.
func (l *Link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statistics
}

// ID is 0 for the control link.
func (l *Link) ID() uint16 { return l.id }

// Peer returns what is known about the other end, by the first connection over the present transport. The slices in it must not be changed.
func (l *Link) Peer() Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer
}

// Session is that of the control connection.
func (l *Link) Session() [32]byte { return l.session }
