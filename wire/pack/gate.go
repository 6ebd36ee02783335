package pack

import (
	"fmt"
	"slices"
	"time"
)

const (
	// SampleEvery is how often a Gate wants to be told.
	SampleEvery = 250 * time.Millisecond
	// prompt is how long the link must have been the bottleneck before the first try: a
	// try in vain costs little, and a short transfer has no time to lose.
	prompt = 500 * time.Millisecond
	// settle is the same for later tries, and how long a state must have looked wrong
	// before the Gate leaves it.
	settle = 2 * time.Second
	// trial is how long a try takes at least, and trialBytes the content it must have
	// seen: pieces of a MiB make the speed of a thin link jump. trialMost ends it anyway.
	trial      = 750 * time.Millisecond
	trialBytes = 16 << 20
	trialMost  = 10 * time.Second
	// linkBound is the share of the senders' time spent in socket writes from which on
	// the link is what the transfer waits for.
	linkBound = 0.5
	// spare is how many processors must stay idle. The server comes first.
	spare = 0.25
	// trifle is how much of a processor may be taken all the same: a transfer that ends
	// in half the time gives more back.
	trifle = 0.15
	// worth is how much faster content must move with packing than without, and better
	// how much faster than with the cheaper codec.
	worth  = 1.15
	better = 1.05
	// retryFirst and retryMost are the pauses after a try that was not worth it: the
	// joiner's disk or processor was the bottleneck, or this content does not shrink.
	retryFirst = 15 * time.Second
	retryMost  = 4 * time.Minute
)

// cost is about how many seconds of a processor a codec takes for a byte, beyond what the smaller content saves in TLS and
// sockets: measured on pages of tables, with a processor that packs noise at 1 GB/s.
var cost = [...]float64{None: 0, S2: 0.8e-9, Zstd: 5e-9}

// Sample is how a transfer went in one stretch of time.
type Sample struct {
	Took    time.Duration
	Blocked time.Duration // of all senders together, in socket writes
	Senders int
	Content int64   // bytes of content handed to sockets, before packing
	Wire    int64   // bytes of it after packing
	Idle    float64 // processors that nobody used; negative: not known
}

// Gate decides whether packing pays, and with which codec, from samples of one transfer (performance 6). When the link has been
// the bottleneck for a moment and processors are idle, it tries the cheapest codec, and the next one when processors would do for
// that as well; a codec stays when content moves faster with it than before. What shrinks content most is not always what moves it
// fastest: S2 costs next to nothing and does for rows with repeats, zstd takes six times as long and shrinks digits too. When processor
// time runs out it tries the cheaper codec, or none, in the same way; it closes when content does not shrink. After each failure it
// waits longer before the next try.
//
// The zero value never opens.
type Gate struct {
	codecs []Codec // the cheapest first
	now    Codec
	spell  Sample  // what led to the present leaning, or the try
	speed  float64 // of content, as last seen outside of tries

	trying bool
	from   Codec   // before the try
	need   float64 // content bytes a second that make the try a success

	rest  time.Duration // until the next try may begin
	pause time.Duration // the last rest; 0 after a success
}

// NewGate returns a closed Gate that may choose among codecs.
func NewGate(codecs ...Codec) *Gate {
	g := &Gate{codecs: slices.DeleteFunc(slices.Clone(codecs), func(c Codec) bool { return c == None || !c.Known() })}
	slices.SortFunc(g.codecs, func(a, b Codec) int {
		if cost[a] < cost[b] {
			return -1
		}
		return 1
	})
	return g
}

// Codec says what to pack with; None means not at all.
func (g *Gate) Codec() Codec { return g.now }

// Add tells the gate how the time since the last call went. When that changes its mind, or settles it, it returns why, in words
// for a log.
func (g *Gate) Add(s Sample) (why string) {
	if s.Took <= 0 || s.Senders == 0 || s.Content == 0 {
		return "" // nothing travels at the moment, which says nothing about the link
	}
	g.rest = max(0, g.rest-s.Took)
	switch {
	case g.trying:
		return g.judge(s)
	case g.now == None:
		return g.whileClosed(s)
	}
	return g.whileOpen(s)
}

