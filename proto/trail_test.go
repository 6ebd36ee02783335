package proto

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/engine/tree"
)

// unlogged changes a page in the file with a new LSN, and without a word in the log.
func (s *fakeServer) unlogged(name string, no int64) {
	s.t.Helper()
	log, lsn := len(s.log), s.lsn
	s.change(name, no)
	id := pageID{name, no}
	body := s.dirty[id].body
	s.log, s.lsn = s.log[:log], lsn
	delete(s.dirty, id)
	binary.BigEndian.PutUint64(body[16:], lsn)
	seal(body)
	patch(s.t, s.dir, name, no*s.size, body)
}

// imported writes a page as an import does: without a word in the log, and with 0 for an LSN (seen with 10.11.19).
func (s *fakeServer) imported(name string, no int64) {
	s.t.Helper()
	s.unlogged(name, no)
	patch(s.t, s.dir, name, no*s.size+16, make([]byte, 8))
}

// scrub writes zeroes over a page as a server does that has freed it long ago.
func (s *fakeServer) scrub(name string, no int64) {
	s.t.Helper()
	patch(s.t, s.dir, name, no*s.size, make([]byte, s.size))
}

// lap writes more log than its file holds.
func (s *fakeServer) lap() {
	for end := s.lsn + fakeCapacity + 1; s.lsn < end; {
		s.change("shop/b.ibd", s.rng.Int64N(100))
		s.flush(1)
	}
	s.checkpoint()
}

// TestTrailFailure has what the redo log does not tell of: the lock must not be asked for more often than due, and the
// copy be exact.
func TestTrailFailure(t *testing.T) {
	heavy(t)
	const name = "shop/cold.ibd"
	for _, c := range []struct {
		name    string
		live    func(*fakeServer)      // after the second live pass
		lock    func(*fakeServer, int) // before the lock is granted for the n-th time
		after   func(*fakeServer)      // after each window
		windows int
		says    string
	}{
		{name: "nothing", windows: 1},
		{name: "log written over", live: func(s *fakeServer) { s.change(name, 40); s.flush(1); s.lap() }, windows: 1},
		{name: "log written over before the lock", lock: func(s *fakeServer, _ int) { s.change(name, 40); s.flush(1); s.lap() }, windows: 1},
		{name: "log that makes no sense", live: func(s *fakeServer) {
			s.mini(0x30, []byte{0xff}, 10) // no number
			s.change(name, 40)
		}, windows: 1, says: "the redo log does not tell"},
		{name: "written without log", lock: func(s *fakeServer, n int) {
			// The first time it is found after the lock, the second time by its header.
			s.unlogged(name, 70*int64(n))
		}, windows: 2, says: "asking for the lock again"},
		{name: "undo log written without log", lock: func(s *fakeServer, n int) { s.unlogged("undo001", 70*int64(n)) }, windows: 1},
		{name: "scrubbed without log", lock: func(s *fakeServer, n int) { s.scrub(name, 70*int64(n)) }, windows: 2, says: "asking for the lock again"},
		{name: "scrubbed without log in a table that goes on", lock: func(s *fakeServer, n int) { s.scrub(name, 70*int64(n)) },
			after: func(s *fakeServer) { s.change(name, 50); s.flush(1) }, windows: 2, says: "asking for the lock again"},
	} {
		for _, size := range []int64{fakePageSize, 4096} {
			t.Run(fmt.Sprintf("%s/page=%d", c.name, size), func(t *testing.T) {
				r, s := liveRigOf(t, 61, size)
				said, locks, atLock := "", 0, ""
				live := afterLive(func(n int) {
					if locks > 0 {
						return
					}
					s.change("shop/a.ibd", 20+int64(n))
					s.flush(1)
					if n == 2 && c.live != nil {
						c.live(s)
						s.write()
					}
				})
				r.tweakDonor = func(c *DonorConfig) {
					c.Passes, c.PageLSN, c.LockTarget = 4, true, 1
					c.Note = func(format string, args ...any) {
						said += fmt.Sprintf(format, args...) + "\n"
						live(format, args...)
					}
				}
				r.lock = lockFunc{
					lock: func(context.Context) (string, error) {
						if locks++; c.lock != nil {
							c.lock(s, locks)
						}
						// Another page of the file, so that its stamps tell that something has changed.
						s.change(name, 30)
						s.flush(1)
						s.checkpoint()
						atLock = listing(t, r.donor)
						return "at:1", nil
					},
					unlock: func() error {
						if c.after != nil {
							c.after(s)
						}
						return nil
					},
				}
				if _, _, derr, jerr := r.run(); derr != nil || jerr != nil {
					t.Fatalf("donor: %v; joiner: %v", derr, jerr)
				}
				if got := listing(t, r.joiner); got != atLock {
					t.Errorf("the copy is not the locked state:\n%s\n%s", onlyIn(atLock, got), onlyIn(got, atLock))
				}
				if locks != c.windows || !strings.Contains(said, c.says) {
					t.Errorf("%d lock windows, want %d, and %q in\n%s", locks, c.windows, c.says, said)
				}
			})
		}
	}
}

