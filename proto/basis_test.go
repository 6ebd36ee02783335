package proto

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"trireme/engine/tree"
)

// TestBasis: a basis ends with its code at both ends and cannot be started; the exact transfer after it sends what has changed since.
func TestBasis(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	var said []string
	r.tweakDonor = func(c *DonorConfig) {
		c.Basis = true
		c.Note = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	}
	_, _, donorErr, joinerErr := r.run()
	if all := strings.Join(said, "\n"); strings.Contains(all, "asking for the lock") || strings.Contains(all, "predicted") || !strings.Contains(all, "without a lock: the number of passes is reached") {
		t.Errorf("a donor that locks nothing says:\n%s", all)
	}
	var d, j *Error
	if !errors.As(donorErr, &d) || d.Code != CodeBasis || d.Remote {
		t.Fatalf("donor: %v", donorErr)
	}
	if !errors.As(joinerErr, &j) || j.Code != CodeBasis || !j.Remote {
		t.Fatalf("joiner: %v", joinerErr)
	}
	noKeystones(t, r.joiner)
	patch(t, r.donor, "shop/items.ibd", 5<<20, random(16384, 7))
	r.tweakDonor = nil
	sent, _ := r.mustRun()
	r.equal()
	var n int64
	for _, p := range sent.Passes {
		n += p.Sent
	}
	if n > 4<<20 { // a page, and the suspects' share
		t.Errorf("%d bytes sent over a basis in which one page was old", n)
	}
}

// TestBeforeCommit: what is called before the commit can still end it, and then no server starts.
func TestBeforeCommit(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	called := 0
	r.tweakJoiner = func(c *JoinerConfig) {
		c.BeforeCommit = func(context.Context) error {
			noKeystones(t, r.joiner)
			called++
			return errors.New("no such owner")
		}
	}
	_, _, donorErr, joinerErr := r.run()
	if called != 1 || CodeOf(joinerErr) != CodeIO || CodeOf(donorErr) != CodeIO {
		t.Fatalf("called %d times; joiner %v, donor %v", called, joinerErr, donorErr)
	}
	noKeystones(t, r.joiner)
}

// TestQuietDonorIsLookedAtLast: once a quiet datadir has been read whoever said that it is quiet is shown it again, once, and believed.
func TestQuietDonorIsLookedAtLast(t *testing.T) {
	for _, moved := range []error{nil, errors.New("somebody was here")} {
		r := newRig(t)
		fill(t, r.donor, 1)
		calls := 0
		r.tweakDonor = func(c *DonorConfig) {
			quiet, err := c.Dirs.Scan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.Quiet, c.Unchanged = quiet, func(now *tree.Tree) error {
				if calls++; len(now.Entries) != len(quiet.Entries) {
					t.Errorf("shown %d entries, there are %d", len(now.Entries), len(quiet.Entries))
				}
				return moved
			}
		}
		_, _, donorErr, joinerErr := r.run()
		if calls != 1 {
			t.Errorf("shown %d times, want once", calls)
		}
		if moved == nil {
			if donorErr != nil || joinerErr != nil {
				t.Fatalf("joiner %v, donor %v", joinerErr, donorErr)
			}
			continue
		}
		if CodeOf(joinerErr) != CodeUnstable || CodeOf(donorErr) != CodeUnstable {
			t.Fatalf("joiner %v, donor %v", joinerErr, donorErr)
		}
		noKeystones(t, r.joiner)
	}
}

// TestRateLimitWithoutLock: where no lock is taken the limit holds for the whole transfer.
func TestRateLimitWithoutLock(t *testing.T) {
	r := newRig(t)
	write(t, r.donor, "ibdata1", random(3<<20, 1))
	r.tweakDonor = func(c *DonorConfig) { c.RateLimit = 4 << 20 }
	start := time.Now()
	r.mustRun()
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("3 MiB at 4 MiB a second took %v", took)
	}
}
