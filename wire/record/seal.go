package record

import (
	"net"
	"sync"
	"time"
)

// sealer is the sending direction: content goes into records in buf, and buf goes to the connection below when no full record would
// fit any more, or on demand.
type sealer struct {
	mu sync.Mutex
	half
	to   net.Conn
	buf  []byte
	n    int   // bytes of sealed records in buf
	wide bool  // records are gathered
	err  error // the first failure; everything after it fails alike
}

// write returns how much of p has been sealed. own says that nobody else looks at p meanwhile.
func (s *sealer) write(p []byte, own bool) (done int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && done < len(p) {
		chunk := p[done:min(len(p), done+MaxContent)]
		if s.seal(typeData, chunk, own && done+len(chunk) < len(p)) == nil {
			done += len(chunk)
		}
	}
	if !s.wide {
		s.flush()
	}
	return done, s.err
}

// seal makes one record of p. The AEAD wants the content type right behind the content: in a copy, which becomes the record, or in p's own
// memory where behind says that there is a byte which may be changed and put back.
func (s *sealer) seal(typ byte, p []byte, behind bool) error {
	s.room(len(p) + Overhead)
	if s.err != nil {
		return s.err
	}
	nonce, err := s.next()
	if err != nil {
		s.err = err
		return err
	}
	b := s.buf[s.n : s.n+headerSize+len(p)+1]
	rest := len(p) + 1 + tagSize
	b[0], b[1], b[2], b[3], b[4] = typeData, 3, 3, byte(rest>>8), byte(rest)
	to := b[headerSize:]
	if behind {
		inner := p[:len(p)+1]
		was := inner[len(p)]
		inner[len(p)] = typ
		s.aead.Seal(to[:0], nonce, inner, b[:headerSize])
		inner[len(p)] = was
	} else {
		to[copy(to, p)] = typ
		s.aead.Seal(to[:0], nonce, to, b[:headerSize])
	}
	s.n += headerSize + rest
	if s.wide && len(s.buf)-s.n < MaxContent+Overhead {
		s.flush()
	}
	return nil
}

// room sees to it that a record of so many bytes fits into buf.
func (s *sealer) room(size int) {
	switch {
	case s.n+size <= len(s.buf):
	case s.n > 0:
		s.flush()
		fallthrough
	default:
		if s.n+size > len(s.buf) {
			s.buf = make([]byte, size)
		}
	}
}

// flush hands what is sealed to the connection below.
func (s *sealer) flush() {
	if s.err != nil || s.n == 0 {
		return
	}
	_, s.err = s.to.Write(s.buf[:s.n])
	s.n = 0
}

// last sends an alert and lets nothing follow: further calls fail with then. It does not wait for a write that is under way, nor long for the network.
func (s *sealer) last(level, alert byte, then error) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	// Without a bound there is no try: whoever closes must not hang.
	if s.err == nil && s.to.SetWriteDeadline(time.Now().Add(closeTimeout)) == nil && s.seal(typeAlert, []byte{level, alert}, false) == nil {
		s.flush()
	}
	if s.err == nil {
		s.err = then
	}
}
