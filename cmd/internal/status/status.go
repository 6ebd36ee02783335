package status

import (
	"time"

	"trireme/proto"
)

// Version is that of the JSON form. Fields may be added without a new one.
const Version = 1

// Results of a transfer.
const (
	Running  = "running"
	Complete = "complete"
	Basis    = "basis"  // made as asked; no server can start on it yet
	Bypass   = "bypass" // IST follows; no data was moved
	Failed   = "failed"
)

// Status is a transfer at one moment, and after its end its summary. Sizes are bytes, times seconds.
type Status struct {
	Version   int       `json:"version"`
	Program   string    `json:"program"`
	Role      string    `json:"role"` // joiner, donor, receive, send or clone
	Directory string    `json:"directory"`
	Receiver  string    `json:"receiver,omitempty"` // who gets the copy, where there are several
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Updated   time.Time `json:"updated"`
	Result    string    `json:"result"`
	Error     string    `json:"error,omitempty"` // the first cause
	ExitCode  int       `json:"exit_code"`

	Phase    string   `json:"phase"`
	Total    int64    `json:"phase_bytes_total"` // to look at in this phase; 0: not known
	Done     int64    `json:"phase_bytes_done"`
	Rate     float64  `json:"bytes_per_second"`      // of the last seconds
	RateMean float64  `json:"bytes_per_second_mean"` // of this phase
	ETA      *float64 `json:"eta_seconds,omitempty"` // of this phase
	Away     bool     `json:"away,omitempty"`        // the connection is lost and being opened again; nothing is known about the rest then

	Files   int64 `json:"files"`                   // and directories
	Kept    int64 `json:"files_trusted,omitempty"` // files that bytes_trusted is about
	Bytes   int64 `json:"bytes_total"`
	Read    int64 `json:"bytes_read"`
	Shared  int64 `json:"bytes_shared,omitempty"` // not read, because they had been for another receiver
	Sent    int64 `json:"bytes_sent"`
	Saved   int64 `json:"bytes_saved"`             // found equal, and not sent
	Trusted int64 `json:"bytes_trusted,omitempty"` // of those saved: read at neither end, by the manifest of the last transfer
	Holes   int64 `json:"bytes_holes"`
	Wire    int64 `json:"wire_bytes"`          // both directions, with TLS
	Again   int64 `json:"retransmitted_bytes"` // by this end's TCP
	Streams int   `json:"streams"`

	Seconds     float64           `json:"seconds"`
	LockSeconds float64           `json:"lock_seconds"`
	LockWait    float64           `json:"lock_wait_seconds"`
	State       string            `json:"state,omitempty"` // coordinates
	Passes      []proto.PassStats `json:"each_pass"`

	// Receivers is each transfer of a source that goes to several; the figures above are then those of all together, but for
	// Files and Bytes, which are the source's.
	Receivers []Status `json:"receivers,omitempty"`
}

// Absent stands in the place of an ETA while no connection does.
const Absent = "waiting for the connection"

// Finished reports whether the transfer has ended.
func (s *Status) Finished() bool { return s.Result != Running }

// Ratio is the part of the content that did not have to travel, from 0 to 1.
func (s *Status) Ratio() float64 {
	if s.Bytes <= 0 {
		return 0
	}
	return float64(min(max(s.Bytes-s.Sent, 0), s.Bytes)) / float64(s.Bytes)
}