func (g *Gate) whileClosed(s Sample) (why string) {
	if len(g.codecs) == 0 || g.rest > 0 {
		return ""
	}
	if !s.linkBound() || !s.affords(g.codecs[0], s.speed()) {
		g.spell = Sample{}
		return ""
	}
	wait := settle
	if g.pause == 0 {
		wait = prompt
	}
	if g.spell.add(s); g.spell.Took < wait {
		return ""
	}
	g.speed = g.spell.speed()
	why = fmt.Sprintf("the link is the bottleneck (%.0f%% of the time is spent waiting for it, %s)", 100*g.spell.share(), mib(g.speed))
	g.try(None, g.codecs[0], worth)
	return why
}

func (g *Gate) whileOpen(s Sample) (why string) {
	if g.spell.add(s); g.spell.Took < settle {
		return ""
	}
	t := g.spell
	g.spell, g.speed = Sample{}, t.speed()
	next := slices.Index(g.codecs, g.now) + 1
	switch {
	case t.busy() && g.rest == 0:
		cheaper := None
		if next > 1 {
			cheaper = g.codecs[next-2]
		}
		g.try(g.now, cheaper, 1)
		return fmt.Sprintf("the processors are the bottleneck now (%s)", mib(g.speed))
	case t.shrunk() > 0.95:
		// Nothing of this content shrinks, or hardly anything. Trying costs little, but says nothing about the link either.
		g.back(None)
		return fmt.Sprintf("content shrinks to %.0f%% only", 100*t.shrunk())
	case g.rest == 0 && next < len(g.codecs) && t.linkBound() && t.affords(g.codecs[next], g.speed):
		g.try(g.now, g.codecs[next], better)
		return fmt.Sprintf("the link is still the bottleneck (%.0f%% of the time, %s), and processors are idle", 100*t.share(), mib(g.speed))
	}
	return ""
}

// judge ends a try when enough was seen of it.
func (g *Gate) judge(s Sample) (why string) {
	if g.spell.add(s); g.spell.Took < trial || g.spell.Content < trialBytes && g.spell.Took < trialMost {
		return ""
	}
	t := g.spell
	g.spell, g.trying = Sample{}, false
	figures := fmt.Sprintf("%s with %v, %s before, content shrinks to %.0f%%", mib(t.speed()), g.now, mib(g.speed), 100*t.shrunk())
	if t.speed() >= g.need {
		g.speed, g.pause = t.speed(), 0
		if g.now == None {
			g.back(None)
		}
		return "it gains (" + figures + ")"
	}
	next := slices.Index(g.codecs, g.now) + 1
	if g.from == None && next < len(g.codecs) && t.linkBound() && t.affords(g.codecs[next], g.speed) {
		g.try(None, g.codecs[next], worth)
		return "that gained too little (" + figures + ")"
	}
	g.back(g.from)
	return "that gained too little (" + figures + ")"
}

// try begins to use a codec, which stays if content moves gain times as fast. from is what worked before.
func (g *Gate) try(from, c Codec, gain float64) {
	g.from = from
	g.now, g.trying, g.need, g.spell = c, true, gain*g.speed, Sample{}
}

// back returns to a codec, or None, for a while.
func (g *Gate) back(c Codec) {
	g.now, g.spell = c, Sample{}
	g.pause = min(max(2*g.pause, retryFirst), retryMost)
	g.rest = g.pause
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

// affords says whether enough processors are idle to pack content of that speed.
func (s Sample) affords(c Codec, speed float64) bool {
	return s.Idle < 0 || cost[c]*speed <= trifle || s.Idle >= spare+cost[c]*speed
}

// busy says that processors are what the transfer waits for.
func (s Sample) busy() bool { return s.Idle >= 0 && s.Idle < spare/2 && !s.linkBound() }

// share is how much of the senders' time went into writes. A write counts when it ends, so that a stretch may seem to have more.
func (s Sample) share() float64 {
	return min(1, s.Blocked.Seconds()/(s.Took.Seconds()*float64(s.Senders)))
}

func (s Sample) linkBound() bool { return s.share() > linkBound }

func (s Sample) speed() float64 { return float64(s.Content) / s.Took.Seconds() }

func (s Sample) shrunk() float64 {
	if s.Content == 0 {
		return 1
	}
	return float64(s.Wire) / float64(s.Content)
}

func mib(speed float64) string { return fmt.Sprintf("%.0f MiB/s", speed/(1<<20)) }
