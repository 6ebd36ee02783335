package proto

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// The counterexamples to "unchanged stat, unchanged bytes" (consistency 2.2): each is a write that no time stamp tells of, made with
// a store through a mapping whose page is dirty already. To the donor that is the same as a write call that was stamped long before
// its bytes arrived.

// mapping is a file of the donor's that somebody has mapped.
type mapping struct {
	t    *testing.T
	name string
	m    []byte
}

// mapped maps the file and makes all of its pages dirty, so that the stamps of that are the last ones.
func mapped(t *testing.T, dir, name string) *mapping {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	for i := 0; i < len(m); i += 4096 {
		p := &m[i]
		*p++
		*p--
	}
	return &mapping{t: t, name: filepath.Join(dir, name), m: m}
}

// store changes bytes. It reports whether no time stamp moved: the kernel may have written the page back in between, and stamps anew
// after that.
func (m *mapping) store(off int, b []byte) bool {
	m.t.Helper()
	before := m.stamp()
	copy(m.m[off:], b)
	return before == m.stamp()
}

func (m *mapping) stamp() unix.Timespec {
	m.t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(m.name, &st); err != nil {
		m.t.Fatal(err)
	}
	return st.Ctim
}

// granularity is the margin that knows of the clock's steps only: g of consistency 2.3, twice.
const granularity = 20 * time.Millisecond

// margin sets inFlight for the rest of the test.
func margin(t *testing.T, d time.Duration) {
	old := inFlight
	inFlight = d
	t.Cleanup(func() { inFlight = old })
}

// late runs a transfer in which the file's bytes change after the last live pass without a stamp, and longer after its last stamp
// than granularity. It says whether the joiner has the new bytes.
func late(t *testing.T, r *rig, s *fakeServer, name string, atLock ...func()) bool {
	t.Helper()
	write(t, r.donor, name, random(2<<20, 7))
	m := mapped(t, r.donor, name)
	last := m.stamp()
	stamped := time.Unix(last.Unix())
	silent := false
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 2, true
		// A pass may not begin before the stamp is older than the margin.
		for time.Since(stamped) < 3*granularity {
			time.Sleep(granularity)
		}
	}
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			for _, f := range atLock {
				f()
			}
			silent = m.store(1<<20, []byte("these bytes were under way"))
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	_, _, derr, jerr := r.run()
	if derr != nil || jerr != nil {
		t.Fatalf("donor: %v; joiner: %v", derr, jerr)
	}
	if !silent {
		t.Skip("the kernel wrote the page back in the meantime and stamped the store")
	}
	return listing(t, r.donor) == listing(t, r.joiner)
}

