package sst

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize" // sizes for people, with the right unit

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/status"
	"trireme/proto"
)

// reportEvery is the time between two progress lines in the error log, idleEvery that of a joiner that nobody has called for
// longer than that.
const (
	reportEvery = 5 * time.Second
	idleEvery   = time.Minute
)

// report prints progress until the returned function is called with the outcome, and
// keeps status and metrics file. The server's own total and complete lines are printed
// where it understands them; package galera knows.
func (c *call) report(p *proto.Progress) (stop func(proto.Summary, error)) {
	tracker := status.New(c.statusConfig(), p)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		var r rate
		say, end := c.progressLines()
		defer end()
		start := time.Now()
		last := start
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				s := p.Snapshot()
				r.Add(now, s)
				c.tellServer(s)
				tracker.Tick(now)
				waits := s.Phase == proto.PhaseWaiting
				if c.mute() || !due(last, now, waits && now.Sub(start) > idleEvery) {
					continue
				}
				last = now
				if waits && c.args.Role == galera.RoleJoiner && c.set != nil {
					say(nobodyYet(now.Sub(start), c.set.InitialTimeout))
					continue
				}
				say(r.line(s))
			}
		}
	})
	return func(sum proto.Summary, err error) {
		close(done)
		wg.Wait()
		result, code := status.Complete, galera.ExitOK
		switch {
		case err != nil:
			result, code = status.Failed, c.exitCode(err)
		case sum.Bypass:
			result = status.Bypass
		}
		tracker.Finish(result, sum, err, code)
	}
}

// mute says that progress=none keeps progress lines out of the log.
func (c *call) mute() bool { return c.set != nil && c.set.ProgressOff }

// statusConfig says where this transfer can be watched.
func (c *call) statusConfig() status.Config {
	s := status.Config{Program: c.program, Role: c.args.Role, Warn: c.log.Warningf}
	if c.set != nil {
		s.Directory, s.Metrics = c.set.Datadir, c.set.MetricsFile
		s.File, s.Wanted = status.Path(c.set)
	}
	return s
}

// due says whether it is time for another line. Ticks come a little early or late, and the next one would be a second late.
func due(last, now time.Time, idle bool) bool {
	every := reportEvery
	if idle {
		every = idleEvery
	}
	return now.Sub(last) > every-time.Second/2
}

// tellServer prints the progress lines of the server's protocol. An error here
// means that the server is gone, which others notice.
func (c *call) tellServer(s proto.Snapshot) {
	if !c.args.MayReportProgress() || s.Total == 0 || c.args.Role == galera.RoleDonor && s.Phase != proto.PhaseLocked {
		return
	}
	_ = c.out.Total(s.Total)
	_ = c.out.Complete(min(s.Done, s.Total))
}

// rate is the speed of a phase, and the progress line made of it.
type rate struct{ status.Meter }

func (r *rate) line(s proto.Snapshot) string {
	if s.Total == 0 || s.Phase == proto.PhaseDone {
		return fmt.Sprintf("%s for %.0f s", s.Phase, time.Since(r.Since()).Seconds())
	}
	done := min(s.Done, s.Total)
	eta := "ETA unknown"
	if left, ok := r.ETA(s); s.Away {
		eta = status.Absent
	} else if ok {
		eta = "ETA " + left.Round(time.Second).String()
	}
	return fmt.Sprintf("%s: %s of %s (%d%%), %s/s, %s; sent %s, wire %s", s.Phase, size(done), size(s.Total),
		done*100/s.Total, size(int64(r.Recent())), eta, size(s.Sent), size(s.Wire))
}

// nobodyYet is the joiner's line while it waits: how long it has, and which option says so.
func nobodyYet(passed, limit time.Duration) string {
	if limit == 0 {
		return fmt.Sprintf("no donor has connected yet, %.0f s (sst-initial-timeout sets no limit)", passed.Seconds())
	}
	return fmt.Sprintf("no donor has connected yet, %.0f s of %.0f s (sst-initial-timeout)", passed.Seconds(), limit.Seconds())
}

// carried counts the passes in which data travelled. The ends record empty ones differently.
func carried(passes []proto.PassStats) (n int) {
	for _, p := range passes {
		if p.Sent > 0 || p.Holes > 0 {
			n++
		}
	}
	return n
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// record is the closing summary for programs: one JSON object on one log line.
type record struct {
	Role        string            `json:"role"`
	Result      string            `json:"result"`
	State       string            `json:"state"`
	Files       uint32            `json:"files"`
	Bytes       int64             `json:"bytes_total"`
	Read        int64             `json:"bytes_read"`
	Sent        int64             `json:"bytes_sent"`
	Skipped     int64             `json:"bytes_skipped"`
	Holes       int64             `json:"bytes_holes"`
	Wire        int64             `json:"wire_bytes"`
	Packed      int64             `json:"bytes_packed"` // what bytes_sent came to on the wire, compression included
	Seconds     float64           `json:"seconds"`
	LockSeconds float64           `json:"lock_seconds"`
	LockWait    float64           `json:"lock_wait_seconds"`
	Predicted   float64           `json:"lock_predicted_seconds"`
	Passes      int               `json:"passes"` // in which data travelled
	Each        []proto.PassStats `json:"each_pass"`
}

// summarise closes the log of a transfer that went well.
func (c *call) summarise(s proto.Summary, p *proto.Progress) {
	if s.Bypass {
		c.log.Infof("bypass: IST follows from %s, no data was moved and no file was touched", s.State)
		return
	}
	fig := p.Snapshot()
	r := record{
		Role: c.args.Role, Result: "complete", State: s.State, Files: s.Files, Bytes: s.Bytes, Read: fig.Read,
		Sent: fig.Sent, Skipped: max(0, s.Bytes-fig.Sent-fig.Holes), Holes: fig.Holes, Wire: s.Wire, Packed: fig.Packed,
		Seconds: time.Since(c.start).Seconds(), LockSeconds: s.Locked.Seconds(), LockWait: s.Wait.Seconds(), Predicted: s.Predicted.Seconds(), Passes: carried(s.Passes), Each: s.Passes,
	}
	packed := ""
	if fig.Packed < fig.Carried {
		packed = fmt.Sprintf(" (compressed %.1f:1)", float64(fig.Carried)/float64(max(fig.Packed, 1)))
	}
	locked := ""
	if c.args.Role == galera.RoleDonor {
		locked = fmt.Sprintf(", server locked for %.3f s", r.LockSeconds)
	}
	c.log.Infof("complete at %s: %d files and directories, %s; read %s, sent %s%s, skipped %s, holes %s, wire %s, %.1f s%s",
		r.State, r.Files, size(r.Bytes), size(r.Read), size(r.Sent), packed, size(r.Skipped), size(r.Holes), size(r.Wire), r.Seconds, locked)
	b, err := json.Marshal(r)
	if err != nil {
		c.log.Warningf("summary could not be written: %v", err)
		return
	}
	c.log.Infof("summary: %s", b)
}
