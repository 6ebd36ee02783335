package proto

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"trireme/wire"
)

// breaker stands between donor and joiner as a network that fails.
type breaker struct {
	ln net.Listener
	to string
	wg sync.WaitGroup

	mu      sync.Mutex
	conns   []net.Conn
	each    int   // bytes a second that one connection carries; 0: any number
	every   int64 // all connections are cut when that many bytes have passed; 0: never
	passed  int64 // since the last cut
	cuts    int
	mute    int  // connections before this one swallow what they are given
	dead    bool // nothing passes, and new connections are closed at once
	stopped bool
	turned  atomic.Int64 // connections that were closed at once
}

func newBreaker(t testing.TB, port int, every int64, each int) *breaker {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{ln: ln, to: fmt.Sprintf("127.0.0.1:%d", port), every: every, each: each}
	b.wg.Go(b.accept)
	return b
}

func (b *breaker) accept() {
	for {
		c, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		dead := b.dead
		b.mu.Unlock()
		if dead {
			b.turned.Add(1)
			c.Close()
			continue
		}
		d, err := net.Dial("tcp", b.to)
		if err != nil {
			c.Close()
			continue
		}
		b.mu.Lock()
		n := len(b.conns)
		b.conns = append(b.conns, c, d)
		if b.stopped {
			c.Close()
			d.Close()
		}
		b.mu.Unlock()
		b.wg.Go(func() { b.pass(c, d, n) })
		b.wg.Go(func() { b.pass(d, c, n) })
	}
}

func (b *breaker) pass(to, from net.Conn, n int) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	limit := rate.NewLimiter(rate.Inf, len(buf))
	if b.each > 0 {
		limit.SetLimit(rate.Limit(b.each))
		_ = from.(*net.TCPConn).SetReadBuffer(len(buf)) // the path has little memory
	}
	for {
		k, err := from.Read(buf)
		b.mu.Lock()
		b.passed += int64(k)
		if b.every > 0 && b.passed >= b.every {
			b.cutLocked()
		}
		mute := n < b.mute
		b.mu.Unlock()
		if mute {
			k = 0
		}
		if limit.WaitN(context.Background(), k) != nil {
			return
		}
		if _, werr := to.Write(buf[:k]); err != nil || werr != nil {
			return
		}
	}
}

// cut ends all connections; what is on its way is lost.
func (b *breaker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cutLocked()
}

func (b *breaker) cutLocked() {
	b.passed = 0
	b.cuts++
	for _, c := range b.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	b.conns = b.conns[:0]
	b.mute = 0
}

// fall makes the network dead, or alive again.
func (b *breaker) fall(dead bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = dead
	if dead {
		b.cutLocked()
	}
}

// swallow makes the connections that there are black holes.
func (b *breaker) swallow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mute = len(b.conns)
}

func (b *breaker) close() {
	b.mu.Lock()
	b.stopped = true
	for _, c := range b.conns {
		c.Close()
	}
	b.mu.Unlock()
	b.ln.Close()
	b.wg.Wait()
}

// brokenRig is a rig whose ends talk through a breaker.
type brokenRig struct {
	*rig
	net   *breaker
	every int64
	each  int      // bytes a second that one connection carries; 0: any number
	said  [2]notes // donor, joiner
	donor func(*DonorConfig)
}

func newBrokenRig(t *testing.T, reconnect time.Duration) *brokenRig {
	r := &brokenRig{rig: newRig(t)}
	fill(t, r.rig.donor, 7)
	r.lock = lockFunc{func(context.Context) (string, error) { return "here:1", nil }, func() error { return nil }}
	r.tweakDonor = func(d *DonorConfig) {
		r.net = newBreaker(t, d.Ticket.Port, r.every, r.each)
		t.Cleanup(r.net.close)
		d.Ticket.Port = r.net.ln.Addr().(*net.TCPAddr).Port
		d.Reconnect, d.ReconnectFrom, d.Note, d.Passes = reconnect, fmt.Sprintf("reconnect=%v, the test", reconnect), r.said[0].add, 3
		if r.donor != nil {
			r.donor(d)
		}
	}
	r.tweakJoiner = func(j *JoinerConfig) {
		j.Reconnect, j.ReconnectFrom, j.Note = reconnect, fmt.Sprintf("reconnect=%v, the test", reconnect), r.said[1].add
	}
	return r
}

