package proto

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"trireme/engine/tree"
	"trireme/proto/msg"
	"trireme/wire"
)

// Version is the version of the protocol this package speaks.
const Version = 1

// Locker stops the donor's server from writing and lets it go again. The face that
// knows the server implements it.
type Locker interface {
	// Lock blocks until the server holds still and returns the coordinates of that
	// moment (R-LOCK-6). It must give up when ctx ends.
	Lock(ctx context.Context) (state string, err error)
	// Unlock lets the server go on. It is called once after each successful Lock of
	// a transfer that has not failed; after a failure the program's exit does it.
	Unlock() error
}

// DonorConfig is what Send needs.
type DonorConfig struct {
	Ticket wire.Ticket
	Wire   wire.Config // Session is filled in here

	// Dirs is the datadir to read. Unused for a bypass.
	Dirs *tree.Dirs
	// Locker brackets the locked passes. nil: the datadir is quiet by itself.
	Locker Locker
	// Bypass says that IST follows: no file is read, State is passed on.
	Bypass bool
	// State are the coordinates for a bypass, or for a full copy without a Locker.
	State string

	Software, Node string
	Facts          []msg.Fact

	// Streams is the number of data connections wanted; 0 means one per processor,
	// at least four (performance 8.2). The joiner may allow fewer.
	Streams int
	// NoDelta sends every file whole, whatever the joiner holds.
	NoDelta bool
	// VerifyAll lets the verify rounds hash every file, not only the suspects.
	VerifyAll bool
	// Rounds caps the verify rounds of one lock window; 0 means 8.
	Rounds int

	// Progress receives the figures while the transfer runs. nil: nobody watches.
	Progress *Progress
	// Note is told in one sentence what is about to happen. nil: nobody listens. It
	// is called from one goroutine at a time and must not block.
	Note func(format string, args ...any)
}

// Summary is what a transfer came to.
type Summary struct {
	Bypass bool
	State  string // coordinates
	Files  uint32 // entries of the catalogue
	Bytes  int64  // their content
	Passes []PassStats
	Locked time.Duration // from asking for the lock to letting go
	Wire   int64         // bytes on the wire, both ways
	Wait   time.Duration // of Locked: until the server granted it
}

// Send plays the donor. It returns when the joiner has confirmed that its copy is
// durable, or with the first cause of failure, which the joiner has then been told
// if it could be reached.
func Send(ctx context.Context, c DonorConfig) (Summary, error) {
	d := newDonor(ctx, c)
	sum, err := d.converse()
	if err = d.s.close(err); err != nil {
		return Summary{}, err
	}
	return sum, nil
}

type donor struct {
	c   DonorConfig
	s   *session
	p   *Progress
	cat *catalogue

	key     [32]byte
	id      [16]byte
	passes  uint16
	workers []*worker

	mu       sync.Mutex
	restless map[uint32]string // files that moved while they were read, and how

	noBinlogs bool // the joiner keeps no binary logs
}

func newDonor(ctx context.Context, c DonorConfig) *donor {
	if c.Progress == nil {
		c.Progress = new(Progress)
	}
	if c.Note == nil {
		c.Note = func(string, ...any) {}
	}
	if c.Rounds <= 0 {
		c.Rounds = 8
	}
	d := &donor{c: c, s: newSession(ctx), p: c.Progress, cat: newCatalogue(), restless: map[uint32]string{}}
	rand.Read(d.key[:]) // never fails (crypto/rand)
	rand.Read(d.id[:])
	d.p.countWire(d.s.wireBytes)
	d.s.beats = d.p.done.Load
	d.s.heard = d.p.remote.Store
	return d
}

// converse is the donor's side of SPEC.md from the first frame to the last.
func (d *donor) converse() (Summary, error) {
	d.p.enter(PhaseWaiting)
	conn, err := wire.Dial(d.s.ctx, d.c.Ticket, wire.Control, d.c.Wire)
	if err != nil {
		return Summary{}, wireError(fmt.Sprintf("connect to the joiner at %s", d.c.Ticket.Host), err)
	}
	d.s.attach(conn)
	streams, err := d.hello()
	if err != nil {
		return Summary{}, err
	}
	if d.c.Bypass {
		return d.bypass()
	}
	sum, err := d.full(streams)
	if err != nil {
		return Summary{}, err
	}
	d.p.enter(PhaseDone)
	sum.Files, sum.Bytes, _ = d.cat.totals()
	sum.Passes, sum.Wire = d.p.Passes(), d.s.wireBytes()
	return sum, nil
}

// hello exchanges what must match and returns the streams both ends agree to.
func (d *donor) hello() (int, error) {
	want := d.c.Streams
	if want <= 0 {
		want = autoStreams()
	}
	own := msg.Hello{Streams: uint16(min(want, 256)), Software: d.c.Software, Node: d.c.Node, Facts: d.c.Facts}
	if err := d.s.tell(msg.TypeHello, own); err != nil {
		return 0, err
	}
	f, err := d.s.next(msg.TypeHello)
	if err != nil {
		return 0, err
	}
	peer, err := msg.ParseHello(f.body)
	if err != nil {
		return 0, err
	}
	d.c.Note("joiner is %s, %s", printable(peer.Node), printable(peer.Software))
	d.noBinlogs = states(peer.Facts, FactBinlogs, FactOff)
	if !d.c.Bypass {
		if err := checkFacts(d.c.Facts, peer.Facts); err != nil {
			return 0, err
		}
	}
	return int(min(own.Streams, peer.Streams)), nil
}

