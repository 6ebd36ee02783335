package proto

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWrongSkipIsFound, the other half of T-9, changes a page behind the back of the search: no new LSN. The
// check after the lock must see it and ask for the lock again.
func TestWrongSkipIsFound(t *testing.T) {
	r, s := liveRig(t, 1)
	done := false
	told := ""
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, args ...any) {
			if strings.Contains(format, "%s pass %d") && !done {
				done = true
				patch(t, r.donor, "shop/cold.ibd", 50*fakePageSize+3000, []byte("no LSN tells of this"))
			}
			if strings.Contains(format, "differs from the joiner's copy") {
				told = fmt.Sprintf(format, args...)
			}
		}
	}
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	sent, _ := r.mustRun()
	if !done || sent.Locks != 2 {
		t.Errorf("%d lock windows, two were due", sent.Locks)
	}
	if !circumstances.MatchString(told) {
		t.Errorf("the log does not tell under what circumstances: %q", told)
	}
}

var circumstances = regexp.MustCompile(`cold\.ibd at \d+ differs .*: page LSN \d+, checkpoint of the lock \d+, its file was looked through at checkpoint \d+$`)

// TestRenamedAfterTheLockIsCompared: a file that was wrongly skipped and has had another name since the lock is found all the same, and one
// that was dropped, whose inode may be another's by now, is nobody's business.
func TestRenamedAfterTheLockIsCompared(t *testing.T) {
	r, s := liveRig(t, 1)
	for _, name := range []string{"shop/gone.ibd", "shop/old.ibd"} {
		s.create(name, 64)
	}
	done, told := false, ""
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, args ...any) {
			if strings.Contains(format, "%s pass %d") && !done {
				done = true
				for _, name := range []string{"shop/gone.ibd", "shop/old.ibd"} {
					patch(t, r.donor, name, 50*fakePageSize+3000, []byte("no LSN tells of this"))
				}
			}
			if strings.Contains(format, "differs from the joiner's copy") {
				told += fmt.Sprintf(format, args...)
			}
		}
	}
	at := func(name string) string { return filepath.Join(r.donor, name) }
	released := 0
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error {
			if released++; released > 1 {
				return nil
			}
			return errors.Join(os.Remove(at("shop/gone.ibd")), os.Rename(at("shop/old.ibd"), at("shop/new.ibd")))
		},
	}
	sent, _ := r.mustRun()
	if !done || sent.Locks != 2 || !strings.Contains(told, "shop/old.ibd at") || strings.Contains(told, "gone.ibd") {
		t.Errorf("%d lock windows, two were due; %s", sent.Locks, told)
	}
}

// TestNamesChangeAfterTheLock has tables change their names with each other, again and again, while the copy is compared: a partition that
// is exchanged for a table. Neither file is written to, so their pages look as old as those of the lock; what differs is
// whose they are. The copy is that of the lock, and nobody may ask for another.
func TestNamesChangeAfterTheLock(t *testing.T) {
	r, s := liveRig(t, 5)
	const pairs = 12
	pair := func(i int) (a, b string) {
		return fmt.Sprintf("shop/t%d#P#p1.ibd", i), fmt.Sprintf("shop/t%d_q.ibd", i)
	}
	for i := range pairs {
		a, b := pair(i)
		s.create(a, 8)
		s.create(b, 8)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	rest := sync.OnceFunc(func() { close(stop); wg.Wait() })
	atLock := ""
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			if atLock != "" {
				rest() // a second window, which nothing may move in
			}
			s.flush(1)
			s.checkpoint()
			atLock = listing(t, r.donor)
			return "at:1", nil
		},
		unlock: func() error {
			wg.Go(func() {
				for {
					for i := range pairs {
						select {
						case <-stop:
							return
						case <-time.After(100 * time.Microsecond):
						}
						a, b := pair(i)
						if err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(r.donor, a), unix.AT_FDCWD, filepath.Join(r.donor, b), unix.RENAME_EXCHANGE); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
			return nil
		},
	}
	sent, _, derr, jerr := r.run()
	rest()
	if derr != nil || jerr != nil {
		t.Fatalf("donor: %v; joiner: %v", derr, jerr)
	}
	if sent.Locks != 1 {
		t.Errorf("%d lock windows, one was due", sent.Locks)
	}
	if got := listing(t, r.joiner); got != atLock {
		t.Errorf("the copy is not the locked state:\n--- locked\n%s\n--- joiner\n%s", onlyIn(atLock, got), onlyIn(got, atLock))
	}
}

// TestEmptyPageThatIsNotEmpty fills a page that was never written, without an LSN, in a file that the server goes on writing after
// the lock. The page has no LSN to tell that it is old; that zeroes were sent for it does.
func TestEmptyPageThatIsNotEmpty(t *testing.T) {
	r, s := liveRig(t, 3)
	const name, no = "shop/cold.ibd", 180
	done, released := false, 0
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		c.Note = func(format string, _ ...any) {
			if strings.Contains(format, "%s pass %d") && !done {
				done = true
				patch(t, r.donor, name, no*fakePageSize+77, []byte("no LSN tells of this"))
			}
		}
	}
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error {
			if released++; released == 1 {
				s.change(name, 10)
				s.flush(1)
			}
			return nil
		},
	}
	sent, _ := r.mustRun()
	if !done || sent.Locks != 2 {
		t.Errorf("%d lock windows, two were due", sent.Locks)
	}
}

// TestNotedGroupsAreNotReadBack: what the joiner wrote group by group it need not read for the comparison after the lock, and with
// verify=full it reads everything, so that damage to its own copy is found and mended.
func TestNotedGroupsAreNotReadBack(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full=%v", full), func(t *testing.T) {
			r, s := liveRig(t, 8)
			r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.VerifyAll = 2, true, full }
			r.lock = lockFunc{
				lock: func(context.Context) (string, error) {
					s.flush(1)
					s.checkpoint()
					if full {
						patch(t, r.joiner, "shop/cold.ibd", 50*fakePageSize+3000, []byte("not from the donor"))
					}
					return "at:1", nil
				},
				unlock: func() error { return nil },
			}
			sent, got := r.mustRun()
			read := func(s Summary) (n int64) {
				for _, p := range s.Passes {
					if p.Kind == "verify" {
						n += p.Read
					}
				}
				return n
			}
			st, err := os.Stat(filepath.Join(r.donor, "shop/cold.ibd"))
			if err != nil {
				t.Fatal(err)
			}
			if read(sent) < st.Size() || full != (read(got) >= st.Size()) {
				t.Errorf("the donor read %d bytes after the lock, the joiner %d; one table has %d", read(sent), read(got), st.Size())
			}
		})
	}
}
