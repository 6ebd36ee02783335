package status

import (
	"time"

	"trireme/proto"
)

// Fan follows the transfers to several receivers of one source. It belongs to one goroutine.
type Fan struct {
	all   *Tracker // writes the files and knows when the whole began
	each  []*Tracker
	ended []*Status // nil while a transfer runs
}

// NewFan begins to follow transfers, each with the name of its receiver.
func NewFan(c Config, names []string, ps []*proto.Progress) *Fan {
	f := &Fan{all: New(c, new(proto.Progress)), ended: make([]*Status, len(ps))}
	for i, p := range ps {
		own := c
		own.File, own.Metrics, own.receiver = "", "", names[i]
		f.each = append(f.each, New(own, p))
	}
	return f
}

// Tick looks at the figures, writes the files when it is time, and returns the present status of all together.
func (f *Fan) Tick(now time.Time) Status {
	s := f.now(now)
	if now.Sub(f.all.written) >= filesEvery-filesEvery/10 {
		f.all.written = now
		f.all.write(&s)
	}
	return s
}

// End notes the end of transfer i and returns its summary. The arguments are those of Tracker.Finish.
func (f *Fan) End(i int, result string, sum proto.Summary, err error, code int) Status {
	s := f.each[i].Finish(result, sum, err, code)
	f.ended[i] = &s
	return s
}

// Finish writes the summary of all together and returns it, when each has ended. err is the cause when result is Failed.
func (f *Fan) Finish(result string, err error, code int) Status {
	s := f.now(time.Now())
	s.Result, s.ExitCode, s.ETA = result, code, nil
	if err != nil {
		s.Error = err.Error()
	}
	f.all.write(&s)
	return s
}

// now adds up the transfers. The phase is that of the one which has the longest way to go.
func (f *Fan) now(at time.Time) Status {
	s := f.all.now(at)
	s.Phase = ""
	behind := proto.PhaseDone + 1
	for i, t := range f.each {
		var one Status
		if f.ended[i] != nil {
			one = *f.ended[i]
		} else {
			one = t.now(at)
			if p := t.p.Snapshot().Phase; p < behind {
				behind, s.Phase = p, one.Phase
			}
			s.Total, s.Done = s.Total+one.Total, s.Done+one.Done
			s.Rate, s.RateMean, s.Streams = s.Rate+one.Rate, s.RateMean+one.RateMean, s.Streams+one.Streams
			s.Away = s.Away || one.Away
			if one.ETA != nil && (s.ETA == nil || *one.ETA > *s.ETA) {
				s.ETA = one.ETA
			}
		}
		f.all.looked = f.all.looked || t.looked
		s.Files, s.Bytes = max(s.Files, one.Files), max(s.Bytes, one.Bytes)
		s.Read, s.Shared, s.Sent, s.Saved = s.Read+one.Read, s.Shared+one.Shared, s.Sent+one.Sent, s.Saved+one.Saved
		s.Holes, s.Wire = s.Holes+one.Holes, s.Wire+one.Wire
		s.Receivers = append(s.Receivers, one)
	}
	if s.Away {
		s.ETA = nil // at least one of them does not get on
	}
	if s.Phase == "" {
		s.Phase = proto.PhaseDone.String()
	}
	return s
}
