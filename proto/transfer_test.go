package proto

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"trireme/engine/store"
	"trireme/proto/msg"
	"trireme/wire"
)

func TestFreshCopy(t *testing.T) {
	for name, tweak := range map[string]func(*rig){
		"transport=TCP":  func(*rig) {},
		"transport=QUIC": func(r *rig) { r.transport = wire.QUIC },
		"plain":          func(r *rig) { r.plain = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			tweak(r)
			fill(t, r.donor, 1)
			sent, got := r.mustRun()
			if sent.State != "here:1" || got.State != sent.State || got.Files != sent.Files || got.Bytes != sent.Bytes {
				t.Errorf("donor %+v, joiner %+v", sent, got)
			}
			if n := len(sent.Passes); n != 2 {
				t.Errorf("%d passes with data, a locked and one verify round were due: %+v", n, sent.Passes)
			}
			for end := range r.progress {
				for i, p := range r.progress[end].Passes() {
					if p.Number != i+1 {
						t.Errorf("end %d calls its %s pass %d, it was number %d", end, p.Kind, p.Number, i+1)
					}
				}
			}
			// The zero file and the holes of the packed one did not travel.
			p := r.progress[0].Snapshot()
			if p.Holes < 2<<20+128*12288 {
				t.Errorf("only %d bytes travelled as holes", p.Holes)
			}
			if blocks(t, r.joiner, "shop/packed.ibd") > blocks(t, r.donor, "shop/packed.ibd")+64 {
				t.Errorf("holes were filled: %d blocks, the donor has %d", blocks(t, r.joiner, "shop/packed.ibd"), blocks(t, r.donor, "shop/packed.ibd"))
			}
			if blocks(t, r.joiner, "ibdata1") < 3<<20/512 {
				t.Error("the system tablespace has holes")
			}
		})
	}
}

func blocks(t testing.TB, dir, name string) int64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(dir, name), &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks
}

// TestDeltaCounts proves that only what differs travels (H30): the bytes on the
// wire are counted, not only the result compared.
func TestDeltaCounts(t *testing.T) {
	heavy(t)
	r := newRig(t)
	fill(t, r.donor, 1)
	r.mustRun()

	t.Run("nothing changed", func(t *testing.T) {
		r.t = t
		sent, _ := r.mustRun()
		p := r.progress[0].Snapshot()
		if p.Sent+p.Holes > 0 {
			t.Errorf("%d bytes sent though nothing differs", p.Sent)
		}
		if sent.Wire > 64<<10 {
			t.Errorf("%d bytes on the wire", sent.Wire)
		}
	})
	t.Run("one page in a hundred", func(t *testing.T) {
		r.t = t
		const pages = 20 << 20 / 16384
		for i := 0; i < pages; i += 100 {
			patch(t, r.donor, "shop/items.ibd", int64(i)*16384+77, []byte{byte(i), 1, 2, 3})
		}
		r.mustRun()
		p := r.progress[0].Snapshot()
		if want := int64((pages + 99) / 100 * 16384); p.Sent != want {
			t.Errorf("%d bytes sent, %d were due", p.Sent, want)
		}
	})
	t.Run("grown, shrunk, gone, new, kind changed", func(t *testing.T) {
		r.t = t
		write(t, r.donor, "shop/orders.ibd", random(6<<20+123, 1))
		if err := os.Truncate(filepath.Join(r.donor, "shop/items.ibd"), 3<<20+16384); err != nil {
			t.Fatal(err)
		}
		remove(t, r.donor, "many/t01.ibd")
		remove(t, r.donor, "nothing_here")
		write(t, r.donor, "shop/new.ibd", random(99999, 2))
		remove(t, r.donor, "shop/note.MYD")
		write(t, r.donor, "brandnew/t.ibd", random(5, 3))
		patch(t, r.donor, "shop/zeroes.ibd", 1<<20, random(16384, 4))
		patch(t, r.donor, "shop/packed.ibd", 16384, make([]byte, 16384))
		r.mustRun()
	})
	t.Run("own leftovers at the joiner", func(t *testing.T) {
		r.t = t
		write(t, r.joiner, "shop/orphan.ibd", random(70000, 5))
		write(t, r.joiner, "other/t.ibd", random(70000, 6))
		write(t, r.joiner, "ddl_recovery.log", []byte("x"))
		write(t, r.joiner, "tc.log", []byte("x"))
		write(t, r.joiner, "ib_logfile1", []byte("x"))
		write(t, r.joiner, "undo004", random(70000, 7))
		r.mustRun()
	})
	t.Run("no delta", func(t *testing.T) {
		r.t = t
		r.tweakDonor = func(c *DonorConfig) { c.NoDelta = true }
		r.mustRun()
		if p := r.progress[0].Snapshot(); p.Sent < 10<<20 {
			t.Errorf("%d bytes sent though delta was off", p.Sent)
		}
	})
}