// needTrusted skips where the skip rule is never used: on a file system whose stamps prove nothing every file is read again.
func needTrusted(t *testing.T, dir string) {
	t.Helper()
	dirs, err := tree.Open(tree.Layout{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer dirs.Close()
	tr, err := dirs.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if fs := tr.FS[tree.RoleData]; !fs.Trusted {
		t.Skipf("the temporary directory is on %s, where no file is ever skipped by its stamps", fs.Name)
	}
}

// TestStampBeforeBytes is T-5, the first counterexample: a margin of the clock's granularity loses the bytes that were under way, the
// real one does not.
func TestStampBeforeBytes(t *testing.T) {
	heavy(t)
	t.Run("margin of the granularity", func(t *testing.T) {
		margin(t, granularity)
		r, s := liveRig(t, 21)
		needTrusted(t, r.donor)
		if late(t, r, s, "shop/late.MAD") {
			t.Error("the joiner has the bytes: this test shows nothing")
		}
	})
	t.Run("real margin", func(t *testing.T) {
		r, s := liveRig(t, 21)
		if !late(t, r, s, "shop/late.MAD") {
			t.Error("bytes that were under way when the file was read are missing")
		}
	})
}

// TestMappedStores is T-6: what a server maps is read again under the lock whatever the stamps say, and on tmpfs everything is, where
// a mapped page is stamped once for ever. The small margin proves that it is not the margin that helps.
func TestMappedStores(t *testing.T) {
	heavy(t)
	const shm = "/dev/shm"
	for _, c := range []struct{ where, dir, file string }{
		{"temporary directory", "", "shop/mapped.MYD"},
		{"tmpfs", shm, "shop/mapped.MYD"},
		{"tmpfs", shm, "shop/mapped.MAD"},
	} {
		t.Run(c.where+" "+filepath.Ext(c.file), func(t *testing.T) {
			margin(t, granularity)
			if c.dir != "" {
				if _, err := os.Stat(c.dir); err != nil {
					t.Skipf("this machine has no %s: %v", c.dir, err)
				}
				t.Setenv("TMPDIR", c.dir)
			}
			r, s := liveRig(t, 22)
			r.mmap = true
			if !late(t, r, s, c.file) {
				t.Error("a store through a mapping is missing")
			}
		})
	}
}

// stepping returns what steps the wall clock, for the rest of the test.
func stepping(t *testing.T, step time.Duration) func() {
	var stepped time.Time
	t.Cleanup(func() { wallOf = time.Time.UnixNano })
	wallOf = func(at time.Time) int64 {
		if !stepped.IsZero() && at.After(stepped) {
			at = at.Add(step)
		}
		return at.UnixNano()
	}
	return func() { stepped = time.Now() }
}

// TestClockSteps is T-7: when the wall clock was stepped during the transfer, either way, stamps prove nothing any more (R-COPY-10).
// Without a step the same transfer loses the bytes, as TestStampBeforeBytes shows.
func TestClockSteps(t *testing.T) {
	heavy(t)
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			margin(t, granularity)
			r, s := liveRig(t, 23)
			if !late(t, r, s, "shop/late.MAD", stepping(t, step)) {
				t.Error("a file was skipped by its stamps after the clock had been stepped")
			}
		})
	}
}

// TestTornPage is T-8: a live pass reads a page whose first sectors are new and whose rest is old; the page that is there in the end
// has exactly the header that was read. The rest arrives without another stamp. The redo log names the page, whatever the times say;
// where it does not tell, as of the system tablespace, the margin finds it under the lock, or a clock that was stepped does. It must be found there: the
// check after the lock finds it too, and takes a second window, but not where the page has changed once more by then.
func TestTornPage(t *testing.T) {
	heavy(t)
	const never = -time.Hour
	for _, c := range []struct {
		name, file string
		margin     time.Duration
		step       time.Duration
		again      bool // the page changes after the lock
		windows    int
	}{
		{"by the log", "shop/a.ibd", never, 0, true, 1},
		{"real margin", "ibdata1", inFlight, 0, true, 1},
		{"clock stepped", "ibdata1", never, time.Second, true, 1},
		{"by the check", "ibdata1", never, 0, false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			margin(t, c.margin)
			step := func() {}
			if c.step != 0 {
				step = stepping(t, c.step)
			}
			tornPage(t, c.file, c.windows, step, c.again)
		})
	}
}

func tornPage(t *testing.T, name string, windows int, beforeLock func(), again bool) {
	r, s := liveRig(t, 24)
	const no = 33
	const at = no * fakePageSize
	m := mapped(t, r.donor, name)
	var page []byte
	silent := true
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 3, true, time.Nanosecond
		c.Note = afterLive(func(n int) {
			switch n {
			case 1:
				s.change(name, no)
				s.write()
				page = s.dirty[pageID{name, no}].body
				patch(t, r.donor, name, at, page[:4096])
			case 2:
				if string(m.m[at+4096:at+fakePageSize]) == string(page[4096:]) {
					t.Error("the page was not torn")
				}
				silent = m.store(at+4096, page[4096:])
				delete(s.dirty, pageID{name, no})
			}
		})
	}
	atLock := ""
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			beforeLock()
			s.flush(1)
			s.checkpoint()
			atLock = listing(t, r.donor)
			return "at:1", nil
		},
		unlock: func() error {
			if again {
				s.change(name, no)
				s.flush(1)
			}
			return nil
		},
	}
	took := exactly(t, r, &atLock, 0)
	if !silent {
		t.Skip("the kernel wrote the page back in the meantime and stamped the store")
	}
	if took != windows {
		t.Errorf("%d lock windows, want %d", took, windows)
	}
	if page == nil {
		t.Fatal("no page was torn")
	}
}