// TestAnotherLog: the server has put another log in the place of the one that is followed (it was resized). What the new one says where the old one
// ended is not about the LSNs that were due there.
func TestAnotherLog(t *testing.T) {
	dir := t.TempDir()
	s := newFakeServer(t, dir, 65, fakePageSize)
	dirs, err := tree.Open(tree.Layout{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer dirs.Close()
	d := &donor{c: DonorConfig{Dirs: dirs, Note: t.Logf}, s: &session{ctx: t.Context()}, lastLSN: 1}
	x := &d.follower
	began := s.lsn
	s.change("shop/a.ibd", 20)
	s.write()
	d.catchUp(began)
	if !x.sound || x.trail.From() != began || x.trail.End() != s.lsn {
		t.Fatalf("no trail from %d to %d: %+v", began, s.lsn, x.trail)
	}
	if n := d.aside.Load(); n == 0 {
		t.Error("who waits for the log sees no movement")
	}
	follow := func() {
		t.Helper()
		s.change("shop/a.ibd", 21)
		s.write()
		if err := d.follow(0, false); err != nil {
			t.Fatal(err)
		}
	}
	if follow(); x.trail == nil || x.trail.End() != s.lsn {
		t.Fatalf("the trail does not go on to %d: %+v", s.lsn, x.trail)
	}
	log, err := os.ReadFile(filepath.Join(dir, "ib_logfile0"))
	if err != nil {
		t.Fatal(err)
	}
	remove(t, dir, "ib_logfile0")
	write(t, dir, "ib_logfile0", log)
	if follow(); x.trail != nil || x.sound {
		t.Error("the trail goes on in another file")
	}
}

// exactly runs a transfer, and compares the joiner's copy with what atLock holds by then and the number of windows, which it returns, with the given one, if that is not 0.
func exactly(t *testing.T, r *rig, atLock *string, windows int) (took int) {
	t.Helper()
	sent, _, derr, jerr := r.run()
	if derr != nil || jerr != nil {
		t.Fatalf("donor: %v; joiner: %v", derr, jerr)
	}
	if got := listing(t, r.joiner); got != *atLock {
		t.Errorf("the copy is not the locked state:\n%s\n%s", onlyIn(*atLock, got), onlyIn(got, *atLock))
	}
	if windows > 0 && sent.Locks != windows {
		t.Errorf("%d lock windows, want %d", sent.Locks, windows)
	}
	return sent.Locks
}

// TestScrubbedAfterLock: a page that is scrubbed after the lock, long after it was freed, and one that was before it, look alike to
// who finds them different from the joiner's. That takes another window, and no third.
func TestScrubbedAfterLock(t *testing.T) {
	r, s := liveRig(t, 62)
	scrubbed, atLock := false, ""
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			s.change("shop/cold.ibd", 30)
			s.flush(1)
			s.checkpoint()
			atLock = listing(t, r.donor)
			return "at:1", nil
		},
		unlock: func() error {
			if !scrubbed {
				s.scrub("shop/cold.ibd", 40)
			}
			scrubbed = true
			return nil
		},
	}
	exactly(t, r, &atLock, 2)
}

