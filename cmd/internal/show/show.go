package show

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize" // sizes for people, with the right unit
	"golang.org/x/sys/unix"

	"trireme/cmd/internal/status"
)

// Display shows one transfer.
type Display interface {
	// Note says one sentence.
	Note(text string)
	// Update takes the present status; it decides itself how often it shows one.
	Update(s status.Status)
	// Close ends the display with the summary.
	Close(s status.Status)
}

// Ways to show progress, the values of --progress.
const (
	Auto = "auto" // bars on a terminal, else lines
	Bar  = "bar"
	Log  = "log"
	None = "none"
)

// Config says where and how.
type Config struct {
	Progress string    // one of the above
	Quiet    bool      // nothing but errors, which are not shown here
	JSON     io.Writer // not nil: events go there, and nothing else is shown
	Err      io.Writer
}

// New returns the display that c asks for.
func New(c Config) Display {
	switch {
	case c.JSON != nil:
		return &events{w: c.JSON}
	case c.Quiet:
		return silent{}
	case c.Progress == Bar, c.Progress == Auto && terminal(c.Err):
		return newBars(c.Err)
	case c.Progress == None:
		return &lines{w: c.Err, off: true}
	}
	return &lines{w: c.Err}
}

// terminal reports whether w is one that can move its cursor.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// silent shows nothing.
type silent struct{}

func (silent) Note(string)          {}
func (silent) Update(status.Status) {}
func (silent) Close(status.Status)  {}

// linesEvery is the time between two progress lines in a log, idleEvery that between two lines that only say how long nothing
// has come: a receiver may wait for an hour.
const (
	linesEvery = 5 * time.Second
	idleEvery  = time.Minute
)

// every is the time from one line about s to the next.
func every(s status.Status) time.Duration {
	if s.Total <= 0 && s.Seconds > idleEvery.Seconds() {
		return idleEvery
	}
	return linesEvery
}

// lines is for logs.
type lines struct {
	mu   sync.Mutex
	w    io.Writer
	off  bool // notes and the summary only
	last time.Time
}

func (l *lines) Note(text string) { l.print(text) }

func (l *lines) Update(s status.Status) {
	if l.last.IsZero() {
		l.last = s.Started
	}
	// Ticks come a little early or late, and the next one would be too late. Lines keep to the times when they are due, so that
	// an early one does not pull all that follow.
	since := s.Updated.Sub(l.last)
	if l.off || since < every(s)-linesEvery/10 {
		return
	}
	l.last = l.last.Add((since + linesEvery/10).Truncate(linesEvery))
	for _, one := range running(s) {
		l.print(label(one) + Line(one))
	}
}

// running are the transfers of s that have not ended: s itself, unless it goes to several receivers.
func running(s status.Status) []status.Status {
	if len(s.Receivers) == 0 {
		return []status.Status{s}
	}
	return slices.DeleteFunc(slices.Clone(s.Receivers), func(one status.Status) bool { return one.Finished() })
}

// label names the receiver where there are several.
func label(s status.Status) string {
	if s.Receiver == "" {
		return ""
	}
	return s.Receiver + ": "
}

func (l *lines) Close(s status.Status) {
	if s.Result == status.Running { // the present state is all that was asked for
		for _, one := range running(s) {
			l.print(label(one) + Line(one))
		}
		return
	}
	if s.Result != status.Failed {
		l.print(Summary(s))
	}
}

func (l *lines) print(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, text)
}

// events is for programs: one JSON object on a line.
type events struct {
	mu    sync.Mutex
	w     io.Writer
	last  time.Time
	phase string
}

type event struct {
	Event string    `json:"event"` // note, progress or end
	Time  time.Time `json:"time"`
	Text  string    `json:"text,omitempty"`
	*status.Status
}

func (e *events) Note(text string) { e.emit(event{Event: "note", Time: time.Now(), Text: text}) }

func (e *events) Update(s status.Status) {
	// A new phase is news at once: short ones would never be heard of.
	if s.Phase == e.phase && s.Updated.Sub(e.last) < time.Second-time.Second/10 {
		return
	}
	e.last, e.phase = s.Updated, s.Phase
	e.emit(event{Event: "progress", Time: s.Updated, Status: &s})
}

func (e *events) Close(s status.Status) { e.emit(event{Event: "end", Time: s.Updated, Status: &s}) }

func (e *events) emit(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("show: internal error: an event that is no JSON: " + err.Error())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = e.w.Write(append(b, '\n')) // nobody reads any more; the transfer goes on
}

// Line is a status in one line for a log.
func Line(s status.Status) string {
	if s.Total <= 0 {
		return fmt.Sprintf("%s, %s so far", s.Phase, seconds(s.Seconds))
	}
	return fmt.Sprintf("%s: %s of %s (%d%%), %s", s.Phase, size(s.Done), size(s.Total), s.Done*100/s.Total, figures(s))
}

// figures is what bar and line have in common.
func figures(s status.Status) string {
	eta := ""
	if s.Away {
		eta = ", " + status.Absent
	} else if s.ETA != nil {
		eta = ", ETA " + seconds(*s.ETA)
	}
	return fmt.Sprintf("%s/s (mean %s/s)%s, sent %s, saved %s, %d streams%s", size(int64(s.Rate)), size(int64(s.RateMean)), eta, size(s.Sent), size(s.Saved), s.Streams, again(s))
}

// again names what TCP sent again; on a clean network that is nothing, and nothing is said.
func again(s status.Status) string {
	if s.Again == 0 {
		return ""
	}
	return ", retransmitted " + size(s.Again)
}

// Summary is a finished transfer in one line.
func Summary(s status.Status) string {
	switch s.Result {
	case status.Failed:
		return fmt.Sprintf("failed after %s: %s", seconds(s.Seconds), s.Error)
	case status.Running:
		return Line(s)
	case status.Bypass:
		return "nothing to copy: an incremental transfer follows"
	}
	if n := len(s.Receivers); n > 0 {
		return fmt.Sprintf("%s at %d receivers: %d files and directories, %s; read here %s, sent %s, saved %s, holes %s, wire %s%s, %s",
			s.Result, n, s.Files, size(s.Bytes), size(s.Read), size(s.Sent), size(s.Saved), size(s.Holes), size(s.Wire), again(s), seconds(s.Seconds))
	}
	return fmt.Sprintf("%s: %d files and directories, %s; sent %s, saved %s%s, holes %s, wire %s%s, %s",
		s.Result, s.Files, size(s.Bytes), size(s.Sent), size(s.Saved), trusted(s), size(s.Holes), size(s.Wire), again(s), seconds(s.Seconds))
}

// trusted says what of the saved was not even read, and by what.
func trusted(s status.Status) string {
	if s.Kept == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s in %d files unread, by the last transfer's manifest)", size(s.Trusted), s.Kept)
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// seconds is a time for people.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return strings.TrimSuffix(d.Round(time.Second).String(), "m0s") + map[bool]string{true: "m"}[d.Round(time.Second)%time.Minute == 0]
}
