package proto

import (
	"sync"
	"sync/atomic"
	"time"

	"trireme/proto/msg"
)

// Phase is where a transfer stands.
type Phase uint8

// The phases, in the order they are passed through.
const (
	PhaseWaiting   Phase = iota // joiner: for the donor; donor: connecting
	PhaseScanning               // donor looks at its files, joiner prepares
	PhaseLive                   // data flows, the donor's server works
	PhaseLocking                // waiting for the server's lock
	PhaseLocked                 // data flows under the lock
	PhaseVerifying              // looking for anything left, under the lock and after it
	PhaseCommit                 // the joiner makes its copy durable
	PhaseDone
)

func (p Phase) String() string {
	return [...]string{"waiting", "scanning", "live copy", "waiting for the lock", "locked copy", "verifying", "committing", "done"}[p]
}

// Progress is where a transfer's figures are kept while it runs. The zero value is
// ready. Reading is safe at any time from any goroutine.
type Progress struct {
	phase atomic.Uint32
	total atomic.Int64 // bytes this pass will look at
	done  atomic.Int64 // bytes it has looked at
	sent  atomic.Int64 // content bytes that travelled, whole transfer
	read  atomic.Int64 // bytes read from this end's files, whole transfer
	given atomic.Int64 // donor: bytes that were read for another joiner and taken from memory
	// trustedFiles and trusted count what was read at neither end, because the joiner's manifest vouches for it.
	trustedFiles, trusted atomic.Int64

	holes atomic.Int64 // bytes that travelled as zeroes, whole transfer
	// carried and packed count content bytes of chunks on the wire, before and after
	// packing; sent is ahead of carried by what waits under the lock.
	carried, packed atomic.Int64
	files           atomic.Int64 // entries of the catalogue
	bytes           atomic.Int64 // their content
	conns           atomic.Int32 // data connections
	remote          atomic.Int64 // what the peer's heartbeat said
	away            atomic.Bool  // see absence
	wire, again     func() int64

	mu     sync.Mutex
	passes []PassStats
}

// Snapshot is a Progress at one moment.
type Snapshot struct {
	Phase Phase
	// Total and Done are bytes of the present pass: to look at and looked at.
	Total, Done int64
	// Sent, Read and Holes count the whole transfer.
	Sent, Read, Holes int64
	// Given counts bytes that a donor did not read, because it had them from another transfer (DonorConfig.Share).
	Given int64
	// TrustedFiles and Trusted count files and bytes that were read at neither end, by the joiner's manifest.
	TrustedFiles, Trusted int64
	// Carried and Packed are content bytes that went over the wire, before and after
	// compression.
	Carried, Packed int64
	Files, Bytes    int64
	Wire            int64 // bytes on the wire in both directions
	Retransmitted   int64 // bytes that this end's TCP had to send again
	Streams         int   // data connections
	Away            bool  // the connection is lost, and being opened again
}

// PassStats is one finished pass.
type PassStats struct {
	Number  int           `json:"number"`
	Kind    string        `json:"kind"`
	Read    int64         `json:"bytes_read"`
	Sent    int64         `json:"bytes_sent"`
	Holes   int64         `json:"bytes_holes"`
	Skipped int64         `json:"bytes_skipped"`
	Took    time.Duration `json:"-"`
	Seconds float64       `json:"seconds"`
}

// Snapshot returns the present figures.
func (p *Progress) Snapshot() Snapshot {
	s := Snapshot{
		Phase: Phase(p.phase.Load()), Total: p.total.Load(), Done: p.done.Load(), Sent: p.sent.Load(),
		Read: p.read.Load(), Holes: p.holes.Load(), Given: p.given.Load(),
		TrustedFiles: p.trustedFiles.Load(), Trusted: p.trusted.Load(),
		Carried: p.carried.Load(), Packed: p.packed.Load(), Files: p.files.Load(), Bytes: p.bytes.Load(),
		Streams: int(p.conns.Load()), Away: p.away.Load(),
	}
	p.mu.Lock()
	wire, again := p.wire, p.again
	p.mu.Unlock()
	if wire != nil {
		s.Wire, s.Retransmitted = wire(), again()
	}
	return s
}

// Passes returns the passes that have ended. The caller owns the slice.
func (p *Progress) Passes() []PassStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]PassStats(nil), p.passes...)
}

func (p *Progress) trust(files, bytes int64) {
	p.trustedFiles.Add(files)
	p.trusted.Add(bytes)
}

func (p *Progress) enter(ph Phase) { p.phase.Store(uint32(ph)) }

func (p *Progress) begin(total int64) {
	p.done.Store(0)
	p.total.Store(total)
}

func (p *Progress) countWire(wire, again func() int64) {
	p.mu.Lock()
	p.wire, p.again = wire, again
	p.mu.Unlock()
}

// passClock remembers the counters at a pass's start.
type passClock struct {
	start                    time.Time
	read, given, sent, holes int64
}

func (p *Progress) clock() passClock {
	return passClock{time.Now(), p.read.Load(), p.given.Load(), p.sent.Load(), p.holes.Load()}
}

// idle says that no byte was looked at or moved since.
func (p *Progress) idle(c passClock) bool {
	return p.read.Load() == c.read && p.given.Load() == c.given && p.sent.Load() == c.sent && p.holes.Load() == c.holes
}

func (p *Progress) finish(c passClock, number uint16, kind msg.PassKind) PassStats {
	took := time.Since(c.start)
	s := PassStats{
		Number: int(number), Kind: kind.String(), Took: took, Seconds: took.Seconds(),
		Read: p.read.Load() - c.read, Sent: p.sent.Load() - c.sent, Holes: p.holes.Load() - c.holes,
	}
	s.Skipped = max(0, s.Read+p.given.Load()-c.given-s.Sent-s.Holes)
	p.mu.Lock()
	p.passes = append(p.passes, s)
	p.mu.Unlock()
	return s
}
