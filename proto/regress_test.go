package proto

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each test here is a way in which a copy once differed from the locked state, or a
// transfer failed that need not have.

// quietLock is the lock of a server at rest.
func quietLock(s *fakeServer) lockFunc {
	return lockFunc{
		lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
}

// afterLive calls f after the n-th live pass (1, 2, ...). It forces as many passes as needed by never converging.
func afterLive(f func(n int)) func(string, ...any) {
	n := 0
	return func(format string, a ...any) {
		if strings.Contains(format, "%s pass %d") {
			n++
			f(n)
		}
	}
}

// TestRenamedAwayAndBack: the joiner has removed what was gone, so a name that comes
// back must travel again, whatever is remembered of the same file.
func TestRenamedAwayAndBack(t *testing.T) {
	r, s := liveRig(t, 11)
	write(t, r.donor, "shop/t.frm2", random(200000, 4)) // any file of class Table
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 4, true, time.Nanosecond
		c.Note = afterLive(func(n int) {
			from, to := "shop/t.frm2", "shop/u.frm2"
			switch n {
			case 1:
			case 2:
				from, to = to, from
			default:
				return
			}
			s.change("shop/a.ibd", 33)
			s.flush(1)
			if err := os.Rename(filepath.Join(r.donor, from), filepath.Join(r.donor, to)); err != nil {
				t.Error(err)
			}
		})
	}
	r.lock = quietLock(s)
	r.mustRun()
}

// TestLockedClassAfterOverrun: files that only travel under the lock are gone for the
// live pass after a window that was given back.
func TestLockedClassAfterOverrun(t *testing.T) {
	r, s := liveRig(t, 12)
	write(t, r.donor, "shop/#sql-ib77.MYD", random(200000, 4))
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.LockMax = 2, true, 300*time.Millisecond }
	windows := 0
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { windows++; s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	testOnlyBeforeRound = func() {
		if windows == 1 {
			time.Sleep(400 * time.Millisecond)
		}
	}
	defer func() { testOnlyBeforeRound = func() {} }()
	sent, _ := r.mustRun()
	if windows < 2 {
		t.Error("no overrun")
	}
	// The joiner has kept what the first window brought, so the second sends nothing of it.
	locked := 0
	for _, p := range sent.Passes {
		if p.Kind != "locked" {
			continue
		}
		if locked++; locked > 1 && p.Sent >= 200000 {
			t.Errorf("pass %d sent %d bytes, the file that only travels under the lock once more", p.Number, p.Sent)
		}
	}
}

// TestShrinkAndRegrow: the joiner has cut the file, so equal bytes must travel again.
func TestShrinkAndRegrow(t *testing.T) {
	r, s := liveRig(t, 13)
	whole := random(900000, 5)
	write(t, r.donor, "shop/k.MYI", whole)
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 4, true, time.Nanosecond
		c.Note = afterLive(func(n int) {
			f := filepath.Join(r.donor, "shop/k.MYI")
			switch n {
			case 1:
				os.Truncate(f, 1024)
			case 2:
				patch(t, r.donor, "shop/k.MYI", 1024, whole[1024:])
			}
		})
	}
	r.lock = quietLock(s)
	r.mustRun()
}

// TestLogTable: a log table is cut at its size under the lock, not at the first look
// (R-COPY-8).
func TestLogTable(t *testing.T) {
	r, s := liveRig(t, 14)
	write(t, r.donor, "mysql/general_log.MYD", random(100000, 5))
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 3, true, time.Nanosecond
		c.Note = afterLive(func(n int) {
			if n == 1 { // long before the lock
				f, _ := os.OpenFile(filepath.Join(r.donor, "mysql/general_log.MYD"), os.O_APPEND|os.O_WRONLY, 0)
				f.Write(random(50000, 6))
				f.Close()
			}
		})
	}
	r.lock = quietLock(s)
	r.mustRun()
}

// TestHalfFrm: a definition that is just being written must not end a live pass.
func TestHalfFrm(t *testing.T) {
	r, s := liveRig(t, 15)
	frm, err := os.ReadFile("../engine/tree/testdata/frm/t_innodb.frm")
	if err != nil {
		t.Fatal(err)
	}
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 3, true, time.Nanosecond
		c.Note = afterLive(func(n int) {
			if n == 1 {
				write(t, r.donor, "shop/t.frm", nil) // CREATE TABLE between create() and write()
			} else {
				write(t, r.donor, "shop/t.frm", frm)
			}
		})
	}
	r.lock = quietLock(s)
	r.mustRun()
}

// TestLogIndexMovesUnderLock: log tables are written past the lock (R-COPY-8).
func TestLogIndexMovesUnderLock(t *testing.T) {
	r, s := liveRig(t, 41)
	write(t, r.donor, "mysql/slow_log.MYI", random(4096, 5))
	r.lock = quietLock(s)
	n := byte(0)
	testOnlyBeforeRound = func() { n++; patch(t, r.donor, "mysql/slow_log.MYI", 40, []byte{n}) }
	defer func() { testOnlyBeforeRound = func() {} }()
	_, _, derr, _ := r.run()
	if derr != nil {
		t.Fatal(derr)
	}
}

// TestCloneOfPurgedFile: Aria's checkpoint thread purges a log under the lock (consistency 1.4): where the
// file system can clone, the log had been cloned before.
func TestCloneOfPurgedFile(t *testing.T) {
	r, s := liveRig(t, 31)
	write(t, r.donor, "aria_log.00000002", random(200000, 3))
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			s.flush(1)
			s.checkpoint()
			patch(t, r.donor, "aria_log.00000002", 100, []byte("tail"))
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	n := 0
	testOnlyBeforeRound = func() {
		if n++; n == 1 {
			os.Remove(filepath.Join(r.donor, "aria_log.00000002"))
		}
	}
	defer func() { testOnlyBeforeRound = func() {} }()
	r.mustRun()
}