// impatient makes both ends notice silence soon.
func impatient(t *testing.T) {
	was := patience
	t.Cleanup(func() { patience = was })
	patience.suspectLive, patience.suspectLocked, patience.outageLocked = 1500*time.Millisecond, 10*time.Second, 300*time.Millisecond
}

// TestCutAllAlong cuts all connections again and again, in every phase. The copy is exact and little is sent twice.
func TestCutAllAlong(t *testing.T) {
	for plain, passes := range map[bool]int{false: 3, true: 0} {
		{
			t.Run(fmt.Sprintf("plain=%v/passes=%d", plain, passes), func(t *testing.T) {
				r := newBrokenRig(t, 20*time.Second)
				r.plain, r.every = plain, 8<<20 // a cut for about what the links send again after one
				write(t, r.rig.donor, "shop/big.ibd", random(24<<20, 4))
				cut := func(context.Context) error { r.net.cut(); return nil }
				r.lock = lockFunc{func(ctx context.Context) (string, error) {
					// What the lock finds, and a cut before and after.
					patch(t, r.rig.donor, "shop/note.MYD", 100, random(5000, 9))
					return "here:1", cut(ctx)
				}, func() error { return cut(nil) }}
				r.donor = func(d *DonorConfig) { d.Passes, d.BeforeLock = passes, cut }
				joiner := r.tweakJoiner
				r.tweakJoiner = func(j *JoinerConfig) { joiner(j); j.BeforeCommit = cut }
				rounds := testOnlyBeforeRound
				testOnlyBeforeRound = func() { r.net.cut() }
				defer func() { testOnlyBeforeRound = rounds }()

				sum, _ := r.mustRun()
				t.Logf("%d cuts, %d connections opened again, %d KiB sent again", r.net.cuts, sum.Reopened, sum.Resent>>10)
				if want := 8; r.net.cuts < want || sum.Reopened < r.net.cuts {
					t.Errorf("%d cuts, at least %d were meant; %d connections opened again", r.net.cuts, want, sum.Reopened)
				}
				if perCut := sum.Resent / int64(r.net.cuts); perCut > 64<<20 || sum.Resent == 0 {
					t.Errorf("%d bytes were sent again for each cut", perCut)
				}
				if d, j := r.progress[0].Snapshot(), r.progress[1].Snapshot(); d.Sent != j.Sent || d.Holes != j.Holes {
					t.Errorf("donor sent %d bytes and %d of holes, joiner took %d and %d", d.Sent, d.Holes, j.Sent, j.Holes)
				}
				for i, end := range []string{"donor", "joiner"} {
					if !strings.Contains(r.said[i].String(), "is there again after") {
						t.Errorf("%s: nothing about it:\n%s", end, r.said[i].String())
					}
				}
			})
		}
	}
}

// TestBlackHole: connections that swallow everything are given up when the control link is silent, and replaced.
func TestBlackHole(t *testing.T) {
	impatient(t)
	r := newBrokenRig(t, 20*time.Second)
	var once sync.Once
	r.donor = func(d *DonorConfig) {
		d.BeforeLock = func(context.Context) error { once.Do(r.net.swallow); return nil }
	}
	sum, _ := r.mustRun()
	if sum.Reopened == 0 || !strings.Contains(r.said[0].String(), "there again") {
		t.Errorf("%d connections opened again; the donor said:\n%s", sum.Reopened, r.said[0].String())
	}
}

// TestOutageUnderLock: an outage that lasts too long for the lock makes the donor let the server go. When the network is back, it makes another live
// pass and asks again.
func TestOutageUnderLock(t *testing.T) {
	impatient(t)
	r := newBrokenRig(t, 20*time.Second)
	locks, unlocks := 0, 0
	r.lock = lockFunc{func(context.Context) (string, error) {
		locks++
		return fmt.Sprintf("here:%d", locks), nil
	}, func() error {
		if unlocks++; unlocks == 1 {
			r.net.fall(false)
		}
		return nil
	}}
	var once sync.Once
	rounds := testOnlyBeforeRound
	testOnlyBeforeRound = func() {
		once.Do(func() {
			r.net.fall(true)
			patch(t, r.rig.donor, "shop/note.MYD", 100, random(5000, 9)) // so that the window has something to wait for
		})
	}
	defer func() { testOnlyBeforeRound = rounds }()
	r.donor = func(d *DonorConfig) {
		d.Keyring = func() ([]byte, string, error) {
			time.Sleep(100 * time.Millisecond) // the links that were lost a little later are overdue, and the lock is held still
			return nil, "", nil
		}
	}
	sum, _ := r.mustRun()
	if locks != 2 || unlocks != 2 || sum.State != "here:2" {
		t.Errorf("%d locks, %d unlocks, state %q", locks, unlocks, sum.State)
	}
	if !strings.Contains(r.said[0].String(), "under the lock: connection lost") || !strings.Contains(r.said[0].String(), "making another live pass") {
		t.Errorf("the donor said:\n%s", r.said[0].String())
	}
}

