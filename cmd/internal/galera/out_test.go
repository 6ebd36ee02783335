package galera

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	joinerArgs = Args{Role: RoleJoiner, Progress: true, ProgressKnown: true}
	donorArgs  = Args{Role: RoleDonor, Progress: true, ProgressKnown: true}
	g42        = GTID{UUID: testUUID, Seqno: 42, Domain: "0"}
)

// calls are the lines an Out can print, by one letter each.
var calls = map[byte]func(*Out) error{
	'r': func(o *Out) error { return o.Ready("h:1/x") },
	't': func(o *Out) error { return o.Total(5) },
	'c': func(o *Out) error { return o.Complete(5) },
	'f': func(o *Out) error { return o.FlushTables() },
	'k': func(o *Out) error { return o.Continue() },
	'd': func(o *Out) error { return o.Done(g42) },
	'F': func(o *Out) error { return o.Final(g42) },
}

// legalOrder is the order of lines as a regular language would have it, written down independently of Out.
func legalOrder(role, order string) bool {
	locked, ready := false, false
	for i := range len(order) {
		switch c := order[i]; {
		case c == 't' || c == 'c':
			if role == RoleJoiner && !ready {
				return false
			}
		case c == 'r' && role == RoleJoiner && i == 0:
			ready = true
		case c == 'F' && role == RoleJoiner && ready:
			return i == len(order)-1
		case c == 'f' && role == RoleDonor && !locked:
			locked = true
		case c == 'k' && role == RoleDonor:
			locked = false
		case c == 'd' && role == RoleDonor && !locked:
			return i == len(order)-1
		default:
			return false
		}
	}
	return true
}

// TestOutOrder tries every order of up to four lines in both roles.
func TestOutOrder(t *testing.T) {
	letters := "rtcfkdF"
	var orders []string
	last := []string{""}
	for range 4 {
		var next []string
		for _, prefix := range last {
			for i := range len(letters) {
				next = append(next, prefix+letters[i:i+1])
			}
		}
		orders, last = append(orders, next...), next
	}
	for _, a := range []Args{joinerArgs, donorArgs} {
		for _, order := range orders {
			o := NewOut(io.Discard, a)
			var err error
			for i := range len(order) {
				if err = calls[order[i]](o); err != nil {
					break
				}
			}
			if want := legalOrder(a.Role, order); want != (err == nil) || err != nil && !errors.Is(err, ErrOrder) {
				t.Errorf("%s %s: %v, legal: %v", a.Role, order, err, want)
			}
		}
	}
	if err := NewOut(io.Discard, Args{}).Continue(); !errors.Is(err, ErrOrder) {
		t.Errorf("without a role: %v", err)
	}
}

