package proto

import (
	"context"
	"fmt"
	"testing"

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
		})
	}
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
			atLock, before, cost := "", int64(0), int64(0)
			lock := s.locked(r, &atLock, nil)
			r.lock = lockFunc{
				lock: func(ctx context.Context) (string, error) {
					for i := range pages / 4 {
						s.change("shop/big.ibd", 10+2*i)
					}
					patch(t, r.donor, "shop/big.MYD", 0, random(int(pages)<<9, 4))
					state, err := lock.lock(ctx)
					before = r.progress[0].Snapshot().Read
					return state, err
				},
				unlock: func() error {
					cost = r.progress[0].Snapshot().Read - before
					return nil
				},
			}
			sent, _ := r.mustRun()
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
