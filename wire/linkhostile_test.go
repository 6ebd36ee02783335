package wire

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rawDonor is a joiner's links with a donor that says what it likes.
type rawDonor struct {
	t       *testing.T
	links   *Links
	control *memConn
}

func newRawDonor(t *testing.T) *rawDonor {
	a, b := memPair(1<<20, -1, -1)
	r := &rawDonor{t: t, control: a, links: NewLinks(memLink(b, Control), steady(LinkConfig{}))}
	r.links.Allow(2)
	return r
}

// attach lets the joiner take a data connection on which the donor has said something. The donor's end comes back.
func (r *rawDonor) attach(frames ...[]byte) (*Conn, *Link, error) {
	r.t.Helper()
	a, b := memPair(1<<20, -1, -1)
	for _, f := range frames {
		if _, err := a.Write(f); err != nil {
			r.t.Fatal(err)
		}
	}
	l, err := r.links.Attach(context.Background(), memLink(b, Data))
	return memLink(a, Data), l, err
}

func attachFrame(link uint16, attempt uint32, received uint64) []byte {
	return append(frame(frameAttach, 0, 0, attachSize, ""), appendAttach(nil, attach{link, false, attempt, received})...)
}

// rules returns the LinkError in err or fails.
func rules(t *testing.T, err error, want string) {
	t.Helper()
	var e *LinkError
	if !errors.As(err, &e) || !strings.Contains(e.Error(), want) {
		t.Errorf("got %v, want an error of the rules that says %q", err, want)
	}
}

// TestLinkHostileAttach: what a proved donor says on a new connection is checked before anything follows from it.
func TestLinkHostileAttach(t *testing.T) {
	for _, c := range []struct {
		name, want string
		frame      []byte
	}{
		{"another frame", "begins with a frame of type 0x1", frame(1, 0, 0, 1, "x")},
		{"too short", "15 bytes, wanted 16", frame(frameAttach, 0, 0, 15, strings.Repeat("\x00", 15))},
		{"reserved byte", "mean nothing", frame(frameAttach, 0, 0, 16, "\x00\x01\x00\x01"+strings.Repeat("\x00", 12))},
		{"too many links", "more than the 2 data connections", attachFrame(3, 1, 0)},
		{"received what was never sent", "claims to have received 5 frames", attachFrame(1, 1, 5)},
		{"the same of control", "claims to have received 5 frames", attachFrame(0, 1, 5)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRawDonor(t)
			_, _, err := r.attach(c.frame)
			rules(t, err, c.want)
		})
	}
}

// TestLinkLateAttempt: a connection that was opened before the present one, and comes after it, changes nothing.
func TestLinkLateAttempt(t *testing.T) {
	r := newRawDonor(t)
	newer, l, err := r.attach(attachFrame(1, 2, 0))
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	older, again, err := r.attach(attachFrame(1, 1, 0))
	if err != nil || again != nil {
		t.Fatal(again, err)
	}
	if _, _, err := older.Recv(make([]byte, 100)); err == nil {
		t.Error("the older connection was answered")
	}
	if err := errors.Join(newer.Send(7, nil, []byte("x")), newer.Flush()); err != nil {
		t.Fatal(err)
	}
	if typ, _, err := l.Recv(make([]byte, 100)); typ != 7 || err != nil {
		t.Errorf("the newer connection brought %d, %v", typ, err)
	}
}