// TestLeakIsNamed: a server that is said to be locked writes a page, which the log names, and writes it again when it was released, so that
// the check cannot tell any more what was there. The rounds under the lock must have found it.
func TestLeakIsNamed(t *testing.T) {
	r, s := liveRig(t, 63)
	atLock, leaked := "", false
	testOnlyBeforeRound = func() {
		if !leaked {
			s.change("shop/a.ibd", 33)
			s.flush(1)
		}
		leaked = true
	}
	defer func() { testOnlyBeforeRound = func() {} }()
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error {
			atLock = listing(t, r.donor)
			s.change("shop/a.ibd", 33)
			s.flush(1)
			return nil
		},
	}
	exactly(t, r, &atLock, 1)
}

// TestImport: a tablespace is imported between two passes, which writes all its pages without a word in the log, and all of them are
// changed again as soon as the server is released. Its file was there before the transfer and had another number, or the same, or it came later.
func TestImport(t *testing.T) {
	heavy(t)
	for _, c := range []struct {
		name          string
		before, other bool
		sameFirst     bool                      // but for page 0 the first pages are as they were
		after         func(*fakeServer, string) // what the table is used for at once
	}{
		{name: "there before", before: true},
		{name: "there before and the same", before: true, sameFirst: true},
		{name: "there before and used at once", before: true, after: func(s *fakeServer, name string) { s.change(name, 0); s.flush(1) }},
		{name: "there before and used in memory", before: true, after: func(s *fakeServer, name string) {
			for page := range int64(firstPages) {
				s.change(name, page)
			}
			s.write()
		}},
		{name: "there before with another number", before: true, other: true},
		{name: "came later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, s := liveRig(t, 64)
			const name = "shop/cold.ibd"
			atLock := ""
			if c.other {
				s.space[name]++
			}
			r.tweakDonor = func(d *DonorConfig) {
				d.Passes, d.PageLSN, d.LockTarget = 4, true, 1
				d.Note = afterLive(func(n int) {
					if atLock != "" {
						return
					}
					s.change("shop/a.ibd", 20+int64(n))
					s.flush(1)
					switch n {
					case 1:
						if !c.before { // and with the table's number, as one that is brought back
							remove(t, r.donor, name)
							s.create(name, 200)
							s.checkpoint()
						}
					case 2:
						s.checkpoint()
						for i := range int64(150) {
							if i == 0 || i >= firstPages || !c.sameFirst {
								s.imported(name, i)
							}
						}
						if c.after != nil {
							c.after(s, name)
						}
					}
				})
			}
			r.lock = lockFunc{
				lock: func(context.Context) (string, error) {
					s.flush(1)
					s.checkpoint()
					atLock = listing(t, r.donor)
					return "at:1", nil
				},
				unlock: func() error {
					for i := range int64(150) {
						s.change(name, i)
					}
					s.flush(1)
					return nil
				},
			}
			exactly(t, r, &atLock, 1)
		})
	}
}

// TestEmptyBesideChanged: pages smaller than a leaf, of which one was empty all the time and another changes after the lock. What has changed by then
// must not be taken for what was missed, which would take another window.
func TestEmptyBesideChanged(t *testing.T) {
	r, s := liveRigOf(t, 66, 4096)
	const name = "shop/cold.ibd"
	s.scrub(name, 40)
	atLock := ""
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			s.change(name, 30) // so that its stamps tell that something has changed
			s.flush(1)
			s.checkpoint()
			atLock = listing(t, r.donor)
			return "at:1", nil
		},
		unlock: func() error {
			s.change(name, 42)
			s.flush(1)
			return nil
		},
	}
	exactly(t, r, &atLock, 1)
}
