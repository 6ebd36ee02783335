package proto

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trireme/engine/block"
	"trireme/engine/share"
	"trireme/engine/tree"
)

// fleet is one donor's datadir and several joiners that get it at the same time.
type fleet struct {
	t     *testing.T
	donor string
	rigs  []*rig
	share *share.Share
	fell  []atomic.Int32
	sent  []Summary
	errs  [][2]error // donor's and joiner's
	order []int      // in which they ended
}

func newFleet(t *testing.T, n int, c share.Config) *fleet {
	f := &fleet{t: t, donor: t.TempDir(), share: share.New(c), fell: make([]atomic.Int32, n), sent: make([]Summary, n), errs: make([][2]error, n)}
	fill(t, f.donor, 1)
	for range n {
		f.rigs = append(f.rigs, &rig{t: t, donor: f.donor, joiner: t.TempDir()})
	}
	return f
}

// run makes all transfers at the same time. tweak may change what a donor is told.
func (f *fleet) run(tweak func(i int, c *DonorConfig)) {
	f.t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, r := range f.rigs {
		part := f.share.Join(func() { f.fell[i].Add(1) })
		r.tweakDonor = func(c *DonorConfig) {
			c.Share = part
			if tweak != nil {
				tweak(i, c)
			}
		}
		wg.Go(func() {
			sent, _, derr, jerr := r.run()
			mu.Lock()
			defer mu.Unlock()
			f.sent[i], f.errs[i] = sent, [2]error{derr, jerr}
			f.order = append(f.order, i)
		})
	}
	wg.Wait()
}

// exact demands that a transfer has worked and made a copy.
func (f *fleet) exact(i int) {
	f.t.Helper()
	if f.errs[i][0] != nil || f.errs[i][1] != nil {
		f.t.Fatalf("transfer %d: donor: %v; joiner: %v", i, f.errs[i][0], f.errs[i][1])
	}
	f.rigs[i].equal()
}

// read adds up what was read from files in each pass.
func (f *fleet) read() (first, verify int64) {
	for _, s := range f.sent {
		for i, p := range s.Passes {
			if i == 0 {
				first += p.Read
			} else {
				verify += p.Read
			}
		}
	}
	return first, verify
}

// TestFleet: three joiners get their copy out of one reading, whatever they hold: nothing, all of it, an old copy, one in which all is
// different. What is read is counted by whoever reads.
func TestFleet(t *testing.T) {
	f := newFleet(t, 3, share.Config{})
	// Different numbers of connections, and one without comparing.
	streams := func(i int, c *DonorConfig) {
		c.Streams = i + 1
		c.NoDelta = i == 2
	}
	f.run(streams)
	for i := range f.rigs {
		f.exact(i)
	}
	bytes := f.sent[0].Bytes
	const suspects = 3<<20 + 2<<20 + 4096 + 1<<20 + 52 + 16384 // system and undo tablespace, redo, Aria's control file and log
	first, verify := f.read()
	if st := f.share.Stats(); first != bytes || verify != suspects || st.Read != first+verify || st.Served != 2*st.Read {
		t.Errorf("%d bytes were read in the first passes, %d in the verify rounds, and %+v; the datadir has %d, a round looks at %d", first, verify, st, bytes, suspects)
	}
	for i, s := range f.sent {
		if p := f.rigs[i].progress[0].Snapshot(); p.Read+p.Given < s.Bytes || s.Passes[0].Skipped > 0 {
			t.Errorf("transfer %d: %+v, %+v", i, p, s.Passes[0])
		}
	}

	// An empty joiner, one whose big table is another, and one where a page in a hundred is.
	if err := os.RemoveAll(f.rigs[0].joiner); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.rigs[0].joiner, 0o700); err != nil {
		t.Fatal(err)
	}
	patch(t, f.rigs[1].joiner, "shop/items.ibd", 0, random(20<<20, 9))
	for i := 0; i < 20<<20; i += 100 * 16384 {
		patch(t, f.rigs[2].joiner, "shop/items.ibd", int64(i)+5, []byte{byte(i), 7})
	}
	f.share = share.New(share.Config{})
	f.run(nil)
	for i := range f.rigs {
		f.exact(i)
	}
	if first, verify = f.read(); first != bytes || verify != suspects {
		t.Errorf("%d and %d bytes were read for joiners with old copies, the datadir has %d", first, verify, bytes)
	}
	// Packing draws lines of zeroes apart; what was sent is what differed.
	if got, want := f.rigs[2].progress[0].Snapshot().Sent, int64((20<<20+100*16384-1)/(100*16384)*16384); got != want {
		t.Errorf("%d bytes sent for a page in a hundred, %d were due", got, want)
	}
}