func (d *donor) bypass() (Summary, error) {
	if err := d.s.tell(msg.TypeMode, msg.Mode{Bypass: true, ID: d.id, State: d.c.State}); err != nil {
		return Summary{}, err
	}
	if _, err := d.s.next(msg.TypeAccept); err != nil {
		return Summary{}, err
	}
	d.p.enter(PhaseDone)
	return Summary{Bypass: true, State: d.c.State, Wire: d.s.wireBytes()}, nil
}

// full is everything after "this is a full copy": announce, lock, copy, verify,
// unlock, commit.
func (d *donor) full(streams int) (Summary, error) {
	d.p.enter(PhaseScanning)
	t, err := d.scan()
	if err != nil {
		return Summary{}, err
	}
	first := d.cat.update(t, true)
	mode := msg.Mode{Key: d.key, ID: d.id}
	mode.Files, mode.Bytes, mode.Allocated = d.cat.totals()
	d.count()
	d.c.Note("about to copy %d files and directories, %d MiB", mode.Files, mode.Bytes>>20)
	if err := d.s.tell(msg.TypeMode, mode); err != nil {
		return Summary{}, err
	}
	f, err := d.s.next(msg.TypeAccept)
	if err != nil {
		return Summary{}, err
	}
	acc, err := msg.ParseAccept(f.body)
	if err != nil {
		return Summary{}, err
	}
	if err := d.connect(min(streams, int(acc.Streams))); err != nil {
		return Summary{}, err
	}
	defer d.release()
	// The catalogue is announced before the lock, in a live pass without data: the
	// joiner's answers, which decide between comparing and sending, then cost
	// nothing under the lock.
	if err := d.announcePass(first); err != nil {
		return Summary{}, err
	}
	return d.underLock()
}

// scan reads the tree and refuses what cannot be copied (R-META-3).
func (d *donor) scan() (*tree.Tree, error) {
	t, err := d.c.Dirs.Scan(d.s.ctx)
	if err != nil {
		return nil, d.s.cause(Fail(CodeIO, fmt.Errorf("scan the donor's datadir: %w", err)))
	}
	if d.noBinlogs {
		t.Entries = slices.DeleteFunc(t.Entries, func(e tree.Entry) bool { return e.Role == tree.RoleBinlog })
	}
	refusals := append(append([]tree.Refusal(nil), t.Refusals...), tree.CheckEngines(d.s.ctx, d.c.Dirs, t)...)
	if err := d.s.ctx.Err(); err != nil {
		return nil, d.s.cause(err)
	}
	return t, refuse(refusals)
}

func refuse(rs []tree.Refusal) error {
	if len(rs) == 0 {
		return nil
	}
	const shown = 5
	var lines []string
	for i, r := range rs {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more", len(rs)-shown))
			break
		}
		line := r.Path + ": " + r.What
		if r.Hint != "" {
			line += " (" + r.Hint + ")"
		}
		lines = append(lines, line)
	}
	return failf(CodeRefused, "the donor's datadir cannot be copied: %s", strings.Join(lines, "; "))
}

// underLock runs the locked pass and its verify rounds, then commits.
func (d *donor) underLock() (Summary, error) {
	d.p.enter(PhaseLocking)
	sum := Summary{State: d.c.State}
	asked := time.Now()
	if d.c.Locker != nil {
		d.c.Note("asking the server to flush and lock its tables")
		state, err := d.c.Locker.Lock(d.s.ctx)
		if err != nil {
			return Summary{}, d.s.cause(Fail(CodeLock, fmt.Errorf("lock the donor's server: %w", err)))
		}
		sum.State = state
		sum.Wait = time.Since(asked)
		d.c.Note("locked after %.3f s at %s", sum.Wait.Seconds(), state)
		d.s.silence.Store(int64(silenceLocked))
	}
	if err := d.lockedPasses(); err != nil {
		return Summary{}, err
	}
	if d.c.Locker != nil {
		if err := d.c.Locker.Unlock(); err != nil {
			return Summary{}, d.s.cause(Fail(CodeServer, fmt.Errorf("unlock the donor's server: %w", err)))
		}
		d.s.silence.Store(int64(silenceLive))
	}
	sum.Locked = time.Since(asked)
	d.c.Note("server released after %.3f s, waiting for the joiner to make its copy durable", sum.Locked.Seconds())
	d.p.enter(PhaseCommit)
	n, bytes, _ := d.cat.totals()
	if err := d.s.tell(msg.TypeCommit, msg.Commit{Entries: n, Bytes: bytes, State: sum.State}); err != nil {
		return Summary{}, err
	}
	f, err := d.s.next(msg.TypeCommitted)
	if err != nil {
		return Summary{}, err
	}
	if _, err := msg.ParseCommitted(f.body); err != nil {
		return Summary{}, err
	}
	return sum, nil
}

func (d *donor) count() {
	n, bytes, _ := d.cat.totals()
	d.p.files.Store(int64(n))
	d.p.bytes.Store(bytes)
}

// unrest records that a file moved under a reader; the next verify round looks at
// it again (R-COPY-6).
func (d *donor) unrest(id uint32, what string) {
	d.mu.Lock()
	d.restless[id] = what
	d.mu.Unlock()
}

// takeUnrest returns and forgets what moved since the last call.
func (d *donor) takeUnrest() map[uint32]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.restless
	d.restless = map[uint32]string{}
	return r
}

// wireError words an error of package wire; a refusal keeps its own text.
func wireError(what string, err error) error {
	var ref *wire.RefusedError
	if errors.As(err, &ref) {
		return &Error{Code: CodeRefused, Remote: ref.ByPeer, Err: errors.New(ref.Reason)}
	}
	return failf(CodeNetwork, "%s: %w", what, err)
}

// gone says whether an error only means that a file is no longer there.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
