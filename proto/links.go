package proto

import (
	"errors"
	"io"
	"sync"
	"time"

	"trireme/wire"
)

// patience is how long both ends put up with what. It is a variable for tests alone.
var patience = struct {
	// suspectLive is how long an end may be silent before its connections count as lost:
	// long enough for a joiner whose disk stalls every goroutine. Galera itself expels a
	// node after 15 s by default.
	suspectLive time.Duration
	// suspectLocked is the same while the donor's server is locked, and outageLocked how
	// long a lost connection may then take to come back: 5 s together (R-LOCK-7).
	suspectLocked, outageLocked time.Duration
	// remark is how long the path may be gone before somebody is told: shorter outages are
	// told when they are over, in one line with what they cost.
	remark time.Duration
}{20 * time.Second, 2500 * time.Millisecond, 2500 * time.Millisecond, 2 * time.Second}

const (
	// Where a lost connection ends the transfer, silence is all there is to go by.
	silenceLive   = 60 * time.Second
	silenceLocked = 5 * time.Second
)

// controlLimits are those of the control link.
func controlLimits(outage time.Duration, locked bool) wire.Limits {
	switch {
	case outage == 0 && locked:
		return wire.Limits{Silence: silenceLocked}
	case outage == 0:
		return wire.Limits{Silence: silenceLive}
	case locked:
		return wire.Limits{Silence: patience.suspectLocked, Outage: outage, Overdue: min(outage, patience.outageLocked)}
	}
	return wire.Limits{Silence: patience.suspectLive, Outage: outage}
}

// dataLimits are those of the donor's data links. Their peer may be silent for as long as
// it likes: the control link tells whether it lives.
func dataLimits(outage time.Duration, locked bool) wire.Limits {
	l := wire.Limits{Outage: outage}
	if locked && outage != 0 {
		l.Overdue = min(outage, patience.outageLocked)
	}
	return l
}

// hush changes what both kinds of links put up with, at once.
func (s *session) hush(locked bool) {
	s.each(func(l *wire.Link) {
		if l == s.control {
			l.SetLimits(controlLimits(s.outage, locked))
		} else {
			l.SetLimits(dataLimits(s.outage, locked))
		}
	})
}

// kick gives up all data connections.
func (s *session) kick(why error) {
	s.each(func(l *wire.Link) {
		if l != s.control {
			l.Kick(why)
		}
	})
}

// linkError words an error of a link and gives it its code.
func linkError(what string, err error) error {
	var lost *wire.LostError
	var rules *wire.LinkError
	switch {
	case errors.As(err, &rules):
		return failf(CodeProtocol, "%s: %w", what, err)
	case errors.As(err, &lost) && lost.Silent && lost.Silence > 0 && lost.Limit == 0 && !lost.Gone:
		return failf(CodeTimeout, "the other end has been silent for %v", lost.Silence)
	case errors.As(err, &lost) && lost.Limit == 0 && !lost.Gone && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)), errors.Is(err, io.EOF):
		return failf(CodeNetwork, "%s: the other end closed the connection", what)
	case errors.As(err, &lost):
		return failf(CodeNetwork, "%s: %w", what, err)
	}
	return wireError(what, err)
}

// reopened keeps the log of connections that were opened again short: a path that breaks
// takes all of them with it.
type reopened struct {
	mu    sync.Mutex
	said  time.Time
	quiet int // since then
}

// reopenedEvery is the time between two of its lines.
const reopenedEvery = 5 * time.Second

// noteReopened is a link's report that it works again.
func (s *session) noteReopened(r wire.Reopened, note, trouble func(string, ...any)) {
	what := "a data connection"
	if r.Link == 0 {
		what = "the control connection"
		s.away.end()
	}
	switch r.Cause {
	case wire.ErrWornOut:
		note("replaced %s whose key had protected as much as it may", what)
		return
	case wire.ErrMoved:
		return // the donor has said so of all
	}
	note = trouble
	o := &s.reopened
	o.mu.Lock()
	if time.Since(o.said) < reopenedEvery {
		o.quiet++
		o.mu.Unlock()
		return
	}
	n := o.quiet
	o.said, o.quiet = time.Now(), 0
	o.mu.Unlock()
	cause := lossText(r.Cause)
	if n > 0 {
		note("%s was lost (%s) and is there again after %.2f s; %s are sent again; %d more times since the last such line", what, cause, r.Took.Seconds(), amount(r.Resent), n)
		return
	}
	note("%s was lost (%s) and is there again after %.2f s; %s are sent again", what, cause, r.Took.Seconds(), amount(r.Resent))
}

// lossText says how a connection was lost.
func lossText(cause error) string {
	if errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
		return "the other end or something in between closed it"
	}
	return cause.Error()
}

// linkStats sums up what the links did about losses.
func (s *session) linkStats() (n wire.LinkStats) {
	s.each(func(l *wire.Link) {
		st := l.Stats()
		n.Reopened += st.Reopened
		n.Resent += st.Resent
	})
	return n
}