// TestFleetOrder: joiners with different numbers of connections come to big files in the same order, so that a window that holds a part
// of them is enough. The workers are played; the order is the donor's.
func TestFleetOrder(t *testing.T) {
	heavy(t)
	synctest.Test(t, func(t *testing.T) {
		const files, size = 6, 100 << 20
		var ws []wish
		for id := range uint32(files) {
			ws = append(ws, wish{id: id, class: tree.Tablespace, size: size})
		}
		s := share.New(share.Config{})
		var wg sync.WaitGroup
		for i := range 3 {
			part := s.Join(func() { t.Errorf("joiner %d fell out of step", i) })
			d := &donor{sharing: true, workers: make([]*worker, i*2+1)}
			var mu sync.Mutex
			queue := plan(ws, d.lanes(), d.lease(files*size))[0]
			next := func() job {
				mu.Lock()
				defer mu.Unlock()
				if len(queue) == 0 {
					return nil
				}
				j := queue[0]
				queue = queue[1:]
				return j
			}
			for range d.workers {
				wg.Go(func() {
					p := make([]byte, block.Unit)
					for j := next(); j != nil; j = next() {
						for off := j[0].off; off < j[0].off+j[0].n; off += block.Unit {
							time.Sleep(time.Duration(len(d.workers)) * time.Millisecond)
							_, _, err := part.ReadAt(t.Context(), share.Key{Path: strconv.Itoa(int(j[0].id))}, p, off, true, func(p []byte, _ int64) (int, error) { return len(p), nil })
							if err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
		}
		wg.Wait()
		if st := s.Stats(); st.Read != files*size {
			t.Errorf("%+v for %d bytes", st, files*size)
		}
	})
}

// TestFleetBasis: a basis for several, from a datadir that is written.
func TestFleetBasis(t *testing.T) {
	heavy(t)
	f := newFleet(t, 2, share.Config{})
	f.run(func(_ int, c *DonorConfig) { c.Basis = true })
	for i := range f.rigs {
		if CodeOf(f.errs[i][0]) != CodeBasis || CodeOf(f.errs[i][1]) != CodeBasis {
			t.Fatalf("transfer %d: %v", i, f.errs[i])
		}
		noKeystones(t, f.rigs[i].joiner)
	}
	patch(t, f.donor, "shop/items.ibd", 5<<20, random(16384, 7))
	f.share = share.New(share.Config{})
	f.run(nil)
	for i := range f.rigs {
		f.exact(i)
	}
}

// TestFleetSlow: a joiner behind a slow link falls out of step, ends last, and its copy is exact as well.
func TestFleetSlow(t *testing.T) {
	heavy(t)
	f := newFleet(t, 3, share.Config{Window: 16 << 20, Patience: 20 * time.Millisecond})
	var link *relay
	f.run(func(i int, c *DonorConfig) {
		if i == 1 {
			link = newRelay(t, fmt.Sprintf("127.0.0.1:%d", c.Ticket.Port), 20<<20)
			c.Ticket = through(c.Ticket, link)
		}
	})
	link.close()
	for i := range f.rigs {
		f.exact(i)
	}
	if f.fell[1].Load() != 1 || f.order[2] != 1 {
		t.Errorf("the slow one fell out of step %d times; they ended in the order %v", f.fell[1].Load(), f.order)
	}
	if st := f.share.Stats(); st.Kept > 16<<20 {
		t.Errorf("%d bytes were in memory", st.Kept)
	}
}

// TestFleetDead: a joiner whose link dies, one that is stopped and one that never was there do not keep the fourth, though it would wait
// for them for an hour.
func TestFleetDead(t *testing.T) {
	f := newFleet(t, 4, share.Config{Window: 4 * block.Unit, Patience: time.Hour})
	var link *relay
	var stopped context.CancelFunc
	f.rigs[2].donorCtx, stopped = context.WithCancel(t.Context())
	defer stopped()
	var watching sync.WaitGroup
	over := make(chan struct{})
	when := func(r *rig, f func()) {
		for r.progress[0].Snapshot().Sent < 1<<20 {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
		}
		f()
	}
	f.run(func(i int, c *DonorConfig) {
		begun := func(g func()) func(string, ...any) {
			return func(format string, _ ...any) {
				if strings.Contains(format, "data connections to %s") {
					watching.Go(func() { when(f.rigs[i], g) })
				}
			}
		}
		switch i {
		case 1:
			link = newRelay(t, fmt.Sprintf("127.0.0.1:%d", c.Ticket.Port), 200<<20)
			c.Ticket = through(c.Ticket, link)
			c.Note = begun(link.close)
		case 2:
			c.Note = begun(stopped)
		case 3:
			c.Ticket.Nonce[0]++ // of another joiner
			f.rigs[3].tweakJoiner = func(c *JoinerConfig) { c.FirstContact = time.Second }
		}
	})
	close(over)
	watching.Wait()
	f.exact(0)
	for i := 1; i < 4; i++ {
		if f.errs[i][0] == nil {
			t.Errorf("transfer %d has worked", i)
		}
	}
}