// TestLinkOvertaken: the joiner's answer to one connection is still on its way when the donor has given it up and opened the next.
// The link goes on with that one.
func TestLinkOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRawDonor(t)
		var wg sync.WaitGroup
		open := func(attempt uint32, room int) *Conn {
			a, b := memPair(1<<20, -1, -1)
			b.out.limit = room
			if _, err := a.Write(attachFrame(0, attempt, 0)); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if _, err := r.links.Attach(context.Background(), memLink(b, Data)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			return memLink(a, Data)
		}
		first := open(1, 1)
		second := open(2, 1<<20)
		if _, err := first.recvAttach(); err != nil {
			t.Fatal(err)
		}
		if a, err := second.recvAttach(); err != nil || a.attempt != 2 {
			t.Fatalf("the joiner answers for attempt %d, %v; want 2", a.attempt, err)
		}
		if err := errors.Join(second.Send(7, nil, []byte("x")), second.Flush()); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		if typ, body, err := r.links.Control().Recv(buf); err != nil || typ != 7 || string(body) != "x" {
			t.Errorf("frame of type %d, %q, %v; want 7 and x", typ, body, err)
		}
		// The joiner can also write.
		if err := r.links.Control().Send(8, nil, []byte("y")); err != nil {
			t.Error(err)
		}
		r.links.Control().Abandon()
		wg.Wait()
	})
}

// TestLinkFlood: connections that say nothing are few at a time and end nothing, and a link is not opened without end.
func TestLinkFlood(t *testing.T) {
	t.Run("of links", func(t *testing.T) {
		r := newRawDonor(t)
		for n := range uint32(attachesPerMinute) {
			if _, _, err := r.attach(attachFrame(1, n+1, 0)); err != nil {
				t.Fatalf("attempt %d: %v", n+1, err)
			}
		}
		_, _, err := r.attach(attachFrame(1, attachesPerMinute+1, 0))
		rules(t, err, "within a minute")
	})
	t.Run("of connections", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRawDonor(t)
			var wg sync.WaitGroup
			ended := make([]time.Duration, maxAttaching+1)
			began := time.Now()
			for i := range ended {
				wg.Go(func() {
					if l, err := r.links.Attach(context.Background(), memLink(r.silent(), Data)); l != nil || err != nil {
						t.Error(l, err)
					}
					ended[i] = time.Since(began)
				})
				synctest.Wait()
			}
			if n := len(r.links.waiting); n != maxAttaching {
				t.Errorf("%d connections wait", n)
			}
			// A donor whose connections were eaten by the path comes again.
			if _, l, err := r.attach(attachFrame(1, 1, 0)); l == nil || err != nil {
				t.Error(l, err)
			}
			wg.Wait()
			for i, after := range ended {
				// The two oldest had to make room, time ended the others.
				if want := attachTimeout; i >= 2 && after != want || i < 2 && after != 0 {
					t.Errorf("connection %d was given up after %v", i, after)
				}
			}
		})
	})
}

func (r *rawDonor) silent() *memConn {
	_, b := memPair(1, -1, -1)
	return b
}

