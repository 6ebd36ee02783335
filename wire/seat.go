package wire

import "sync"

// seat is the one place of a control connection. It decides what later connections must prove.
type seat struct {
	mu      sync.Mutex
	nonce   [16]byte
	many    bool     // a closed control connection makes room for another
	taken   bool     // claimed or filled
	session [32]byte // of the control connection; valid while taken
	conn    *Conn    // nil while only claimed
}

var _ admission = (*seat)(nil)

func (s *seat) init(c Config) { s.nonce, s.many = c.Nonce, c.ManyControls }

func (s *seat) key(k Kind) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k == Control {
		return s.nonce[:], true
	}
	if !s.taken {
		return nil, false
	}
	return dataKey(s.nonce, s.session), true
}

func (s *seat) claim(session [32]byte) (settle func(*Conn), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken && (!s.many || s.conn == nil || !s.conn.socket.closing.Load()) {
		return nil, false
	}
	s.taken, s.session, s.conn = true, session, nil
	return func(c *Conn) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conn, s.taken = c, c != nil
	}, true
}

func (s *seat) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken && s.conn != nil && (!s.many || !s.conn.socket.closing.Load())
}