func TestOutLines(t *testing.T) {
	var b bytes.Buffer
	o := NewOut(&b, joinerArgs)
	for _, c := range []byte("rtcF") {
		if err := calls[c](o); err != nil {
			t.Fatal(err)
		}
	}
	if want := "ready h:1/x\ntotal 5\ncomplete 5\n" + at42 + " 0\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	o = NewOut(&b, Args{Role: RoleDonor, Progress: true, ProgressKnown: true, Family: PXC})
	for _, c := range []byte("ftckd") {
		if err := calls[c](o); err != nil {
			t.Fatal(err)
		}
	}
	if want := "flush tables\ncontinue\ndone " + at42 + " 0\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

func TestOutRefuses(t *testing.T) {
	var b bytes.Buffer
	for _, addr := range []string{
		"", "h 1", "h\n1", "h%x:1", "h:1/a,b", "h:1/a=", "h:1/é", "a b@h", "a'b@h", "secret@",
		strings.Repeat("x", 249), // one more than fits
	} {
		if err := NewOut(&b, joinerArgs).Ready(addr); err == nil || errors.Is(err, ErrOrder) {
			t.Errorf("address %q: %v", addr, err)
		}
	}
	if err := NewOut(&b, Args{Role: RoleJoiner, Family: PXC}).Ready("a@h"); err == nil {
		t.Error("PXC: an address with @ was printed")
	}
	o := NewOut(&b, donorArgs)
	long := g42
	long.Domain = strings.Repeat("1", 80)
	bad := g42
	bad.Domain = "a\nb"
	for _, err := range []error{o.Total(-1), o.Complete(-1), o.Done(GTID{}), o.Done(bad), o.Done(GTID{UUID: testUUID, Seqno: 1<<63 - 1, Domain: long.Domain})} {
		if err == nil {
			t.Error("an illegal line was printed")
		}
	}
	if b.Len() != 0 {
		t.Errorf("refused lines left %q", b.String())
	}
	// The longest that fits, and a refusal is not the end.
	o = NewOut(&b, joinerArgs)
	if err := o.Ready(strings.Repeat("x", 600)); err == nil {
		t.Error("600 characters")
	}
	if err := o.Ready(strings.Repeat("x", 248)); err != nil || b.Len() != 255 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

// breaker fails from the nth write on, or writes short.
type breaker struct {
	n     int
	short bool
}

func (b *breaker) Write(p []byte) (int, error) {
	if b.n--; b.n >= 0 {
		return len(p), nil
	}
	if b.short {
		return len(p) - 1, nil
	}
	return 0, io.ErrClosedPipe
}

func TestOutBroken(t *testing.T) {
	for _, w := range []*breaker{{n: 1}, {n: 1, short: true}} {
		o := NewOut(w, donorArgs)
		if err := o.FlushTables(); err != nil {
			t.Fatal(err)
		}
		first := o.Continue()
		if ExitCode(first) != ExitPipe {
			t.Errorf("%+v: %v", w, first)
		}
		w.n = 9 // a writer that works again must not be used
		for c, call := range calls {
			if err := call(o); !errors.Is(err, first) {
				t.Errorf("%c after a failed write: %v", c, err)
			}
		}
	}
}

func TestOutRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		o := NewOut(&b, donorArgs)
		if err := o.Total(1000); err != nil {
			t.Fatal(err)
		}
		for i := range 25 {
			if err := o.Complete(int64(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		for _, n := range []int64{1000, 1000, 999} {
			if err := o.Complete(n); err != nil {
				t.Fatal(err)
			}
		}
		if want := "total 1000\ncomplete 0\ncomplete 10\ncomplete 20\ncomplete 1000\n"; b.String() != want {
			t.Errorf("got %q", b.String())
		}
	})
}

// TestOutStages: a total is told once, another one begins to count anew, and the last line is preceded by the whole.
func TestOutStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		o := NewOut(&b, donorArgs)
		for _, at := range []struct{ total, done int64 }{{10, 4}, {10, 9}, {20, 3}, {20, 5}} {
			if err := errors.Join(o.Total(at.total), o.Complete(at.done)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // virtual
		}
		if err := o.Done(GTID{UUID: "a5f2bd5a-0001-11ee-8d3c-0242ac120002", Seqno: 7}); err != nil {
			t.Fatal(err)
		}
		want := "total 10\ncomplete 4\ncomplete 9\ntotal 20\ncomplete 3\ncomplete 5\ncomplete 20\ndone a5f2bd5a-0001-11ee-8d3c-0242ac120002:7\n"
		if b.String() != want {
			t.Errorf("got %q", b.String())
		}
	})
}

// lineCounter checks that every write is one whole line.
type lineCounter struct {
	t  *testing.T
	mu sync.Mutex
	n  int
}

func (l *lineCounter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	if bytes.Count(p, []byte("\n")) != 1 || p[len(p)-1] != '\n' {
		l.t.Errorf("write of %q", p)
	}
	return len(p), nil
}

func TestOutConcurrent(t *testing.T) {
	w := &lineCounter{t: t}
	o := NewOut(w, donorArgs)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				// No two are the same: an equal one would be skipped.
				if err := o.Total(int64(g*1000 + i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if w.n != 800 {
		t.Errorf("%d writes", w.n)
	}
}

func BenchmarkComplete(b *testing.B) {
	o := NewOut(io.Discard, donorArgs)
	b.ReportAllocs()
	for b.Loop() {
		if err := o.Complete(1); err != nil {
			b.Fatal(err)
		}
	}
}
