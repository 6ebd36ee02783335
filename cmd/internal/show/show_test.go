package show

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trireme/cmd/internal/status"
)

// at is a transfer after some seconds.
func at(seconds int) status.Status {
	eta := float64(100 - seconds)
	start := time.Unix(1800000000, 0)
	return status.Status{
		Role: "clone", Started: start, Updated: start.Add(time.Duration(seconds) * time.Second), Seconds: float64(seconds), Result: status.Running,
		Phase: "copying", Total: 100 << 20, Done: int64(seconds) << 20, Rate: 1 << 20, RateMean: 1 << 20, ETA: &eta, Sent: int64(seconds) << 19, Saved: int64(seconds) << 19, Streams: 4,
	}
}

// TestLines: a log gets a line every five seconds, the summary, and no control characters.
func TestLines(t *testing.T) {
	var b bytes.Buffer
	d := New(Config{Progress: Auto, Err: &b})
	d.Note("source /d")
	for s := range 12 {
		now := at(s)
		now.Away = s > 7
		d.Update(now)
	}
	s := at(12)
	s.Result, s.Files, s.Bytes, s.Again = status.Complete, 3, 100<<20, 3<<10
	d.Close(s)
	want := `source /d
copying: 5.0 MiB of 100 MiB (5%), 1.0 MiB/s (mean 1.0 MiB/s), ETA 1m35s, sent 2.5 MiB, saved 2.5 MiB, 4 streams
copying: 10 MiB of 100 MiB (10%), 1.0 MiB/s (mean 1.0 MiB/s), waiting for the connection, sent 5.0 MiB, saved 5.0 MiB, 4 streams
complete: 3 files and directories, 100 MiB; sent 6.0 MiB, saved 6.0 MiB, holes 0 B, wire 0 B, retransmitted 3.0 KiB, 12s
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// TestLinesKeepTime: ticks that fall a little before a line is due do not make the lines come faster and faster.
func TestLinesKeepTime(t *testing.T) {
	var b bytes.Buffer
	d := New(Config{Progress: Log, Err: &b})
	for tick := range 60 * 5 { // a minute
		s := at(0)
		s.Updated = s.Started.Add(time.Duration(tick+1) * 200 * time.Millisecond)
		d.Update(s)
	}
	if n := strings.Count(b.String(), "\n"); n != 12 {
		t.Errorf("%d lines in a minute, want 12", n)
	}
}

// TestLinesOfWaiting: after a minute without anything to tell a line a minute is enough, and what comes then is told at once.
func TestLinesOfWaiting(t *testing.T) {
	var b bytes.Buffer
	d := New(Config{Progress: Log, Err: &b})
	for second := range 600 { // up to ten minutes
		s := at(second + 1)
		s.Total = 0
		d.Update(s)
	}
	if n := strings.Count(b.String(), "\n"); n != 12+9 {
		t.Errorf("%d lines in ten minutes, want 12 in the first and 9 after it", n)
	}
	b.Reset()
	d.Update(at(606))
	if !strings.HasPrefix(b.String(), "copying: ") {
		t.Errorf("six seconds later: %q", b.String())
	}
}

// TestQuiet: quiet is quiet, none is without progress, and failures are the caller's to report.
func TestQuiet(t *testing.T) {
	for progress, want := range map[string]int{None: 2, Log: 4} {
		for _, quiet := range []bool{false, true} {
			var b bytes.Buffer
			d := New(Config{Progress: progress, Quiet: quiet, Err: &b})
			d.Note("n")
			for s := range 12 {
				d.Update(at(s))
			}
			s := at(12)
			s.Result = status.Complete
			d.Close(s)
			s.Result = status.Failed
			d.Close(s)
			if n := strings.Count(b.String(), "\n"); quiet && n != 0 || !quiet && n != want {
				t.Errorf("%s, quiet %v: %q", progress, quiet, b.String())
			}
		}
	}
}

// TestEvents: every line is an object that names its kind.
func TestEvents(t *testing.T) {
	var b bytes.Buffer
	d := New(Config{Progress: Bar, JSON: &b})
	d.Note("a \"quoted\" word")
	for s := range 3 {
		d.Update(at(s))
		d.Update(at(s))
	}
	d.Close(at(3))
	var kinds []string
	for l := range strings.Lines(b.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		kind, _ := e["event"].(string)
		kinds = append(kinds, kind)
		if kind == "progress" && (e["phase"] != "copying" || e["phase_bytes_total"] != float64(100<<20)) {
			t.Errorf("%q", l)
		}
	}
	if got := strings.Join(kinds, " "); got != "note progress progress progress end" {
		t.Error(got)
	}
}

// TestBars: bars end, leave no goroutine, and print the summary; what they look like is for eyes.
func TestBars(t *testing.T) {
	for _, result := range []string{status.Complete, status.Failed} {
		var b bytes.Buffer
		d := New(Config{Progress: Bar, Err: &b})
		d.Note("source /d")
		waiting := at(0)
		waiting.Phase, waiting.Total = "waiting", 0
		d.Update(waiting)
		d.Update(at(1))
		d.Update(at(2))
		s := at(3)
		s.Result = result
		d.Close(s)
		if strings.Contains(b.String(), "complete: ") != (result == status.Complete) {
			t.Errorf("%s: %q", result, b.String())
		}
	}
}

// several is a transfer to three receivers, the second of which has failed.
func several(seconds int) status.Status {
	s := at(seconds)
	for i, name := range []string{"h:1", "h:2", "h:3"} {
		one := at(seconds)
		one.Receiver, one.Done = name, one.Done/int64(i+1)
		if i == 1 {
			one.Result, one.Error = status.Failed, "cut"
		}
		s.Receivers = append(s.Receivers, one)
	}
	return s
}

// TestReceivers: each transfer that still runs has its line, under the receiver's name.
func TestReceivers(t *testing.T) {
	var b bytes.Buffer
	d := New(Config{Progress: Log, Err: &b})
	for s := range 7 {
		d.Update(several(s))
	}
	s := several(7)
	s.Result, s.Files, s.Bytes = status.Complete, 3, 100<<20
	d.Close(s)
	want := `h:1: copying: 5.0 MiB of 100 MiB (5%), 1.0 MiB/s (mean 1.0 MiB/s), ETA 1m35s, sent 2.5 MiB, saved 2.5 MiB, 4 streams
h:3: copying: 1.7 MiB of 100 MiB (1%), 1.0 MiB/s (mean 1.0 MiB/s), ETA 1m35s, sent 2.5 MiB, saved 2.5 MiB, 4 streams
complete at 3 receivers: 3 files and directories, 100 MiB; read here 0 B, sent 3.5 MiB, saved 3.5 MiB, holes 0 B, wire 0 B, 7s
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	New(Config{Progress: Log, Err: &b}).Close(several(5)) // trireme watch --once
	if b.String() != want[:strings.Index(want, "complete")] {
		t.Errorf("once: %s", b.String())
	}
	b.Reset()
	d = New(Config{Progress: Bar, Err: &b})
	d.Update(several(1))
	d.Note("a note")
	d.Update(several(2))
	d.Close(s)
	if !strings.Contains(b.String(), "complete at 3") {
		t.Errorf("%q", b.String())
	}
}

// TestSeconds: times as people write them.
func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0s", 0.26: "300ms", 9.94: "9.9s", 12.4: "12s", 60: "1m", 75: "1m15s", 3600: "1h0m", 3661: "1h1m1s"} {
		if got := seconds(s); got != want {
			t.Errorf("%v is %q, want %q", s, got, want)
		}
	}
}

// TestEventOfPhase: a phase that begins is told at once, and not twice within a second.
func TestEventOfPhase(t *testing.T) {
	var b bytes.Buffer
	d := New(Config{JSON: &b})
	s := at(1)
	for _, phase := range []string{"listing", "copying", "copying"} {
		s.Phase = phase
		s.Updated = s.Updated.Add(100 * time.Millisecond)
		d.Update(s)
	}
	if got := b.String(); strings.Count(got, "listing") != 1 || strings.Count(got, "copying") != 1 {
		t.Error(got)
	}
}
