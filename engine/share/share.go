package share

import (
	"sync"
	"time"

	"trireme/engine/block"
	"trireme/engine/tree"
)

const (
	// defaultWindow is what Config.Window stands for when it is 0. Four workers that compare
	// have 16 MiB each of which they may read parts again, and the copies are as far apart as
	// that once more.
	defaultWindow = 128 << 20
	// defaultPatience is the same for Config.Patience.
	defaultPatience = 15 * time.Second
	// forgive is how fast waiting is forgiven: copies whose pace varies wait for each other a
	// little all the time, and a twentieth of it costs nobody much.
	forgive = 20
)

// MaxReaders is how many copies may share one reading.
const MaxReaders = 64

// Config says how far copies may be apart.
type Config struct {
	// Window is the most memory for what some have read and others have not, in bytes. 0
	// means 128 MiB; the least is 1 MiB.
	Window int64
	// Patience is how long the others wait for one copy at a stretch; over a long time they
	// wait for it a twentieth of that time. 0 means 15 s.
	Patience time.Duration
}

func (c Config) withDefaults() Config {
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	c.Window = max(c.Window, block.Unit)
	if c.Patience <= 0 {
		c.Patience = defaultPatience
	}
	return c
}

// Key names a file of the datadir in one pass over it. A file that replaces another one is another file.
type Key struct {
	Role tree.Role
	Path string
	ID   tree.FileID
	Pass uint16 // the same for all copies, since each pass wants to read anew
}

// Stats are the bytes of all readers so far.
type Stats struct {
	Read   int64 // from the files
	Served int64 // from memory
	Kept   int64 // most that was in memory at a time
}

// Share is one datadir that several copies are made of. Its state takes 16 bytes for each MiB that is read in a pass and some 200
// for each file, in two passes at most.
type Share struct {
	c Config

	mu      sync.Mutex
	readers []*Reader
	inStep  uint64 // by Reader.bit
	files   map[Key][]unit
	kept    []*buffer // oldest first
	used    int64     // bytes of kept
	free    [][]byte  // of block.Unit bytes each
	changed chan struct{}
	waiters int       // for room
	meeting int       // for others to end a pass
	last    time.Time // until when debts are reckoned
	stats   Stats
}

// unit is what is known of one unit of a file.
type unit struct {
	taken uint64 // who has had it
	b     *buffer
}

// buffer is a unit in memory. n and err are written before loaded is closed, and pending and users under the Share's lock.
type buffer struct {
	key     Key
	at      int // index of the unit
	data    []byte
	began   time.Time // of the reading
	loaded  chan struct{}
	n       int
	err     error
	pending uint64 // in step, and have not had it
	users   int    // read into it or copy from it at the moment
}

// New makes a Share without readers.
func New(c Config) *Share {
	return &Share{c: c.withDefaults(), files: map[Key][]unit{}, changed: make(chan struct{}), last: time.Now()}
}

// Stats returns the figures so far.
func (s *Share) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// lock is for everything that changes what somebody waits for: until now all stood as it stands.
func (s *Share) lock() {
	s.mu.Lock()
	now := time.Now()
	dt := now.Sub(s.last)
	s.last = now
	var blamed uint64
	if s.waiters > 0 {
		blamed = s.laggards()
	}
	if s.meeting > 0 {
		furthest := 0
		for _, r := range s.readers {
			if s.inStep&r.bit != 0 {
				furthest = max(furthest, r.met)
			}
		}
		blamed |= s.behind(furthest)
	}
	for _, r := range s.readers {
		if blamed&r.bit != 0 {
			r.debt += dt
		} else {
			r.debt = max(0, r.debt-dt/forgive)
		}
	}
}

// laggards are those that the oldest buffer is kept for.
func (s *Share) laggards() uint64 {
	for _, b := range s.kept {
		if b.pending != 0 {
			return b.pending
		}
	}
	return 0
}

// behind are those in step that have ended fewer passes.
func (s *Share) behind(passes int) (slow uint64) {
	for _, r := range s.readers {
		if s.inStep&r.bit != 0 && r.met < passes {
			slow |= r.bit
		}
	}
	return slow
}

// wake lets everybody who waits look again.
func (s *Share) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// room makes place for n bytes out of what everybody has had; false when there is none.
func (s *Share) room(n int64) bool {
	if s.used+n <= s.c.Window {
		return true
	}
	most := s.c.Window - max(n, s.c.Window/8) // some at once, since each time all are looked at
	left := s.kept[:0]
	for _, b := range s.kept {
		if s.used > most && b.pending == 0 && b.users == 0 {
			s.drop(b)
			continue
		}
		left = append(left, b)
	}
	clear(s.kept[len(left):])
	s.kept = left
	return s.used+n <= s.c.Window
}

// drop forgets a buffer that nobody uses. The caller takes it out of kept.
func (s *Share) drop(b *buffer) {
	s.forget(b)
	s.used -= int64(len(b.data))
	if len(b.data) == block.Unit {
		s.free = append(s.free, b.data)
	}
	b.data = nil
}

// forget lets nobody else find b.
func (s *Share) forget(b *buffer) {
	if u := &s.files[b.key][b.at]; u.b == b {
		u.b = nil
	}
}

// prune forgets the files of passes that all copies in step have ended, and the buffers of theirs that nobody uses.
func (s *Share) prune(pass uint16) {
	held := map[Key]bool{}
	left := s.kept[:0]
	for _, b := range s.kept {
		switch {
		case b.key.Pass > pass:
		case b.pending == 0 && b.users == 0:
			s.drop(b)
			continue
		default:
			held[b.key] = true
		}
		left = append(left, b)
	}
	clear(s.kept[len(left):])
	s.kept = left
	for k := range s.files {
		if k.Pass <= pass && !held[k] {
			delete(s.files, k)
		}
	}
}

// settle wakes those who wait for room when b makes some.
func (s *Share) settle(b *buffer) {
	if b.pending == 0 && b.users == 0 {
		s.wake()
	}
}

// add keeps a new buffer of n bytes that pending still have to get.
func (s *Share) add(k Key, at, n int, pending uint64) *buffer {
	b := &buffer{key: k, at: at, began: time.Now(), loaded: make(chan struct{}), pending: pending, users: 1}
	if last := len(s.free) - 1; n == block.Unit && last >= 0 {
		b.data, s.free[last] = s.free[last], nil
		s.free = s.free[:last]
	} else {
		if s.used+int64(n+len(s.free)*block.Unit) > s.c.Window && len(s.free) > 0 {
			s.free[len(s.free)-1] = nil // whole units and small files share one window
			s.free = s.free[:len(s.free)-1]
		}
		b.data = make([]byte, n)
	}
	s.used += int64(n)
	s.stats.Kept = max(s.stats.Kept, s.used)
	s.kept = append(s.kept, b)
	s.files[k][at].b = b
	return b
}

// unitOf returns the place of a unit, which stays where it is until the lock is let go.
func (s *Share) unitOf(k Key, at int) *unit {
	us := s.files[k]
	if at >= len(us) {
		us = append(us, make([]unit, at+1-len(us))...)
		s.files[k] = us
	}
	return &us[at]
}
