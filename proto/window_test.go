package proto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// locked makes the lock of a server that has worked since the last pass, and keeps what the datadir was then.
func (s *fakeServer) locked(r *rig, state *string, unlock func() error) lockFunc {
	return lockFunc{
		lock: func(context.Context) (string, error) {
			s.work(40)
			s.flush(1)
			s.checkpoint()
			*state = listing(r.t, r.donor)
			return "at:1", nil
		},
		unlock: unlock,
	}
}

// TestNothingIsReadAfterTheLock is T-35, sharper than a trace of system calls: the moment the lock is given back, every file of the
// donor is overwritten. What the joiner gets must be the state of the lock all the same, so nothing of it can have been read after
// "continue", but from the spool or from clones (R-LOCK-5).
func TestNothingIsReadAfterTheLock(t *testing.T) {
	heavy(t)
	for _, byLSN := range []bool{true, false} {
		r, s := liveRig(t, 51)
		atLock := ""
		r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN = 2, byLSN }
		r.lock = s.locked(r, &atLock, func() error { return vandalise(r.donor, byLSN) })
		_, _, derr, jerr := r.run()
		if derr != nil || jerr != nil {
			t.Fatalf("page LSNs %v: donor: %v; joiner: %v", byLSN, derr, jerr)
		}
		if got := listing(t, r.joiner); got != atLock {
			t.Errorf("page LSNs %v: the copy is not the locked state:\n--- locked\n%s\n--- joiner\n%s", byLSN, onlyIn(atLock, got), onlyIn(got, atLock))
		}
		if listing(t, r.donor) == atLock {
			t.Error("the donor was not changed: this test shows nothing")
		}
	}
}

// vandalise overwrites all files below a directory in place. With page LSNs the redo log is spared: what was skipped of it under the
// lock is compared after it with what was sent before, and no server writes over what its checkpoint still needs.
func vandalise(dir string, byLSN bool) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || byLSN && e.Name() == "ib_logfile0" {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(bytes.Repeat([]byte{0xfe}, int(info.Size())))
		return errors.Join(err, f.Close())
	})
}

