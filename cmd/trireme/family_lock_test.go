package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"trireme/cmd/internal/serveremul"
)

const (
	earlierPosition = "a5f2bd5a-0001-11ee-8d3c-0242ac120002:41"
	stalePosition   = "a5f2bd5a-0001-11ee-8d3c-0242ac120002:99"
	foreignPosition = "ffffffff-0001-11ee-8d3c-0242ac120002:42"
)

// change writes to a donor's datadir as its server does: a page with a new LSN, and the redo log.
func change(t *testing.T, dir string, lsn uint64, text string) {
	page := make([]byte, serveremul.PageBytes)
	copy(page[200:], text)
	serveremul.Patch(t, dir, "shop/orders.ibd", 7*serveremul.PageBytes, serveremul.Page(7, 3, lsn, page))
	serveremul.Patch(t, dir, "ib_logfile0", 100_000, []byte(text))
}

// TestStaleReports leaves answers of an earlier transfer in the datadir, and takes its time with its own. Nothing may be
// copied for good before that.
func TestStaleReports(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"M10.11", "W57", "W80"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := families(t, name, name)
			r.Known()
			dir := r.Give.Datadir
			serveremul.Put(t, dir, "tables_flushed", []byte(stalePosition+"\n"))
			serveremul.Put(t, dir, "tables_flushed.tmp", []byte(stalePosition+"\n\n"))
			serveremul.Put(t, dir, "sst_error", nil)
			r.Give.OnFlush = func() (string, error) {
				time.Sleep(300 * time.Millisecond) // a statement holds the lock up
				change(t, dir, serveremul.FakeLSN+10, "committed while the lock was waited for")
				serveremul.Checkpoint(t, dir, serveremul.FakeLSN+20)
				return "", nil
			}
			given, _ := r.MustRun()
			if given.Done != serveremul.Position+tail(r.From) {
				t.Errorf("done %q", given.Done)
			}
		})
	}
}

// TestPageOlderThanItsChange has a server that changes a page and leaves its LSN, which none does. What the program believed
// about the page is found out after the lock, and it asks for the lock once more instead of finishing.
func TestPageOlderThanItsChange(t *testing.T) {
	t.Parallel()
	r := families(t, "M10.11", "M10.11")
	r.Known()
	dir, windows := r.Give.Datadir, 0
	positions := []string{earlierPosition, serveremul.Position}
	r.Give.OnFlush = func() (string, error) {
		windows++
		if windows == 1 {
			change(t, dir, serveremul.FakeLSN-500, "a page that lies about its age")
		}
		return positions[min(windows, len(positions))-1], nil
	}
	given, taken := r.MustRun()
	want := serveremul.Position + " 3"
	if lines := r.Lines(); !slices.Equal(lines, []string{"flush tables", "continue", "flush tables", "continue", "done " + want}) {
		t.Errorf("the donor said %q", lines)
	}
	if given.Done != want || taken.Line != want {
		t.Errorf("donor %q, joiner %q, want those of the second window, %q", given.Done, taken.Line, want)
	}
	mustSay(t, "donor", given, "asking for the lock again")
}

// TestLockRefused has servers that cannot lock their tables, or report what cannot be.
func TestLockRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"M10.4e", "M11.8", "W80"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := families(t, name, name)
			r.Give.OnFlush = func() (string, error) { return "", errors.New("lock wait timeout exceeded") }
			given, taken := r.Run()
			mustFail(t, "donor", given, 255, "could not flush and lock its tables", "sst_error")
			mustFail(t, "joiner", taken, 32, "the other end reports", "could not flush and lock its tables")
			if len(given.Leftovers) > 0 {
				t.Errorf("left in the donor's datadir: %v", given.Leftovers)
			}
		})
	}
	t.Run("foreign position", func(t *testing.T) {
		t.Parallel()
		r := families(t, "M10.11", "M10.11")
		r.Known()
		r.Give.OnFlush = func() (string, error) { return foreignPosition, nil }
		given, taken := r.Run()
		mustFail(t, "donor", given, 71, "position of another cluster", foreignPosition[:8])
		mustFail(t, "joiner", taken, 32, "the other end reports", "position of another cluster")
	})
	// These have no file for it: their server waits for the program, and the program for an answer, until somebody acts.
	t.Run("PXC", func(t *testing.T) {
		t.Parallel()
		r := families(t, "PXC", "PXC")
		failed := make(chan struct{})
		r.Give.OnFlush = func() (string, error) {
			close(failed)
			return "", errors.New("lock wait timeout exceeded")
		}
		j := r.StartJoiner()
		d := r.StartDonor()
		<-failed
		d.Cancel()
		// The signal ends the shell in between as well, so what the program notices first is open.
		mustFail(t, "donor", d.Wait(), shellEnded)
		mustFail(t, "joiner", j.Wait(), 32, "the other end reports")
	})
}
