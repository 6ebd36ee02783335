package proto

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fakeServer writes a datadir as InnoDB does: every change of a page has an LSN, it
// reaches the file later, and the checkpoint never passes a change that has not.
type fakeServer struct {
	t     testing.TB
	dir   string
	lsn   uint64
	log   []byte // what of it is not in the redo log's file yet
	dirty map[pageID]*fakePage
	space map[string]uint32 // the numbers of tablespaces
	size  int64             // of a page
	rng   *rand.Rand
}

type pageID struct {
	name string
	no   int64
}

type fakePage struct {
	first uint64 // LSN of the oldest change that is not in the file
	body  []byte
}

const (
	fakePageSize = 16384
	fakeRedoSize = 32<<20 + 4096 // several units, and no multiple of one
	fakeFirst    = 10000         // LSN of the log's first byte
	fakeRecord   = 16000         // most bytes of log for a change: large, so that the log goes around
)

func newFakeServer(t testing.TB, dir string, seed uint64, size int64) *fakeServer {
	s := &fakeServer{t: t, dir: dir, size: size, lsn: fakeFirst, dirty: map[pageID]*fakePage{}, space: map[string]uint32{}, rng: rand.New(rand.NewPCG(seed, 7))}
	write(t, dir, "ib_logfile0", make([]byte, fakeRedoSize))
	for _, name := range []string{"ibdata1", "undo001", "shop/a.ibd", "shop/b.ibd", "shop/cold.ibd"} {
		s.create(name, 200)
	}
	write(t, dir, "shop/m.MYD", random(300000, 1))
	write(t, dir, "aria_log_control", random(52, 2))
	write(t, dir, "aria_log.00000001", random(16384, 3))
	s.checkpoint()
	return s
}

// create makes a tablespace of n pages, the last quarter of them empty.
func (s *fakeServer) create(name string, n int64) {
	write(s.t, s.dir, name, make([]byte, n*s.size))
	s.space[name] = s.rng.Uint32() >> 4
	for i := range n * 3 / 4 {
		s.change(name, i)
	}
	s.flush(1)
}

// change changes a page in memory.
func (s *fakeServer) change(name string, no int64) {
	id := pageID{name, no}
	p := s.dirty[id]
	if p == nil {
		p = &fakePage{first: s.lsn, body: make([]byte, s.size)}
		s.dirty[id] = p
	}
	s.mini(0x30, s.page(name, no), s.rng.IntN(fakeRecord))
	for i := 64; i < len(p.body); i += 8 {
		binary.LittleEndian.PutUint64(p.body[i:], s.rng.Uint64())
	}
	binary.BigEndian.PutUint32(p.body[4:], uint32(no))
	binary.BigEndian.PutUint32(p.body[34:], s.space[name])
	binary.BigEndian.PutUint64(p.body[16:], s.lsn)
	if no == 0 {
		binary.BigEndian.PutUint32(p.body[46:], 200)
		binary.BigEndian.PutUint32(p.body[54:], 1<<4|(uint32(bits.TrailingZeros64(uint64(s.size)))-9)) // full_crc32
	}
	seal(p.body)
}

// seal gives a page its checksum.
func seal(body []byte) {
	n := len(body) - 4
	binary.BigEndian.PutUint32(body[n:], crc32.Checksum(body[:n], crc32.MakeTable(crc32.Castagnoli)))
}

// flush writes a share of the dirty pages to their files.
func (s *fakeServer) flush(share float64) {
	s.write() // the log comes first
	for id, p := range s.dirty {
		if s.rng.Float64() >= share {
			continue
		}
		if _, err := os.Stat(filepath.Join(s.dir, id.name)); err == nil {
			patch(s.t, s.dir, id.name, id.no*s.size, p.body)
		}
		delete(s.dirty, id)
	}
}

// fakeCapacity is how much log the file holds.
const fakeCapacity = fakeRedoSize - 12288

// mini logs a mini-transaction with a record of that kind, about what name says, with n bytes more.
func (s *fakeServer) mini(kind byte, name []byte, n int) {
	body := append(name, make([]byte, n)...)
	for i := len(name); i < len(body); i++ {
		body[i] = byte(s.rng.Uint32())
	}
	rec := []byte{kind | byte(len(body))}
	if more := len(body) - 15; more > 0 {
		rec = logNumber([]byte{kind}, uint32(more+1))
		if len(rec) > 2 {
			rec = logNumber([]byte{kind}, uint32(more+len(rec)-1)) // the length counts itself
		}
	}
	rec = append(rec, body...)
	mark := byte(1 - (s.lsn+uint64(len(rec))-fakeFirst)/fakeCapacity%2)
	rec = binary.BigEndian.AppendUint32(append(rec, mark), crc32.Checksum(rec, crc32.MakeTable(crc32.Castagnoli)))
	s.log = append(s.log, rec...)
	s.lsn += uint64(len(rec))
}