// TestLinkHostileFrames: frames of the link's own that make no sense end it, and say why.
func TestLinkHostileFrames(t *testing.T) {
	for _, c := range []struct {
		name, want string
		frame      []byte
	}{
		{"more acknowledged than sent", "claims to have received 2 frames, 1 were sent", frame(frameAck, 0, 0, 8, "\x00\x00\x00\x00\x00\x00\x00\x02")},
		{"short acknowledgement", "7 bytes, wanted 8", frame(frameAck, 0, 0, 7, "1234567")},
		{"attached twice", "no place here", attachFrame(0, 1, 0)},
		{"end with content", "the end of a link has content", frame(frameEnd, 0, 0, 1, "x")},
		{"unknown", "no place here", frame(0xff, 0, 0, 0, "")},
		{"long", "at most 16 are allowed", frame(0xff, 0, 0, 17, "")},
		{"unknown flag", "reserved bits", frame(1, 2, 0, 0, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRawDonor(t)
			if err := r.links.Control().Send(1, nil, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := r.control.Write(c.frame); err != nil {
				t.Fatal(err)
			}
			_, _, err := r.links.Control().Recv(make([]byte, 100))
			rules(t, err, c.want)
			rules(t, r.links.Control().Send(1, nil, nil), c.want)
		})
	}
	t.Run("acknowledged less than before", func(t *testing.T) {
		r := newRawDonor(t)
		if err := r.links.Control().Send(1, nil, nil); err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{"\x01", "\x00"} {
			if _, err := r.control.Write(frame(frameAck, 0, 0, 8, "\x00\x00\x00\x00\x00\x00\x00"+n)); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := r.links.Control().Recv(make([]byte, 100))
		rules(t, err, "claims to have received 0 frames")
	})
}

// TestLinkUnasked: a peer that sends while this end waits for its acknowledgement is held to one frame.
func TestLinkUnasked(t *testing.T) {
	r := newRawDonor(t)
	donor, l, err := r.attach(attachFrame(1, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := errors.Join(donor.Send(1, nil, []byte("unasked")), donor.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	unit := make([]byte, 1<<20)
	go func() { // takes the bytes and acknowledges none
		_, _ = io.Copy(io.Discard, donor.stream)
	}()
	for err == nil {
		err = l.Give(2, nil, unit, &unit)
	}
	rules(t, err, "acknowledges nothing")
	_ = l.Close()
}

// TestLinkHostileJoiner: the answers of a joiner are checked in the same way.
func TestLinkHostileJoiner(t *testing.T) {
	for _, c := range []struct {
		name, want string
		answer     attach
	}{
		{"received what was never sent", "claims to have received 9 frames", attach{1, false, 1, 9}},
		{"another link", "answers for connection 1 of link 2", attach{2, false, 1, 0}},
		{"another connection", "answers for connection 3 of link 1", attach{1, false, 3, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLink(0, steady(LinkConfig{}), func(context.Context) (*Conn, error) {
				a, b := memPair(1<<20, -1, -1)
				_, err := b.Write(append(frame(frameAttach, 0, 0, attachSize, ""), appendAttach(nil, c.answer)...))
				return memLink(a, Data), err
			}).Branch(1, Limits{Outage: time.Minute})
			rules(t, l.Open(), c.want)
		})
	}
}

// The vector of PREFACE.md.
func TestAttachVector(t *testing.T) {
	const want = "00030100000000070000000000012345"
	a := attach{3, true, 7, 0x12345}
	if got := hex.EncodeToString(appendAttach(nil, a)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	page, err := os.ReadFile("PREFACE.md")
	if err != nil || !strings.Contains(string(page), "    ATTACH "+want+"\n") {
		t.Errorf("PREFACE.md lacks the line (%v)", err)
	}
}

func FuzzAttach(f *testing.F) {
	f.Add(appendAttach(nil, attach{}))
	f.Add(appendAttach(nil, attach{3, true, 7, 1 << 40}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAttach(b)
		if err != nil {
			if a != (attach{}) {
				t.Errorf("an error and %v", a)
			}
			return
		}
		if got := appendAttach(nil, a); string(got) != string(b) {
			t.Errorf("%x became %x", b, got)
		}
	})
}

// FuzzLinkFrames throws bytes at a link: whatever they are, it ends with an error and without harm.
func FuzzLinkFrames(f *testing.F) {
	for _, b := range [][]byte{
		frame(1, flagAck, 0, 3, "abc"), frame(frameAck, 0, 0, 8, "\x00\x00\x00\x00\x00\x00\x00\x01"), frame(frameEnd, 0, 0, 0, ""), attachFrame(0, 1, 0),
		frame(frameAck, flagAck, 0, 8, "\x00\x00\x00\x00\x00\x00\x00\x00"),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, c := memPair(len(b)+1, -1, -1)
		links := NewLinks(memLink(c, Control), LinkConfig{})
		l := links.Control()
		if err := l.Send(1, nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		a.in.limit = 1 << 20
		_, _ = a.Write(b)
		_ = a.Close()
		buf := make([]byte, 1<<10)
		for range len(b) + 2 {
			if _, body, err := l.Recv(buf); err != nil {
				if l.acked > 1 {
					t.Errorf("%d frames acknowledged, 1 was sent", l.acked)
				}
				return
			} else if len(body) > len(b) {
				t.Errorf("a frame of %d bytes out of %d", len(body), len(b))
			}
		}
		t.Error("it goes on for ever")
	})
}