// lockFunc is a Locker made of two functions.
type lockFunc struct {
	lock   func(context.Context) (string, error)
	unlock func() error
}

func (l lockFunc) Lock(ctx context.Context) (string, error) { return l.lock(ctx) }
func (l lockFunc) Unlock() error                            { return l.unlock() }

// TestChangesUntilLock changes the donor's files when the lock is asked for: what
// was announced before must not be what is copied.
func TestChangesUntilLock(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 2)
	var unlocked atomic.Int32
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			patch(t, r.donor, "shop/items.ibd", 5<<20, random(50000, 9))
			write(t, r.donor, "shop/late.ibd", random(200000, 8))
			write(t, r.donor, "many/t00.ibd", random(3*16384, 7))
			remove(t, r.donor, "many/t02.ibd")
			remove(t, r.donor, "nothing_here")
			return "locked:7", nil
		},
		unlock: func() error { unlocked.Add(1); return nil },
	}
	sent, got := r.mustRun()
	if sent.State != "locked:7" || got.State != "locked:7" || unlocked.Load() != 1 {
		t.Errorf("state %q and %q, unlocked %d times", sent.State, got.State, unlocked.Load())
	}
	r.lock = nil
}

// TestVerifyRoundsFindWrites has a writer change a frozen file while the lock is
// held (T-4): the rounds go on until it stops, and the copy is exact.
func TestVerifyRoundsFindWrites(t *testing.T) {
	heavy(t)
	for _, name := range []string{"shop/orders.ibd", "ibdata1", "aria_log_control", "many/t05.ibd"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			r := newRig(t)
			fill(t, r.donor, 3)
			rounds := 0
			r.tweakDonor = func(c *DonorConfig) {
				c.Note = func(format string, _ ...any) {
					// Called at the end of each pass, before the next scan.
					if strings.Contains(format, "pass %d: read") && rounds < 3 {
						rounds++
						patch(t, r.donor, name, 5, []byte{byte(rounds), 0xaa})
					}
				}
			}
			sent, _ := r.mustRun()
			if len(sent.Passes) != 5 { // locked, three rounds with changes, one without
				t.Errorf("%d passes: %+v", len(sent.Passes), sent.Passes)
			}
		})
	}
}

func TestNeverStillFails(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 3)
	n := byte(0)
	r.tweakDonor = func(c *DonorConfig) {
		c.Rounds = 3
		c.Note = func(format string, _ ...any) {
			if strings.Contains(format, "pass %d: read") {
				n++
				patch(t, r.donor, "shop/orders.ibd", 5, []byte{n})
			}
		}
	}
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeUnstable || CodeOf(jerr) != CodeUnstable {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
	noKeystones(t, r.joiner)
}

// noKeystones asserts that no server can start in dir (R-JOIN-3, R-JOIN-8).
func noKeystones(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{"ibdata1", "undo001", "ib_logfile0", "aria_log_control", "aria_log.00000001"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there after a failure", name)
		}
	}
}

func TestBypassTouchesNothing(t *testing.T) {
	r := newRig(t)
	fill(t, r.joiner, 4)
	before := listing(t, r.joiner)
	r.tweakDonor = func(c *DonorConfig) {
		c.Bypass, c.Dirs, c.State = true, nil, "u:99 0"
		c.Facts = []msg.Fact{{Name: "page-size", Value: "4096"}} // IST does not care
	}
	r.tweakJoiner = func(c *JoinerConfig) {
		c.Facts = []msg.Fact{{Name: "page-size", Value: "16384"}}
		c.Store = func(Offer) (*store.Store, error) { t.Error("store opened"); return nil, errors.New("no") }
	}
	sent, got, derr, jerr := r.run()
	if derr != nil || jerr != nil || !sent.Bypass || !got.Bypass || got.State != "u:99 0" {
		t.Fatalf("donor %+v %v, joiner %+v %v", sent, derr, got, jerr)
	}
	if listing(t, r.joiner) != before {
		t.Error("the joiner's files changed")
	}
}

