package proto

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/bench/image" // XFS and btrfs through loop devices
)

// TestFileSystemsThatClone runs on XFS and btrfs what elsewhere reads under the lock: there every file to look at is cloned under it
// (consistency 2.7). The tests are those of the locked state, with names that come and go, windows that overrun, leaks, and the donor
// that is overwritten after the lock.
func TestFileSystemsThatClone(t *testing.T) {
	heavy(t)
	defer func(n uint64) { modelSeeds = n }(modelSeeds)
	modelSeeds = 1
	for _, kind := range image.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Setenv("TMPDIR", image.Mount(t, kind, 2<<30))
			t.Run("locked state", TestLiveIsTheLockedState)
			t.Run("churn", TestChurn)
			t.Run("leaks", TestLeaksUnderTheLock)
			t.Run("purged", TestCloneOfPurgedFile)
			t.Run("wrong skip", TestWrongSkipIsFound)
			t.Run("overwritten", TestNothingIsReadAfterTheLock)
			t.Run("size", lockCost)
			t.Run("pieces", cloneNotInPieces)
			t.Run("written back", cloneWaitsForNothing)
		})
	}
}

// readUnderLock has the rig locked, after a change, and returns where the bytes are counted that are read of its files meanwhile.
func (s *fakeServer) readUnderLock(r *rig, change func()) *int64 {
	atLock, cost := "", new(int64)
	lock := s.locked(r, &atLock, nil)
	r.lock = lockFunc{
		lock: func(ctx context.Context) (string, error) {
			change()
			state, err := lock.lock(ctx)
			*cost = -r.progress[0].Snapshot().Read
			return state, err
		},
		unlock: func() error {
			*cost += r.progress[0].Snapshot().Read
			return nil
		},
	}
	return cost
}

// lockCost counts what is read of the files' content while the lock is held: what is too small for a clone, whatever the tables' size
// and however much of them has changed.
func lockCost(t *testing.T) {
	var costs []int64
	for _, pages := range []int64{200, 2000} {
		t.Run(fmt.Sprintf("pages=%d", pages), func(t *testing.T) {
			r, s := liveRig(t, 61)
			s.create("shop/big.ibd", pages)
			write(t, r.donor, "shop/big.MYD", random(int(pages)<<10, 3))
			s.checkpoint()
			read := s.readUnderLock(r, func() {
				for i := range pages / 4 {
					s.change("shop/big.ibd", 10+2*i)
				}
				patch(t, r.donor, "shop/big.MYD", 0, random(int(pages)<<9, 4))
			})
			sent, _ := r.mustRun()
			cost := *read
			if sent.Locks != 1 {
				t.Errorf("%d lock windows, one was due", sent.Locks)
			}
			costs = append(costs, cost)
			t.Logf("%d bytes read under the lock, %d windows", cost, sent.Locks)
			// The control file, Aria's log and the names of the tests' small files.
			if cost >= cloneFrom {
				t.Errorf("%d bytes of content were read under the lock", cost)
			}
		})
	}
	if len(costs) == 2 && costs[0] != costs[1] {
		t.Errorf("%d bytes were read under the lock with small tables, %d with ten times as large ones", costs[0], costs[1])
	}
}

// cloneNotInPieces has a table that lies in more pieces than reading it takes: that costs a clone more, so it is read under the lock.
func cloneNotInPieces(t *testing.T) {
	for _, whole := range []bool{true, false} {
		t.Run(fmt.Sprintf("whole=%v", whole), func(t *testing.T) {
			r, s := liveRig(t, 65)
			const name, size = "shop/big.MYD", 4 << 20
			write(t, r.donor, name, random(size, 3))
			f, err := os.OpenFile(filepath.Join(r.donor, name), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if !whole {
				for at := int64(0); at < size; at += 8 << 10 {
					if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, 4096); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			read := s.readUnderLock(r, func() { patch(t, r.donor, name, 4096, random(4096, 4)) }) // not in a hole
			r.mustRun()
			t.Logf("%d bytes read under the lock", *read)
			if whole != (*read < size) {
				t.Errorf("%d bytes were read under the lock, the table has %d", *read, size)
			}
		})
	}
}

// cloneWaitsForNothing: what was written to a table just before the lock is on the disk when the lock is asked for.
func cloneWaitsForNothing(t *testing.T) {
	r, s := liveRig(t, 66)
	const name = "shop/big.MYD"
	write(t, r.donor, name, random(4<<20, 3))
	f, err := os.Open(filepath.Join(r.donor, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	waiting := func() uint64 {
		var st unix.Cachestat_t
		if err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{Len: 4 << 20}, &st, 0); err != nil {
			t.Skip("this kernel does not tell what waits to be written: ", err)
		}
		return st.Dirty + st.Writeback
	}
	var last, atLock uint64
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 3, true, 1
		c.Note = afterLive(func(n int) {
			if n <= 3 {
				patch(t, r.donor, name, 1<<20, random(2<<20, byte(n)))
				last = waiting()
			}
		})
	}
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			atLock = waiting()
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	r.mustRun()
	if last == 0 || atLock > 0 {
		t.Errorf("%d pages waited to be written after the last pass, %d when the lock was asked for", last, atLock)
	}
}