// TestOutageWhileWaitingForLock: the same when the connections are lost while the server takes its time to lock, so that the outage has
// lasted too long when the lock is there.
func TestOutageWhileWaitingForLock(t *testing.T) {
	impatient(t)
	r := newBrokenRig(t, 20*time.Second)
	locks, unlocks := 0, 0
	r.lock = lockFunc{func(ctx context.Context) (string, error) {
		if locks++; locks == 1 {
			r.net.fall(true)
			for r.net.turned.Load() < 8 && ctx.Err() == nil { // with the pauses between them that is about a second
				time.Sleep(10 * time.Millisecond)
			}
		}
		return fmt.Sprintf("here:%d", locks), nil
	}, func() error {
		if unlocks++; unlocks == 1 {
			r.net.fall(false)
		}
		return nil
	}}
	r.donor = func(d *DonorConfig) {
		note := d.Note
		d.Note = func(format string, args ...any) {
			note(format, args...)
			if strings.HasPrefix(format, "locked after") {
				time.Sleep(50 * time.Millisecond) // for a limit that holds before anybody could heed it
			}
		}
	}
	sum, _ := r.mustRun()
	if locks != 2 || unlocks != 2 || sum.State != "here:2" {
		t.Errorf("%d locks, %d unlocks, state %q", locks, unlocks, sum.State)
	}
}

// TestOutageWhileAPassEndsUnderLock: the same when the connections are lost while a pass is ended under the lock, because names or
// sizes have moved after it began.
func TestOutageWhileAPassEndsUnderLock(t *testing.T) {
	impatient(t)
	r := newBrokenRig(t, 20*time.Second)
	locks, unlocks := 0, 0
	r.lock = lockFunc{func(context.Context) (string, error) {
		locks++
		return fmt.Sprintf("here:%d", locks), nil
	}, func() error {
		if unlocks++; unlocks == 1 {
			r.net.fall(false)
		}
		return nil
	}}
	var armed, fallen sync.Once
	var late atomic.Bool
	rounds, flushed := testOnlyBeforeRound, testOnlyBeforeFlushed
	testOnlyBeforeRound = func() {
		armed.Do(func() {
			write(t, r.rig.donor, "shop/new.MYD", random(5000, 9))
			late.Store(true)
		})
	}
	testOnlyBeforeFlushed = func() {
		if late.Load() {
			fallen.Do(func() { r.net.fall(true) })
		}
	}
	defer func() { testOnlyBeforeRound, testOnlyBeforeFlushed = rounds, flushed }()
	sum, _ := r.mustRun()
	if locks != 2 || unlocks != 2 || sum.State != "here:2" {
		t.Errorf("%d locks, %d unlocks, state %q", locks, unlocks, sum.State)
	}
}

