package status

import (
	"time"

	"trireme/proto"
)

// maxETA is the longest time that is still a prediction.
const maxETA = 30 * 24 * time.Hour

// Meter keeps the present and the mean speed of a phase. The zero value is ready; it belongs to one goroutine.
type Meter struct {
	phase      proto.Phase
	start      time.Time
	first      int64
	prev       time.Time
	prevDone   int64
	perSecond  float64 // of the last seconds, smoothed
	haveRecent bool
}

// Add takes a snapshot in. A new phase, or a pass that counts from the start again, begins anew.
func (m *Meter) Add(now time.Time, s proto.Snapshot) {
	if m.start.IsZero() || s.Phase != m.phase || s.Done < m.prevDone {
		*m = Meter{phase: s.Phase, start: now, first: s.Done, prev: now, prevDone: s.Done}
		return
	}
	dt := now.Sub(m.prev).Seconds()
	if dt <= 0 {
		return
	}
	v := float64(s.Done-m.prevDone) / dt
	if m.haveRecent {
		v = 0.6*m.perSecond + 0.4*v
	}
	m.perSecond, m.haveRecent = v, true
	m.prev, m.prevDone = now, s.Done
}

// Recent is the speed of the last seconds in bytes a second.
func (m *Meter) Recent() float64 { return m.perSecond }

// Mean is the speed since the phase began.
func (m *Meter) Mean() float64 {
	if d := m.prev.Sub(m.start).Seconds(); d > 0 {
		return float64(m.prevDone-m.first) / d
	}
	return 0
}

// Since is when the phase began.
func (m *Meter) Since() time.Time { return m.start }

// ETA is how long the rest of the phase takes at the present speed; false while that is not known.
func (m *Meter) ETA(s proto.Snapshot) (time.Duration, bool) {
	if m.perSecond <= 0 || s.Total <= 0 {
		return 0, false
	}
	left := float64(s.Total-min(s.Done, s.Total)) / m.perSecond
	if left > maxETA.Seconds() {
		return 0, false // it stands still, and the smoothed rate only has not come down to nothing yet
	}
	return time.Duration(left * float64(time.Second)), true
}