// page is how the log names a page.
func (s *fakeServer) page(name string, no int64) []byte {
	return logNumber(logNumber(nil, s.space[name]), uint32(no))
}

// logNumber appends a number as the log has it.
func logNumber(b []byte, v uint32) []byte {
	first := uint32(0)
	for n := range 4 {
		next := first + 1<<(7*(n+1))
		if v < next {
			v = v - first | uint32(0xff00>>n&0xff)<<(8*n)
			for i := n; i >= 0; i-- {
				b = append(b, byte(v>>(8*i)))
			}
			return b
		}
		first = next
	}
	return binary.BigEndian.AppendUint32(append(b, 0xf0), v-first)
}

// write writes the log up to the present LSN.
func (s *fakeServer) write() {
	for len(s.log) > 0 {
		at := (s.lsn - uint64(len(s.log)) - fakeFirst) % fakeCapacity
		n := min(uint64(len(s.log)), fakeCapacity-at)
		patch(s.t, s.dir, "ib_logfile0", 12288+int64(at), s.log[:n])
		s.log = s.log[n:]
	}
}

// checkpoint writes the redo log's head, and behind it the record that names the files.
func (s *fakeServer) checkpoint() {
	s.write()
	c := s.lsn
	for _, p := range s.dirty {
		c = min(c, p.first)
	}
	head := make([]byte, 12288)
	binary.BigEndian.PutUint32(head, 0x50687973)
	binary.BigEndian.PutUint64(head[8:], fakeFirst)
	for _, at := range []int{4096, 8192} {
		slot := head[at : at+64]
		binary.BigEndian.PutUint64(slot, c)
		binary.BigEndian.PutUint64(slot[8:], s.lsn)
		binary.BigEndian.PutUint32(slot[60:], crc32.Checksum(slot[:60], crc32.MakeTable(crc32.Castagnoli)))
	}
	patch(s.t, s.dir, "ib_logfile0", 0, head)
	s.mini(0xf0, nil, 100)
	s.write()
}

// work does some random things to the datadir, DDL included.
func (s *fakeServer) work(n int) {
	tables := []string{"ibdata1", "undo001", "shop/a.ibd", "shop/b.ibd"}
	for range n {
		name := tables[s.rng.IntN(len(tables))]
		switch s.rng.IntN(40) {
		case 0: // drop and create
			for id := range s.dirty {
				if id.name == "shop/b.ibd" {
					delete(s.dirty, id)
				}
			}
			remove(s.t, s.dir, "shop/b.ibd")
			s.create("shop/b.ibd", 120+s.rng.Int64N(100))
		case 1: // grow
			f := filepath.Join(s.dir, "shop/a.ibd")
			st, err := os.Stat(f)
			if err != nil {
				s.t.Fatal(err)
			}
			if err := os.Truncate(f, st.Size()+16*s.size); err != nil {
				s.t.Fatal(err)
			}
			s.change("shop/a.ibd", st.Size()/s.size)
		case 2:
			patch(s.t, s.dir, "shop/m.MYD", s.rng.Int64N(299000), random(700, byte(s.rng.Uint32())))
		case 3:
			patch(s.t, s.dir, "aria_log.00000001", s.rng.Int64N(16000), []byte{byte(s.rng.Uint32())})
		case 4: // a freed page is scrubbed
			no := 10 + s.rng.Int64N(100)
			delete(s.dirty, pageID{"shop/a.ibd", no})
			s.mini(0, s.page("shop/a.ibd", no), 0)
			patch(s.t, s.dir, "shop/a.ibd", no*s.size, make([]byte, s.size))
		case 5:
			s.flush(0.3)
		case 6:
			s.flush(0.1)
			s.checkpoint()
		default:
			s.change(name, s.rng.Int64N(100))
		}
	}
	s.write()
}

// liveRig is a rig whose donor has a fakeServer that works between the passes.
func liveRig(t testing.TB, seed uint64) (*rig, *fakeServer) {
	return liveRigOf(t, seed, fakePageSize)
}

// liveRigOf is a liveRig with pages of that size.
func liveRigOf(t testing.TB, seed uint64, size int64) (*rig, *fakeServer) {
	r := newRig(t)
	s := newFakeServer(t, r.donor, seed, size)
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN = 5, true }
	return r, s
}