// TestOutageIsTold: while the path is gone, both ends say so once, with the limit. Trouble hears it where there is one, and of the return.
func TestOutageIsTold(t *testing.T) {
	was := patience.remark
	defer func() { patience.remark = was }()
	patience.remark = 0 // the next heartbeat tells
	r := newBrokenRig(t, 20*time.Second)
	var trouble notes
	heard := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	listen := func(end int, add func(string, ...any)) func(string, ...any) {
		return func(format string, args ...any) {
			add(format, args...)
			if strings.HasPrefix(format, "the connection is lost") {
				close(heard[end])
			}
		}
	}
	r.donor = func(d *DonorConfig) {
		d.Trouble, d.Streams = listen(0, trouble.add), 0
		d.BeforeLock = func(ctx context.Context) error {
			r.net.fall(true)
			defer r.net.fall(false)
			for _, c := range heard {
				select {
				case <-c:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			for end := range heard {
				if !r.progress[end].Snapshot().Away {
					t.Errorf("end %d: its progress does not say that the connection is lost", end)
				}
			}
			return nil
		}
	}
	joiner := r.tweakJoiner
	r.tweakJoiner = func(j *JoinerConfig) { joiner(j); j.Note = listen(1, j.Note) }
	r.mustRun()
	for end, said := range []string{trouble.String(), r.said[1].String()} {
		if strings.Count(said, "the connection is lost") != 1 || !strings.Contains(said, "opening it again is tried for 20s at most (reconnect=20s, the test)") || !strings.Contains(said, "there again") {
			t.Errorf("end %d said:\n%s", end, said)
		}
	}
	if donor, joiner := r.progress[0].Snapshot().Streams, r.progress[1].Snapshot().Streams; joiner != donor {
		t.Errorf("the donor counts %d data connections, the joiner %d", donor, joiner)
	}
	if r.progress[0].Snapshot().Away || r.progress[1].Snapshot().Away {
		t.Error("the connection is lost still, says the progress")
	}
	if quiet := r.said[0].String(); strings.Contains(quiet, "is lost") || strings.Contains(quiet, "there again") {
		t.Errorf("Note heard what is for Trouble:\n%s", quiet)
	}
}

// TestOutageTooLong: an outage beyond its limit ends the transfer at both ends, with the first cause and where the limit comes from. Under
// a lock that cannot be given back the limit is short.
func TestOutageTooLong(t *testing.T) {
	for _, locked := range []bool{false, true} {
		t.Run(fmt.Sprintf("locked=%v", locked), func(t *testing.T) {
			impatient(t)
			reconnect := 700 * time.Millisecond
			want := "not opened again within 700ms (reconnect=700ms, the test)"
			if locked {
				reconnect = 20 * time.Second
				want = "under the lock: connection lost"
			}
			r := newBrokenRig(t, reconnect)
			r.donor = func(d *DonorConfig) {
				if locked {
					d.Passes = 0
					return
				}
				d.BeforeLock = func(context.Context) error { r.net.fall(true); return nil }
			}
			joiner := r.tweakJoiner
			r.tweakJoiner = func(j *JoinerConfig) { joiner(j); j.Reconnect = 700 * time.Millisecond }
			r.lock = lockFunc{func(context.Context) (string, error) { r.net.fall(true); return "here:1", nil }, func() error { return nil }}
			_, _, derr, jerr := r.run()
			if CodeOf(derr) != CodeNetwork || !strings.Contains(fmt.Sprint(derr), want) {
				t.Errorf("donor: %v; want %q", derr, want)
			}
			if CodeOf(jerr) != CodeNetwork || !strings.Contains(fmt.Sprint(jerr), "not opened again within 700ms (reconnect") {
				t.Errorf("joiner: %v", jerr)
			}
			if _, err := os.Stat(filepath.Join(r.joiner, "ibdata1")); err == nil {
				t.Error("the joiner has a system tablespace under its final name")
			}
		})
	}
}

// TestReconnectOff: without the option a cut ends the transfer as soon as it is noticed.
func TestReconnectOff(t *testing.T) {
	r := newBrokenRig(t, 0)
	r.donor = func(d *DonorConfig) { d.BeforeLock = func(context.Context) error { r.net.cut(); return nil } }
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeNetwork || CodeOf(jerr) != CodeNetwork {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
}

// TestReopenedLines: the log of a path that breaks all the time stays short, and nothing is left out of its counts.
func TestReopenedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said notes
		s := newSession(t.Context(), time.Minute)
		s.away = &absence{tell: said.add}
		for range 100 {
			s.noteReopened(wire.Reopened{Cause: io.EOF}, said.add, said.add)
			time.Sleep(time.Second)
		}
		if n := strings.Count(said.String(), "the control connection was lost (the other end or something in between closed it)"); n != 20 {
			t.Errorf("%d lines for 100 times", n)
		}
		if n := strings.Count(said.String(), "; 4 more times since the last such line"); n != 19 {
			t.Errorf("%d lines with a count:\n%s", n, said.String())
		}
	})
}

// TestStreamsGrow: data links that come to work in the middle of a pass do their part, and the copy is exact. Here every step pays,
// so that nothing depends on how fast this machine is; when one does is TestTuner's.
func TestStreamsGrow(t *testing.T) {
	was := tuning
	tuning.every, tuning.pays = 5*time.Millisecond, 0
	defer func() { tuning = was }()
	r := newBrokenRig(t, 20*time.Second)
	write(t, r.rig.donor, "shop/big.ibd", random(40<<20, 4))
	r.each = 8 << 20
	r.donor = func(d *DonorConfig) { d.Streams = 12 }
	r.mustRun()
	if !strings.Contains(r.said[0].String(), "12 data connections work from now on") {
		t.Errorf("the donor said:\n%s", r.said[0].String())
	}
}
