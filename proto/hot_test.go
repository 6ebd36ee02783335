package proto

import (
	"context"
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
			if !strings.Contains(format, "%s pass %d") || args[0].(interface{ String() string }).String() != "live" {
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

// TestTornHotPageIsFound has a pass read a page whose head was written and whose body was not yet (T-8). Its LSN says from then on
// that it was sent; the comparison after the lock must see it, and the next window must carry it and not the whole table.
func TestTornHotPageIsFound(t *testing.T) {
	r, s := liveRig(t, 14)
	passes, windows := 0, 0
	const name, no = "shop/cold.ibd", 140
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN, c.LockTarget = 3, true, 1
		c.Note = func(format string, args ...any) {
			if !strings.Contains(format, "%s pass %d") || args[0].(interface{ String() string }).String() != "live" {
				return
			}
			switch passes++; passes {
			case 1, 2: // sent again in passes 2 and 3, and stamped
				s.change(name, no)
				p := s.dirty[pageID{name, no}]
				patch(t, r.donor, name, no*fakePageSize, p.body[:4096])
			case 3: // the rest arrives
				patch(t, r.donor, name, no*fakePageSize, s.dirty[pageID{name, no}].body)
			}
		}
	}
	s.change("undo001", 5) // keeps the checkpoint back until the lock
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { windows++; s.flush(1); s.checkpoint(); return "at:1", nil },
		unlock: func() error { return nil },
	}
	sent, _ := r.mustRun()
	if windows != 2 {
		t.Fatalf("%d lock windows, two were due", windows)
	}
	last := sent.Passes[len(sent.Passes)-1]
	for _, p := range sent.Passes {
		if p.Kind == "locked" {
			last = p
		}
	}
	if last.Sent == 0 || last.Sent > 2<<20 {
		t.Errorf("the second window sent %d bytes: the unit with the page was due, of a table of %d", last.Sent, 200*fakePageSize)
	}
}
