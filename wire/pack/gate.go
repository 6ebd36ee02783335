package pack

import (
	"fmt"
	"time"
)

const (
	// SampleEvery is how often a Gate wants to be told.
	SampleEvery = 250 * time.Millisecond
	// settle is how long a state must have looked wrong before the Gate acts.
	settle = 2 * time.Second
	// linkBound is the share of the senders' time spent in socket writes from which on
	// the link is what the transfer waits for.
	linkBound = 0.5
	// spare is how many idle processors packing needs. The server comes first.
	spare = 0.5
	// worth is how much faster content must move with packing than without.
	worth = 1.15
	// retryFirst and retryMost are the pauses after a try that was not worth it: the
	// joiner's disk or processor was the bottleneck, or this content does not shrink.
	retryFirst = 15 * time.Second
	retryMost  = 4 * time.Minute
)

// Sample is how a transfer went in one stretch of time.
type Sample struct {
	Took    time.Duration
	Blocked time.Duration // of all senders together, in socket writes
	Senders int
	Content int64   // bytes of content handed to sockets, before packing
	Wire    int64   // bytes of it after packing
	Idle    float64 // processors that nobody used; negative: not known
}

// Gate decides whether packing pays, from samples of one transfer (performance 6). It
// opens when the link has been the bottleneck for two seconds and processors are idle,
// watches for two seconds whether content moves faster, and closes again when it does
// not, or when processor time runs out. After each failure it waits longer before the
// next try.
type Gate struct {
	open   bool
	spell  Sample        // what led to the present leaning, or the try
	before float64       // content bytes a second without packing
	proven bool          // the present opening was worth it
	rest   time.Duration // until the next try may begin
	pause  time.Duration // the next rest
}

// Open says whether to pack.
func (g *Gate) Open() bool { return g.open }

// Add tells the gate how the time since the last call went. When that changes its mind
// it returns why, in words for a log.
func (g *Gate) Add(s Sample) (why string) {
	if s.Took <= 0 || s.Senders == 0 || s.Content == 0 {
		return "" // nothing travels at the moment, which says nothing about the link
	}
	if g.open {
		return g.whileOpen(s)
	}
	if g.rest > 0 {
		g.rest -= s.Took
		return ""
	}
	if !s.linkBound() || s.Idle >= 0 && s.Idle < spare {
		g.spell = Sample{}
		return ""
	}
	if g.spell.add(s); g.spell.Took < settle {
		return ""
	}
	g.open, g.proven, g.before = true, false, g.spell.speed()
	why = fmt.Sprintf("the link is the bottleneck (%.0f%% of the time is spent waiting for it, %.0f MiB/s)", 100*g.spell.share(), g.before/(1<<20))
	g.spell = Sample{}
	return why
}

func (g *Gate) whileOpen(s Sample) (why string) {
	if g.spell.add(s); g.spell.Took < settle {
		return ""
	}
	t := g.spell
	g.spell = Sample{}
	switch {
	case t.Idle >= 0 && t.Idle < spare/4 && !t.linkBound():
		why = "the processors are the bottleneck now"
	case !g.proven && t.speed() < worth*g.before:
		why = fmt.Sprintf("it gained too little (%.0f MiB/s before, %.0f MiB/s with it, content shrank to %.0f%%)", g.before/(1<<20), t.speed()/(1<<20), 100*t.shrunk())
	case t.shrunk() > 0.95:
		// Nothing of this content shrinks, or hardly anything. Trying costs little, but says nothing about the link either.
		why = fmt.Sprintf("content shrinks to %.0f%% only", 100*t.shrunk())
	default:
		g.proven, g.pause = true, 0
		return ""
	}
	g.open = false
	g.pause = min(max(2*g.pause, retryFirst), retryMost)
	g.rest = g.pause
	return why
}

func (s *Sample) add(o Sample) {
	took := s.Took + o.Took
	if o.Idle < 0 || s.Idle < 0 {
		s.Idle = -1
	} else {
		s.Idle = (s.Idle*s.Took.Seconds() + o.Idle*o.Took.Seconds()) / took.Seconds()
	}
	s.Took, s.Senders = took, o.Senders
	s.Blocked += o.Blocked
	s.Content += o.Content
	s.Wire += o.Wire
}

func (s Sample) share() float64 {
	return s.Blocked.Seconds() / (s.Took.Seconds() * float64(s.Senders))
}

func (s Sample) linkBound() bool { return s.share() > linkBound }

func (s Sample) speed() float64 { return float64(s.Content) / s.Took.Seconds() }

func (s Sample) shrunk() float64 {
	if s.Content == 0 {
		return 1
	}
	return float64(s.Wire) / float64(s.Content)
}
