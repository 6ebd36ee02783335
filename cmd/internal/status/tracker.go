package status

import (
	"os"
	"time"

	"trireme/proto"
)

// filesEvery is the time between two writings of the files.
const filesEvery = time.Second

// Config says whose transfer it is and where it is written to.
type Config struct {
	Program, Role, Directory string
	// File is the status file; "" means none. Unless Wanted is set it was not asked
	// for by name: it is not written before the joiner has taken the offer, so that a
	// bypass and a refusal touch nothing, and failures to write it are nobody's business.
	File   string
	Wanted bool
	// Give makes a new status file belong to whom it shall; nil: it is ours.
	Give func(*os.File) error
	// Metrics is the file for Prometheus; "" means none.
	Metrics string
	// Phase names a phase for people; nil means proto's names.
	Phase func(proto.Phase) string
	// Warn is told once for each file that cannot be written.
	Warn func(format string, args ...any)

	receiver string // who this transfer goes to, where there are several
}

// Tracker follows one transfer. It belongs to one goroutine.
type Tracker struct {
	c       Config
	p       *proto.Progress
	meter   Meter
	started time.Time
	written time.Time
	saved   int64          // found equal so far
	base    int64          // of saved, when the phase began
	before  proto.Snapshot // at the last look before the phase began
	last    proto.Snapshot // at the last look
	looked  bool           // the joiner has taken the offer and data connections stand
	quiet   map[string]bool
}

// New begins to follow p.
func New(c Config, p *proto.Progress) *Tracker {
	if c.Phase == nil {
		c.Phase = proto.Phase.String
	}
	return &Tracker{c: c, p: p, started: time.Now(), quiet: map[string]bool{}}
}

// Tick looks at the figures, writes the files when it is time, and returns the present status.
func (t *Tracker) Tick(now time.Time) Status {
	s := t.now(now)
	if now.Sub(t.written) >= filesEvery-filesEvery/10 {
		t.written = now
		t.write(&s)
	}
	return s
}

// now is the present status.
func (t *Tracker) now(now time.Time) Status {
	f := t.p.Snapshot()
	if f.Phase != t.before.Phase || f.Done < t.before.Done {
		// Some has moved since it began: the first look at it would call that saved.
		t.before, t.base = t.last, t.saved
		t.before.Phase, t.before.Done = f.Phase, f.Done
	}
	t.last = f
	t.looked = t.looked || f.Streams > 0 || moves(f.Phase)
	t.meter.Add(now, f)
	if f.Phase == proto.PhaseLive || f.Phase == proto.PhaseLocked {
		t.saved = t.base + max(0, f.Done-(f.Sent-t.before.Sent)-(f.Holes-t.before.Holes))
	}
	s := Status{
		Version: Version, Program: t.c.Program, Role: t.c.Role, Directory: t.c.Directory, Receiver: t.c.receiver, PID: os.Getpid(),
		Started: t.started, Updated: now, Result: Running, Seconds: now.Sub(t.started).Seconds(),
		Phase: t.c.Phase(f.Phase), Total: f.Total, Done: min(f.Done, max(f.Total, 0)), Rate: t.meter.Recent(), RateMean: t.meter.Mean(),
		Files: f.Files, Bytes: f.Bytes, Read: f.Read, Shared: f.Given, Sent: f.Sent, Saved: t.saved, Trusted: f.Trusted, Kept: f.TrustedFiles, Holes: f.Holes, Wire: f.Wire, Again: f.Retransmitted, Streams: f.Streams, Away: f.Away,
		Passes: t.p.Passes(),
	}
	if !moves(f.Phase) {
		s.Total, s.Done, s.Rate, s.RateMean = 0, 0, 0, 0
	}
	if eta, ok := t.meter.ETA(f); ok && moves(f.Phase) && !f.Away {
		seconds := eta.Seconds()
		s.ETA = &seconds
	}
	return s
}

// moves tells the phases in which bytes are looked at.
func moves(p proto.Phase) bool {
	return p == proto.PhaseLive || p == proto.PhaseLocked || p == proto.PhaseVerifying
}

// Finish writes the summary of a transfer that has ended and returns it. result is one of the constants above; err is
// the cause when that is Failed.
func (t *Tracker) Finish(result string, sum proto.Summary, err error, code int) Status {
	s := t.now(time.Now())
	s.Result, s.ExitCode = result, code
	s.LockSeconds, s.LockWait, s.State = sum.Locked.Seconds(), sum.Wait.Seconds(), sum.State
	s.ETA, s.Away = nil, false
	if sum.Files > 0 {
		s.Files, s.Bytes, s.Wire = int64(sum.Files), sum.Bytes, sum.Wire
		s.Saved = max(0, sum.Bytes-s.Sent-s.Holes)
	}
	if err != nil {
		s.Error = err.Error()
	}
	t.write(&s)
	return s
}

func (t *Tracker) write(s *Status) {
	if t.c.File != "" && (t.c.Wanted || t.looked) {
		t.warn(t.c.File, "status-file", Write(t.c.File, s, t.c.Give), t.c.Wanted)
	}
	if t.c.Metrics != "" {
		t.warn(t.c.Metrics, "metrics-file", WriteMetrics(t.c.Metrics, s), true)
	}
}

func (t *Tracker) warn(path, option string, err error, wanted bool) {
	if err == nil || !wanted || t.quiet[path] || t.c.Warn == nil {
		return
	}
	t.quiet[path] = true
	t.c.Warn("option %s: %v; the transfer goes on without it", option, err)
}