// TestFrozenWriteLands: a server that freezes its writes instead of flushing has one under way, without doublewrite, which comes into a file that
// has been read under the lock, without another stamp. The file is read twice.
func TestFrozenWriteLands(t *testing.T) {
	heavy(t)
	for _, passes := range []int{0, 2} {
		t.Run(fmt.Sprintf("passes=%d", passes), func(t *testing.T) {
			r, _ := liveRig(t, 25)
			r.tweakDonor = func(c *DonorConfig) { c.Passes = passes }
			m := mapped(t, r.donor, "shop/a.ibd")
			atLock, landed, silent := "", false, true
			land := func() {
				if !landed {
					silent = m.store(60*fakePageSize+4096, []byte("these bytes were under way"))
				}
				landed = true
			}
			testOnlyBeforeRound = land
			defer func() { testOnlyBeforeRound = func() {} }()
			r.lock = lockFunc{
				lock:   func(context.Context) (string, error) { return "at:1", nil },
				unlock: func() error { atLock = listing(t, r.donor); return nil },
			}
			exactly(t, r, &atLock, 1)
			if !landed || !silent {
				t.Skip("the kernel wrote the page back in the meantime and stamped the store")
			}
		})
	}
}

// TestNamesChangePlaces is T-10: files of one size and one mtime swap their names, and one is dropped and made again at once, which on
// most file systems gives it the same inode number.
func TestNamesChangePlaces(t *testing.T) {
	heavy(t)
	for _, when := range []string{"between passes", "before the lock"} {
		t.Run(when, func(t *testing.T) {
			margin(t, granularity)
			r, s := liveRig(t, 25)
			stamp := time.Now().Add(-time.Hour)
			put := func(name string, seed byte) {
				write(t, r.donor, name, random(2<<20, seed))
				if err := os.Chtimes(filepath.Join(r.donor, name), stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			put("shop/x.MAD", 1)
			put("shop/y.MAD", 2)
			put("shop/z.MAD", 3)
			change := func() {
				for _, mv := range [][2]string{{"x", "w"}, {"y", "x"}, {"w", "y"}} {
					if err := os.Rename(filepath.Join(r.donor, "shop", mv[0]+".MAD"), filepath.Join(r.donor, "shop", mv[1]+".MAD")); err != nil {
						t.Error(err)
					}
				}
				remove(t, r.donor, "shop/z.MAD")
				put("shop/z.MAD", 4)
			}
			done := false
			r.tweakDonor = func(c *DonorConfig) {
				c.Passes, c.PageLSN, c.LockTarget = 3, true, time.Nanosecond
				c.Note = afterLive(func(n int) {
					if n == 1 && when == "between passes" {
						change()
						done = true
					}
				})
			}
			r.lock = lockFunc{
				lock: func(context.Context) (string, error) {
					if !done {
						change()
					}
					s.flush(1)
					s.checkpoint()
					return "at:1", nil
				},
				unlock: func() error { return nil },
			}
			r.mustRun()
		})
	}
}

// TestLastPassLoses is T-11: after the last live pass a database is dropped, a table too, one is truncated (a new file of the same
// name), and an undo tablespace shrinks.
func TestLastPassLoses(t *testing.T) {
	r, s := liveRig(t, 26)
	write(t, r.donor, "gone/db.opt", random(60, 1))
	write(t, r.donor, "gone/t.ibd", random(300000, 2))
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			remove(t, r.donor, "gone")
			remove(t, r.donor, "shop/b.ibd")
			remove(t, r.donor, "shop/a.ibd")
			s.dirty = map[pageID]*fakePage{}
			s.create("shop/a.ibd", 7)
			if err := os.Truncate(filepath.Join(r.donor, "undo001"), 50*fakePageSize); err != nil {
				t.Error(err)
			}
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	r.mustRun()
}
