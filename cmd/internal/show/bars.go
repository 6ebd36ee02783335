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

// bars draws a line for each phase.
type bars struct {
	mu   sync.Mutex // a phase must not end while a note is written above it
	w    io.Writer
	box  *mpb.Progress
	bar  *mpb.Bar // of the present phase; nil before the first
	name string
	now  *atomic.Pointer[status.Status] // what the present bar shows
}

func newBars(w io.Writer) *bars {
	return &bars{w: w, box: mpb.New(mpb.WithOutput(w), mpb.WithWidth(100), mpb.PopCompletedMode())}
}

func (b *bars) Note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil {
		// Nothing is drawn yet, and what goes to standard output must find its line said before.
		fmt.Fprintln(b.w, text)
		return
	}
	fmt.Fprintln(b.box, text)
}

func (b *bars) Update(s status.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil || b.name != s.Phase {
		b.end()
		b.begin(&s)
	}
	b.now.Store(&s)
	if s.Total > 0 {
		b.bar.SetTotal(s.Total, false)
		b.bar.SetCurrent(min(s.Done, s.Total-1)) // a full bar would be a finished one
	}
}

// begin adds the line of a phase.
func (b *bars) begin(s *status.Status) {
	now := new(atomic.Pointer[status.Status])
	now.Store(s)
	b.name, b.now = s.Phase, now
	name := decor.Name(s.Phase, decor.WC{W: 11, C: decor.DindentRight})
	percent := decor.Any(func(decor.Statistics) string {
		s := now.Load()
		if s.Total <= 0 {
			return ""
		}
		return fmt.Sprintf("%3d%% of %s ", s.Done*100/s.Total, size(s.Total))
	})
	rest := decor.Any(func(decor.Statistics) string {
		s := now.Load()
		if s.Total <= 0 {
			return fmt.Sprintf(" %s so far", seconds(s.Seconds))
		}
		return " " + figures(*s)
	})
	b.bar = b.box.AddBar(0, mpb.BarWidth(22), mpb.PrependDecorators(name, percent), mpb.AppendDecorators(rest))
}

// end leaves the line of the present phase as it is.
func (b *bars) end() {
	if b.bar == nil {
		return
	}
	if s := *b.now.Load(); s.Total > 0 {
		s.Done, s.ETA = s.Total, nil // seen before its last step
		b.now.Store(&s)
		b.bar.SetCurrent(s.Total)
	}
	b.bar.SetTotal(-1, true)
	b.bar.Wait()
	b.bar = nil
}

func (b *bars) Close(s status.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Result == status.Failed && b.bar != nil {
		b.bar.Abort(false)
		b.bar.Wait()
	} else {
		b.end()
	}
	b.box.Wait()
	if s.Result != status.Failed {
		fmt.Fprintln(b.w, Summary(s))
	}
}