// TestLiveIsTheLockedState runs a server that never rests through whole transfers:
// what the joiner gets must be the datadir of the lock window, byte for byte,
// whatever came before or after it (O5).
func TestLiveIsTheLockedState(t *testing.T) {
	heavy(t)
	for seed := range soak(modelSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			size := int64(fakePageSize)
			switch seed % 5 {
			case 1, 2:
				size = 4096
			case 4:
				size = 65536
			}
			r, s := liveRigOf(t, seed, size)
			if seed%3 == 1 { // an old copy at the joiner
				r.mustRun()
				s.work(300)
			}
			atLock := ""
			r.tweakDonor = func(c *DonorConfig) {
				c.Passes, c.PageLSN = 5, seed%4 != 3
				c.Note = func(format string, _ ...any) {
					if strings.Contains(format, "%s pass %d") {
						s.work(60)
					}
				}
			}
			r.lock = lockFunc{
				lock: func(context.Context) (string, error) {
					s.work(40)
					s.flush(1)
					s.checkpoint()
					atLock = listing(t, r.donor)
					return "at:1", nil
				},
				unlock: func() error { s.work(80); s.flush(0.5); return nil },
			}
			sent, _, derr, jerr := r.run()
			if derr != nil || jerr != nil {
				t.Fatalf("donor: %v; joiner: %v", derr, jerr)
			}
			if got := listing(t, r.joiner); got != atLock {
				t.Fatalf("the copy is not the locked state:\n--- locked\n%s\n--- joiner\n%s", onlyIn(atLock, got), onlyIn(got, atLock))
			}
			if sent.Locks != 1 {
				t.Errorf("%d lock windows", sent.Locks)
			}
		})
	}
}

// modelSeeds is how many seeds a model test tries at least.
var modelSeeds uint64 = 6

// soak is how many seeds a model test tries: few by default, more when asked to.
func soak(n uint64) uint64 {
	if v, err := strconv.ParseUint(os.Getenv("SOAK"), 10, 32); err == nil {
		return max(n, v)
	}
	return n
}

// TestPageZeroTravels, half of T-9, changes page 0 as a shutdown of an old server does: without a
// new LSN. One window must do.
func TestPageZeroTravels(t *testing.T) {
	r, s := liveRig(t, 5)
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			patch(t, r.donor, "shop/a.ibd", 26, []byte{1, 2, 3, 4, 5, 6, 7, 8})
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	if sent, _ := r.mustRun(); sent.Locks != 1 {
		t.Errorf("%d lock windows", sent.Locks)
	}
}

// TestLockMaxGivesTheLockBack lets the first windows overrun: their coordinates must
// not be the transfer's (R-LOCK-5, R-LOCK-6).
func TestLockMaxGivesTheLockBack(t *testing.T) {
	r, s := liveRig(t, 2)
	windows, released := 0, 0
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.LockMax = 2, true, time.Nanosecond }
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			windows++
			s.work(50)
			s.flush(1)
			s.checkpoint()
			return fmt.Sprintf("at:%d", windows), nil
		},
		unlock: func() error {
			released++
			if windows < lockTries {
				s.work(50)
			}
			return nil
		},
	}
	sent, got := r.mustRun()
	if windows != lockTries || released != windows || sent.Locks != windows || got.State != fmt.Sprintf("at:%d", windows) {
		t.Errorf("%d windows, %d released, %+v, joiner at %s", windows, released, sent, got.State)
	}
}

// TestLateGrant: a lock that was granted when lock-max had passed already is kept for as long as it was expected to take, lock-max at most.
func TestLateGrant(t *testing.T) {
	for predicted, gives := range map[time.Duration]bool{0: true, time.Hour: false} {
		d := &donor{c: DonorConfig{LockMax: time.Hour}, predicted: predicted}
		stop := d.openCutoff(&window{asked: time.Now().Add(-2 * time.Hour)})
		if past := d.cutoff.isPast(); past != gives {
			t.Errorf("predicted %v: given back at once: %v", predicted, past)
		}
		stop()
	}
}

// TestLockMaxHoldsWithASlowJoiner finds a change under the lock while the joiner takes its time: the server must be let go when
// lock-max has passed, not when the joiner is done.
func TestLockMaxHoldsWithASlowJoiner(t *testing.T) {
	r, s := liveRig(t, 8)
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.LockMax = 2, true, 300*time.Millisecond }
	windows, leaked := 0, false
	var slow atomic.Bool
	released := make(chan struct{})
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			windows++
			s.flush(1)
			s.checkpoint()
			return fmt.Sprintf("at:%d", windows), nil
		},
		unlock: func() error {
			if windows == 1 {
				slow.Store(false)
				close(released)
			}
			return nil
		},
	}
	testOnlyBeforeRound = func() {
		if !leaked {
			leaked = true
			slow.Store(true)
			patch(t, r.donor, "shop/m.MYD", 20, []byte("leak"))
		}
	}
	testOnlyBeforeFlushed = func() {
		if slow.Load() {
			<-released
		}
	}
	defer func() { testOnlyBeforeRound, testOnlyBeforeFlushed = func() {}, func() {} }()
	if _, got := r.mustRun(); windows != 2 || got.State != "at:2" {
		t.Errorf("%d windows, joiner at %s", windows, got.State)
	}
}

