package proto

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestHotPagesTravelTwiceAtMost keeps the server's checkpoint back, so that by their LSN all pages that were ever changed count as
// changed in every pass. A page that was sent again must not be sent a third time unless it has changed.
func TestHotPagesTravelTwiceAtMost(t *testing.T) {
	r, s := liveRig(t, 13)
	const pages = 60
	passes := 0
	hold := func() { s.change("undo001", 5) } // never flushed before the lock, so no checkpoint passes it
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 4, true, 1
		c.Note = func(format string, args ...any) {
			if !strings.Contains(format, "%s pass %d") || args[0].(fmt.Stringer).String() != "live" {
				return
			}
			passes++
			if passes == 1 {
				for i := range int64(pages) {
					s.change("shop/a.ibd", 20+i)
				}
			}
			// One page of those anew in each pass.
			s.change("shop/a.ibd", 20+int64(passes))
			s.write()
			for id, p := range s.dirty {
				if id.name == "shop/a.ibd" {
					patch(t, r.donor, id.name, id.no*fakePageSize, p.body)
					delete(s.dirty, id)
				}
			}
			s.checkpoint()
		}
	}
	hold()
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	sent, _ := r.mustRun()
	var again []int64
	for _, p := range sent.Passes {
		if p.Kind == "live" {
			again = append(again, p.Sent)
		}
	}
	if len(again) < 3 || again[1] < pages*fakePageSize {
		t.Fatalf("live passes sent %d; the second one must carry %d pages", again, pages)
	}
	for _, n := range again[2:] {
		// The page that changed, the first ones of the file, the end of the log.
		if n > 16*fakePageSize {
			t.Errorf("live passes sent %d: what was sent in the second travelled again", again)
		}
	}
}

// TestHotPageThatItsLSNDoesNotTell has a table with a page that was sent again and remembered, and then changes under the same LSN.
//
// Torn (T-8): the pass read it when its head was written and its body was not yet. Such a page must not be remembered. Edited (T-9):
// the page was whole. The comparison after the lock must see it, and the next window must carry it and not the whole table.
func TestHotPageThatItsLSNDoesNotTell(t *testing.T) {
	heavy(t)
	for _, torn := range []bool{true, false} {
		t.Run(fmt.Sprintf("torn=%v", torn), func(t *testing.T) {
			r, s := liveRig(t, 14)
			passes, windows := 0, 0
			const name, no = "shop/cold.ibd", 140
			r.tweakDonor = func(c *DonorConfig) {
				c.Passes, c.PageLSN, c.LockTarget = 3, true, 1
				c.Note = func(format string, args ...any) {
					if !strings.Contains(format, "%s pass %d") || args[0].(fmt.Stringer).String() != "live" {
						return
					}
					switch passes++; {
					case passes <= 2: // sent again in passes 2 and 3
						s.change(name, no)
						s.write()
						p := s.dirty[pageID{name, no}]
						n := len(p.body)
						if torn {
							n = 4096
						}
						patch(t, r.donor, name, no*fakePageSize, p.body[:n])
					case passes == 3:
						body := s.dirty[pageID{name, no}].body
						if !torn {
							body[9000]++
							seal(body)
						}
						patch(t, r.donor, name, no*fakePageSize, body)
					}
				}
			}
			s.change("undo001", 5) // keeps the checkpoint back until the lock
			r.lock = lockFunc{
				lock:   func(context.Context) (string, error) { windows++; s.flush(1); s.checkpoint(); return "at:1", nil },
				unlock: func() error { return nil },
			}
			sent, _ := r.mustRun()
			if want := map[bool]int{true: 1, false: 2}[torn]; windows != want {
				t.Fatalf("%d lock windows, %d were due", windows, want)
			}
			var last PassStats
			for _, p := range sent.Passes {
				if p.Kind == "locked" {
					last = p
				}
			}
			if last.Sent == 0 || last.Sent > 2<<20 {
				t.Errorf("the last window sent %d bytes: at most the unit with the page was due, of a table of %d", last.Sent, 200*fakePageSize)
			}
		})
	}
}