func TestMismatchNamesBothValues(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	fill(t, r.joiner, 2)
	before := listing(t, r.joiner)
	r.tweakDonor = func(c *DonorConfig) {
		c.Facts = []msg.Fact{{Name: "page-size", Value: "16384", From: "ibdata1"}, {Name: "server", Value: "mariadb 10.11"}}
	}
	r.tweakJoiner = func(c *JoinerConfig) {
		c.Facts = []msg.Fact{{Name: "page-size", Value: "8192", From: "/etc/my.cnf:3 [mysqld]"}, {Name: "server", Value: ""}}
	}
	_, _, derr, jerr := r.run()
	for _, err := range []error{derr, jerr} {
		if err == nil || CodeOf(err) != CodeMismatch {
			t.Fatalf("donor: %v; joiner: %v", derr, jerr)
		}
		for _, want := range []string{"16384", "8192", "ibdata1", "/etc/my.cnf:3", "page-size"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %q", want, err)
			}
		}
	}
	if listing(t, r.joiner) != before {
		t.Error("the joiner's files changed")
	}
}

func TestRefusalReachesTheJoiner(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	write(t, r.donor, "#rocksdb/CURRENT", []byte("x"))
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeRefused || CodeOf(jerr) != CodeRefused || !strings.Contains(jerr.Error(), "rocksdb") {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
	if listing(t, r.joiner) != "" {
		t.Error("the joiner's datadir is no longer empty")
	}
}

func TestStoreRefusalReachesTheDonor(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	r.tweakJoiner = func(c *JoinerConfig) {
		c.Store = func(Offer) (*store.Store, error) { return nil, Fail(CodeSpace, errors.New("three bytes are free")) }
	}
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeSpace || CodeOf(jerr) != CodeSpace || !strings.Contains(derr.Error(), "three bytes") {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
}

func TestLockRefused(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { return "", errors.New("sst_error is there") },
		unlock: func() error { t.Error("unlocked without a lock"); return nil },
	}
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeLock || CodeOf(jerr) != CodeLock || !strings.Contains(jerr.Error(), "sst_error") {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
	noKeystones(t, r.joiner)
}

// TestRerunHeals takes the rest of a failed transfer as a basis (R-JOIN-6).
func TestRerunHeals(t *testing.T) {
	heavy(t)
	r := newRig(t)
	fill(t, r.donor, 5)
	fill(t, r.joiner, 6)
	stop := errors.New("pulled the plug")
	ctx, cancel := context.WithCancelCause(t.Context())
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) { return "x:1", nil },
		unlock: func() error {
			cancel(stop)
			return stop
		},
	}
	_, _, derr, jerr := r.run()
	if derr == nil || jerr == nil || ctx.Err() == nil {
		t.Fatal("the transfer did not fail")
	}
	noKeystones(t, r.joiner)
	patch(t, r.joiner, "shop/items.ibd", 12345, []byte{1, 2, 3}) // disks lie, too
	r.lock = nil
	r.mustRun()
	if p := r.progress[0].Snapshot(); p.Sent > 64<<10 {
		t.Errorf("%d bytes sent though nearly all was there", p.Sent)
	}
}

func TestCancelledDonorNamesItsCause(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	r.donorCtx = ctx
	r.lock = lockFunc{
		lock: func(c context.Context) (string, error) {
			cancel(Fail(CodeServer, errors.New("the server is gone")))
			<-c.Done()
			return "", c.Err()
		},
		unlock: func() error { return nil },
	}
	_, _, derr, jerr := r.run()
	if CodeOf(derr) != CodeServer || CodeOf(jerr) != CodeServer || !strings.Contains(jerr.Error(), "the server is gone") {
		t.Errorf("donor: %v; joiner: %v", derr, jerr)
	}
	noKeystones(t, r.joiner)
}