// TestCrowdedJoinerEndsThePasses has transactions pile up at the joiner: the donor must not go on polishing.
func TestCrowdedJoinerEndsThePasses(t *testing.T) {
	heavy(t)
	for _, crowded := range []bool{false, true} {
		r, s := liveRig(t, 9)
		passes, why := 0, ""
		heard := make(chan struct{})
		calls := 0
		r.tweakJoiner = func(c *JoinerConfig) {
			c.Queue = func() (int64, int64, bool) {
				// At the second call the first report left a second ago.
				if calls++; calls == 2 {
					close(heard)
				}
				return 26 << 20, 74 << 20, crowded
			}
		}
		r.tweakDonor = func(c *DonorConfig) {
			c.Passes, c.PageLSN, c.LockTarget = 3, true, time.Nanosecond
			c.Note = func(format string, args ...any) {
				switch {
				case strings.HasPrefix(format, "asking for the lock"):
					why = fmt.Sprintf(format, args...)
				case strings.Contains(format, "%s pass %d") && fmt.Sprint(args[0]) == "live":
					if passes++; passes == 1 {
						<-heard
					}
					s.work(60)
				}
			}
		}
		r.lock = lockFunc{
			lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
			unlock: func() error { return nil },
		}
		r.mustRun()
		if got := strings.Contains(why, "pile up"); got != crowded || crowded && passes > 2 {
			t.Errorf("crowded %v: %d passes, then %q", crowded, passes, why)
		}
	}
}

// TestLeaksUnderTheLock lets files move while the server claims to be locked.
func TestLeaksUnderTheLock(t *testing.T) {
	heavy(t)
	for _, name := range []string{"ib_logfile0", "aria_log_control", "shop/a.ibd", "shop/m.MYD", "shop/new.ibd"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			r, s := liveRig(t, 3)
			leaks := 0
			r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN = 3, true }
			r.lock = lockFunc{
				lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
				unlock: func() error { return nil },
			}
			testOnlyBeforeRound = func() {
				if leaks++; leaks > 3 {
					return
				}
				switch name {
				case "shop/a.ibd":
					s.change(name, 33)
					s.flush(1)
				case "shop/new.ibd":
					write(t, r.donor, name, random(40000*leaks, 9))
				default:
					patch(t, r.donor, name, 20, []byte{byte(leaks), 0xee})
				}
			}
			defer func() { testOnlyBeforeRound = func() {} }()
			sent, _ := r.mustRun()
			if leaks < 4 || sent.Locks != 1 {
				t.Errorf("%d rounds, %d lock windows", leaks, sent.Locks)
			}
		})
	}
}

// TestLockedPassIsSmall counts what a window moves when little has changed.
func TestLockedPassIsSmall(t *testing.T) {
	r, s := liveRig(t, 4)
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN = 3, true }
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			for i := range int64(10) {
				s.change("shop/a.ibd", 20+5*i)
			}
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	sent, _ := r.mustRun()
	for _, p := range sent.Passes {
		if p.Kind != "locked" {
			continue
		}
		// Ten pages, the file's first four, the log written for them, its head and the leaves at both ends.
		if want := int64(14*fakePageSize + 10*fakeRecord + 3*64<<10); p.Sent > want {
			t.Errorf("%d bytes sent under the lock, %d were due", p.Sent, want)
		}
		// Twice the files without page LSNs, the pages, the log's head, its new end, and the units behind that.
		if want := 2 * int64(400<<10+14*fakePageSize+(2+quietUnits+1)*(1<<20)); p.Read > want {
			t.Errorf("%d bytes read under the lock, at most %d were due", p.Read, want)
		}
	}
}

// TestRateLimitHolds measures the limiter by what it lets through, in the time that
// the transfer took: never more than the rate and one burst. And the lock must not
// wait for it.
func TestRateLimitHolds(t *testing.T) {
	heavy(t)
	r, s := liveRig(t, 6)
	const limit = 64 << 20
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.RateLimit, c.Gentle = 2, true, limit, true }
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	began := time.Now()
	r.mustRun()
	took := time.Since(began).Seconds()
	if read := r.progress[0].Snapshot().Read; float64(read) > limit*took+limit/10+float64(16<<20+fakeRedoSize) { // the log is compared without it
		t.Errorf("%d bytes read in %.3f s, the limit is %d a second", read, took, limit)
	}
}
