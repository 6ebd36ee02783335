package netlab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// relay carries packets between the TUN devices of two hosts:
//
//	host a -- TUN -- read -- filter -- pipe -- write -- TUN -- host b, and the same the other way
type relay struct {
	tuns   [2]*os.File
	ways   [2]*pipe // from that end to the other
	filter atomic.Pointer[func(Packet) Verdict]

	mu    sync.Mutex
	flows map[Flow]bool

	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed [2]error // of the readers; valid after wg
}

func newRelay(ends [2]*Host, mtu int, seed uint64) (*relay, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{cancel: cancel, flows: map[Flow]bool{}}
	for i := range ends {
		var err error
		if r.tuns[i], err = newTun(ends[i], ends[1-i], mtu); err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.ways[i] = newPipe(seed<<1 | uint64(i))
	}
	for i := range ends {
		r.wg.Go(func() { r.failed[i] = r.read(ctx, i) })
		r.wg.Go(func() {
			r.ways[i].run(ctx, func(p []byte) {
				// A device that is down or full drops packets, as a network does.
				_, _ = r.tuns[1-i].Write(p)
			})
		})
	}
	return r, nil
}

// read puts what the host at an end sends into its pipe.
func (r *relay) read(ctx context.Context, end int) error {
	b := make([]byte, 64<<10)
	for {
		n, err := r.tuns[end].Read(b)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from a TUN device: %w", err)
		}
		p := parse(b[:n])
		r.note(p.Flow())
		verdict := Pass
		if f := r.filter.Load(); f != nil {
			verdict = (*f)(p)
		}
		now := time.Now()
		if verdict == Pass {
			r.ways[end].put(now, p.raw)
			continue
		}
		r.ways[end].filtered()
		if verdict == Reset {
			if ahead, back := p.resets(); ahead != nil {
				r.ways[end].put(now, ahead)
				r.ways[1-end].put(now, back)
			}
		}
	}
}

// mostFlows bounds what is remembered; a scene that has more is none of ours.
const mostFlows = 1 << 16

func (r *relay) note(f Flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.flows[f] && len(r.flows) < mostFlows {
		r.flows[f] = true
	}
}

func (r *relay) known() map[Flow]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.flows)
}

func (r *relay) close() error {
	r.cancel()
	var errs []error
	for _, f := range r.tuns {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	r.wg.Wait()
	return errors.Join(append(errs, r.failed[:]...)...)
}
