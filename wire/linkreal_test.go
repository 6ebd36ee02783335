package wire

import (
	"context"
	"sync"
	"testing"
)

// realSession is a donor's and a joiner's links over TCP.
type realSession struct {
	t     testing.TB
	l     *Listener
	donor *Link
	links *Links
	fresh chan *Link
	stop  context.CancelFunc
	wg    sync.WaitGroup
	mu    sync.Mutex
	all   []*Link
	errs  []error // of Attach
}

func newSession(t testing.TB, plain bool, links int) *realSession {
	t.Helper()
	c := config(t)
	if plain {
		c = plainConfig(t)
	}
	return startSession(t, c, Config{Plain: plain, MinVersion: 1, MaxVersion: 1}, links)
}

// startSession makes the control link, and the joiner take whatever comes after it.
func startSession(t testing.TB, joiner, donor Config, links int) *realSession {
	t.Helper()
	s := &realSession{t: t, l: listen(t, joiner), fresh: make(chan *Link, links)}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	there := make(chan *Conn, 1)
	s.wg.Go(func() {
		for {
			c, err := s.l.Accept(ctx)
			if err != nil {
				return
			}
			if c.Kind() == Control {
				there <- c
				s.links = NewLinks(c, steady(LinkConfig{}))
				s.links.Allow(links)
				continue
			}
			s.wg.Go(func() {
				l, err := s.links.Attach(ctx, c)
				if err != nil {
					s.mu.Lock()
					s.errs = append(s.errs, err)
					s.mu.Unlock()
				}
				if l != nil {
					s.fresh <- l
				}
			})
		}
	})
	var err error
	if s.donor, err = DialLink(testContext(t), s.l.Ticket(host(t)), donor, steady(LinkConfig{})); err != nil {
		t.Fatal(err)
	}
	<-there
	s.all = append(s.all, s.donor)
	return s
}

// data opens a data link.
func (s *realSession) data(id int) (donor, joiner *Link) {
	s.t.Helper()
	d := s.donor.Branch(id, Limits{Outage: patience})
	if err := d.Open(); err != nil {
		s.t.Fatal(err)
	}
	j := <-s.fresh
	s.all = append(s.all, d, j)
	return d, j
}

func (s *realSession) close() {
	s.stop()
	for _, l := range s.all {
		_ = l.Close()
	}
	s.wg.Wait()
	_ = s.links.Control().Close()
}
