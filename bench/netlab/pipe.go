package netlab

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pipe is one direction of a relay: packets are lost, wait for the line, take their time on it, and arrive after the delay, in the
// order they came.
type pipe struct {
	mu    sync.Mutex
	shape Shape
	fate  *rand.Rand
	free  time.Time // when the line has sent all that waits for it
	held  []parcel  // packets that are under way, the oldest first
	size  int       // bytes of held
	idle  [][]byte  // buffers for packets to come
	count Count
	some  chan struct{} // holds a token when held may not be empty; capacity one
}

// parcel is a packet under way.
type parcel struct {
	packet []byte
	at     time.Time
}

const (
	// mostHeld bounds the memory of a direction, whatever its delay: a second of 500 Mbit/s.
	mostHeld = 64 << 20
	// mostIdle is how many buffers are kept for reuse.
	mostIdle = 4096
)

func newPipe(seed uint64) *pipe {
	return &pipe{fate: rand.New(rand.NewPCG(seed, 0x6e65746c6162)), some: make(chan struct{}, 1)}
}

func (p *pipe) setShape(s Shape) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shape = s
}

func (p *pipe) counts() Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// filtered counts a packet that does not come in.
func (p *pipe) filtered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Filtered++
}

// put takes a copy of a packet, or drops it.
func (p *pipe) put(now time.Time, packet []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fate.Float64() < p.shape.Loss {
		p.count.Lost++
		return
	}
	if p.free.Before(now) {
		p.free = now
	}
	waiting := 0
	if p.shape.Rate > 0 {
		waiting = int(p.free.Sub(now).Seconds() * float64(p.shape.Rate) / 8)
		if waiting+len(packet) > p.shape.queue() {
			p.count.Overflow++
			return
		}
	}
	if p.size+len(packet) > mostHeld {
		p.count.Overflow++
		return
	}
	if p.shape.Rate > 0 {
		p.free = p.free.Add(time.Duration(float64(len(packet)) * 8 / float64(p.shape.Rate) * float64(time.Second)))
	}
	var b []byte
	if n := len(p.idle); n > 0 {
		b, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.held = append(p.held, parcel{append(b[:0], packet...), p.free.Add(p.shape.Delay)})
	p.size += len(packet)
	select {
	case p.some <- struct{}{}:
	default:
	}
}

// next returns the oldest packet if it is due, or the time until it is; both are zero when there is none.
func (p *pipe) next(now time.Time) (packet []byte, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.held) == 0 {
		return nil, 0
	}
	first := p.held[0]
	if wait := first.at.Sub(now); wait > 0 {
		return nil, wait
	}
	p.held[0] = parcel{}
	if p.held = p.held[1:]; len(p.held) == 0 {
		p.held = nil // or the array would only ever be walked forward
	}
	p.size -= len(first.packet)
	p.count.Packets++
	p.count.Bytes += int64(len(first.packet))
	return first.packet, 0
}

// give takes back a buffer of next.
func (p *pipe) give(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < mostIdle {
		p.idle = append(p.idle, b)
	}
}

// run delivers packets when they are due, until ctx ends. deliver must not keep what it is given.
func (p *pipe) run(ctx context.Context, deliver func([]byte)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		packet, wait := p.next(time.Now())
		switch {
		case packet != nil:
			deliver(packet)
			p.give(packet)
		case wait > 0:
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		default:
			select {
			case <-p.some:
			case <-ctx.Done():
				return
			}
		}
	}
}