// TestParanoidIsNormal is T-34: two transfers run from one donor at the same time and share its lock window, one of them hashing
// everything under the lock. Both copies must be that window's.
func TestParanoidIsNormal(t *testing.T) {
	r, s := liveRig(t, 52)
	second := &rig{t: t, donor: r.donor, joiner: t.TempDir()}
	var mu sync.Mutex
	asked, released := 0, 0
	both, free := make(chan struct{}), make(chan struct{})
	atLock := ""
	lock := lockFunc{
		lock: func(ctx context.Context) (string, error) {
			mu.Lock()
			if asked++; asked == 2 {
				s.work(40)
				s.flush(1)
				s.checkpoint()
				atLock = listing(t, r.donor)
				close(both)
			}
			mu.Unlock()
			select {
			case <-both:
				return "at:1", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		},
		unlock: func() error {
			mu.Lock()
			defer mu.Unlock()
			if released++; released == 2 {
				close(free)
			}
			return nil
		},
	}
	var wg sync.WaitGroup
	for i, x := range []*rig{r, second} {
		x.lock = lock
		x.tweakDonor = func(c *DonorConfig) {
			c.Passes, c.PageLSN, c.VerifyAll = 3, true, i == 1
			c.Note = afterLive(func(int) {
				mu.Lock()
				defer mu.Unlock()
				if asked == 0 {
					s.work(60)
				}
			})
		}
		wg.Go(func() {
			if _, _, derr, jerr := x.run(); derr != nil || jerr != nil {
				t.Errorf("transfer %d: donor: %v; joiner: %v", i, derr, jerr)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	<-free
	for i, x := range []*rig{r, second} {
		if got := listing(t, x.joiner); got != atLock {
			t.Errorf("transfer %d is not the locked state:\n--- locked\n%s\n--- joiner\n%s", i, onlyIn(atLock, got), onlyIn(got, atLock))
		}
	}
}

// TestCacheAfterLivePasses is T-31: what of the server's files was in memory before the live passes is there after them, and what was
// not has not come (R-LOAD-2). The tables were written a moment ago and are looked at again, where the log does not tell that nothing
// of the cold one was changed, by the header of each page.
func TestCacheAfterLivePasses(t *testing.T) {
	r, s := liveRig(t, 53)
	hot, cold := filepath.Join(r.donor, "shop/a.ibd"), filepath.Join(r.donor, "shop/cold.ibd")
	write(t, r.donor, "shop/cold.MYD", random(4<<20, 5))
	colder := filepath.Join(r.donor, "shop/cold.MYD")
	for _, name := range []string{hot, cold, colder} {
		dropCache(t, name)
	}
	if n := residentPages(t, cold); n > 0 {
		t.Skipf("the file system of the temporary directory keeps %d pages that were dropped (tmpfs)", n)
	}
	if _, err := os.ReadFile(hot); err != nil {
		t.Fatal(err)
	}
	before := residentPages(t, hot)
	r.tweakDonor = func(c *DonorConfig) { c.Passes, c.PageLSN, c.Gentle = 2, true, true }
	var after [3]int
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			for i, name := range []string{hot, cold, colder} {
				after[i] = residentPages(t, name)
			}
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	r.mustRun()
	t.Logf("resident pages: hot %d before, %d after; cold 0 before, %d and %d after", before, after[0], after[1], after[2])
	// The kernel takes a page back now and then, whatever we do.
	if before == 0 || after[0] < before*98/100 {
		t.Errorf("of %d pages in memory the live passes left %d", before, after[0])
	}
	// The pages of headers that were looked at one by one stay: four at a file's start, and what was under way at its end.
	const most = 32
	if after[1] > most || after[2] > most {
		t.Errorf("the live passes brought %d and %d pages into memory", after[1], after[2])
	}
}

func dropCache(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

// residentPages counts the pages of a file that are in the page cache.
func residentPages(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	return resident(t, m)
}

// resident counts the pages of memory, which begins with one, that are there.
func resident(t *testing.T, m []byte) (n int) {
	t.Helper()
	page := os.Getpagesize()
	vec := make([]byte, (len(m)+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&vec[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, v := range vec {
		n += int(v & 1)
	}
	return n
}

// TestOutageWhileAllIsCompared: the lock of verify=full is kept once the comparison has begun, so there too an outage that lasts too long
// ends the transfer, and with it the lock.
func TestOutageWhileAllIsCompared(t *testing.T) {
	impatient(t)
	r := newBrokenRig(t, 20*time.Second)
	r.donor = func(d *DonorConfig) {
		d.VerifyAll = true
		note := d.Note
		d.Note = func(format string, args ...any) {
			note(format, args...)
			if strings.Contains(format, "%s pass %d") && fmt.Sprint(args[0]) == "locked" {
				r.net.fall(true)
			}
		}
	}
	joiner := r.tweakJoiner
	r.tweakJoiner = func(j *JoinerConfig) { joiner(j); j.Reconnect = 700 * time.Millisecond }
	_, _, derr, _ := r.run()
	if CodeOf(derr) != CodeNetwork || !strings.Contains(fmt.Sprint(derr), "under the lock: connection lost") {
		t.Errorf("donor: %v", derr)
	}
}

// TestKindnessEndsWithTheLock looks at the priority of our disk access where it counts: behind everybody else's while the server works,
// the usual one while it is locked, and behind again for the comparison after that.
func TestKindnessEndsWithTheLock(t *testing.T) {
	r, s := liveRig(t, 54)
	behind := func() bool {
		const whoProcess, bestEffort, shift, last = 1, 2, 13, 7
		v, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, uintptr(unix.Gettid()), 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return v == bestEffort<<shift|last
	}
	if behind() {
		t.Skip("this process is behind everybody else from its start")
	}
	seen := map[string]bool{}
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.Gentle = 2, true, true
		c.Note = func(format string, args ...any) {
			if strings.HasPrefix(format, "%s pass %d") {
				seen[fmt.Sprint(args[0])] = behind()
			}
		}
	}
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { seen["under the lock"] = behind(); return nil },
	}
	r.mustRun()
	for what, want := range map[string]bool{"live": true, "under the lock": false, "verify": true} {
		if got, ok := seen[what]; !ok || got != want {
			t.Errorf("%s: behind everybody else %v (seen: %v), want %v", what, got, ok, want)
		}
	}
}
