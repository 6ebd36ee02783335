package show

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8" // draws bars, with text above them that scrolls
	"github.com/vbauerster/mpb/v8/decor"

	"trireme/cmd/internal/status"
)

// bars draws a line for each phase of each transfer.
type bars struct {
	mu    sync.Mutex // a phase must not end while a note is written above it
	w     io.Writer
	box   *mpb.Progress
	lines map[string]*line // by receiver; the only transfer has no name
	drawn bool             // there has been one
}

// line is the present phase of a transfer.
type line struct {
	bar  *mpb.Bar
	name string
	now  atomic.Pointer[status.Status] // what the bar shows
}

func newBars(w io.Writer) *bars {
	return &bars{w: w, box: mpb.New(mpb.WithOutput(w), mpb.WithWidth(100), mpb.PopCompletedMode()), lines: map[string]*line{}}
}

func (b *bars) Note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drawn {
		// Nothing is drawn yet, and what goes to standard output must find its line said before.
		fmt.Fprintln(b.w, text)
		return
	}
	fmt.Fprintln(b.box, text)
}

func (b *bars) Update(s status.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range s.Receivers {
		if l := b.lines[one.Receiver]; l != nil && one.Finished() {
			l.leave(one.Result == status.Failed)
			delete(b.lines, one.Receiver)
		}
	}
	for _, one := range running(s) {
		b.update(one)
	}
}

func (b *bars) update(s status.Status) {
	l := b.lines[s.Receiver]
	if l == nil || l.name != s.Phase {
		if l != nil {
			l.leave(false)
		}
		l = b.begin(&s)
		b.lines[s.Receiver] = l
	}
	l.now.Store(&s)
	if s.Total > 0 {
		l.bar.SetTotal(s.Total, false)
		l.bar.SetCurrent(min(s.Done, s.Total-1)) // a full bar would be a finished one
	}
}

// begin adds the line of a phase.
func (b *bars) begin(s *status.Status) *line {
	b.drawn = true
	l := &line{name: s.Phase}
	l.now.Store(s)
	name := decor.Name(label(*s)+s.Phase, decor.WC{W: 11, C: decor.DindentRight})
	percent := decor.Any(func(decor.Statistics) string {
		s := l.now.Load()
		if s.Total <= 0 {
			return ""
		}
		return fmt.Sprintf("%3d%% of %s ", s.Done*100/s.Total, size(s.Total))
	})
	rest := decor.Any(func(decor.Statistics) string {
		s := l.now.Load()
		if s.Total <= 0 {
			return fmt.Sprintf(" %s so far", seconds(s.Seconds))
		}
		return " " + figures(*s)
	})
	l.bar = b.box.AddBar(0, mpb.BarWidth(22), mpb.PrependDecorators(name, percent), mpb.AppendDecorators(rest))
	return l
}

// leave lets the line stand as it is; a phase that did not fail was seen before its last step.
func (l *line) leave(failed bool) {
	if failed {
		l.bar.Abort(false)
		l.bar.Wait()
		return
	}
	if s := *l.now.Load(); s.Total > 0 {
		s.Done, s.ETA = s.Total, nil
		l.now.Store(&s)
		l.bar.SetCurrent(s.Total)
	}
	l.bar.SetTotal(-1, true)
	l.bar.Wait()
}

func (b *bars) Close(s status.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := map[string]bool{"": s.Result == status.Failed}
	for _, one := range s.Receivers {
		failed[one.Receiver] = one.Result == status.Failed
	}
	for name, l := range b.lines {
		l.leave(failed[name])
	}
	clear(b.lines)
	b.box.Wait()
	if s.Result != status.Failed {
		fmt.Fprintln(b.w, Summary(s))
	}
}
