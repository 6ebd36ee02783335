package wire

import (
	"fmt"
	"time"
)

// trial is how Weigh finds out whether QUIC was the right thing to begin with. Choice.mu guards it.
type trial struct {
	stage stage
	looks int // since the stage began

	since time.Time // of the first look, and the sums at that moment
	bytes int64
	path  path // rtt is the longest since

	was float64 // bytes a second over QUIC
}

type stage uint8

const (
	settled stage = iota // there is nothing to find out
	onQUIC               // it is used, and may not be worth its processors
	onTCP                // the same path by TCP
)

const (
	// weighLooks are the looks of a stage. Speed is measured from the first one on: before it windows still grow.
	weighLooks = 3
	// chance is the share of lost packets from which on they are what holds TCP back over a long path.
	chance = 0.0005
	// queued is how much longer than the shortest a round trip is where packets wait in a queue. Then the path is full, and losses
	// only say so.
	queued = 1.5
	// asGood is the share of QUIC's speed with which TCP is kept: for a quarter of the processor time.
	asGood = 0.95
)

// Weigh is called every second or so with the data links that work, while all of them have something to send. It may change the
// transport of the connections they open from now on, and has them opened anew. It returns whether it is still finding out: goodput
// should not be judged by anybody else meanwhile.
func (ch *Choice) Weigh(links []*Link) (busy bool) {
	if ch == nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.trial.stage == settled {
		return false
	}
	bytes, p, moved := ch.sum(links)
	if !moved {
		return true // some connections are still being replaced
	}
	return ch.judge(bytes, p)
}

// judge takes what all data links together have delivered so far, and what they know of the path.
func (ch *Choice) judge(bytes int64, p path) (busy bool) {
	t := &ch.trial
	t.looks++
	if t.looks == 1 {
		t.since, t.bytes, t.path = time.Now(), bytes, p
		return t.stage == onTCP // windows still grow
	}
	// A queue that stood at any of the looks counts.
	t.path.rtt = max(t.path.rtt, p.rtt)
	p.sent, p.lost, p.rtt = p.sent-t.path.sent, p.lost-t.path.lost, t.path.rtt
	if t.stage == onQUIC && p.byChance() {
		ch.settled(QUIC, fmt.Sprintf("transport=auto: data stay on QUIC: %d of %d packets were lost, and not because the path is full", p.lost, p.sent))
		return false
	}
	if t.looks < weighLooks {
		return true
	}
	rate := float64(bytes-t.bytes) / max(time.Since(t.since).Seconds(), 1e-3)
	switch {
	case rate <= 0:
		t.looks = 0 // nothing was to be sent
		return true
	case t.stage == onQUIC:
		t.stage, t.looks, t.was = onTCP, 0, rate
		ch.data.Store(uint32(TCP))
		return true
	}
	figures := fmt.Sprintf("%s over TCP, %s over QUIC", mib(rate), mib(t.was))
	if rate >= asGood*t.was {
		ch.settled(TCP, "transport=auto: data go over TCP from now on: "+figures)
	} else {
		ch.settled(QUIC, "transport=auto: data go over QUIC: "+figures)
	}
	return false
}

// sum adds up what the data links know. moved says that all of them have the transport they should.
func (ch *Choice) sum(links []*Link) (bytes int64, p path, moved bool) {
	n := 0
	for _, l := range links {
		bytes += l.Delivered()
		l.mu.Lock()
		c := l.conn
		l.mu.Unlock()
		if c == nil || ch.left(c) {
			return 0, path{}, false
		}
		if one, ok := ch.measure(c); ok {
			n++
			p.rtt += one.rtt
			p.least += one.least
			p.sent += one.sent
			p.lost += one.lost
		}
	}
	if n > 0 {
		p.rtt, p.least = p.rtt/time.Duration(n), p.least/time.Duration(n)
	}
	return bytes, p, n > 0
}

// byChance says that packets get lost though none of them waits in a queue.
func (p path) byChance() bool {
	return float64(p.lost) >= chance*float64(p.sent) && p.lost > 0 && float64(p.rtt) < queued*float64(p.least)
}

// settle ends the search.
func (ch *Choice) settle(way Transport, why string) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.trial.stage != settled || Transport(ch.data.Load()) != way {
		ch.settled(way, why)
	}
}

func (ch *Choice) settled(way Transport, why string) {
	ch.trial = trial{}
	ch.data.Store(uint32(way))
	if ch.note != nil {
		ch.note(why)
	}
}

func mib(speed float64) string { return fmt.Sprintf("%.1f MiB/s", speed/(1<<20)) }
