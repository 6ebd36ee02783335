package proto

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"trireme/engine/gentle"
	"trireme/engine/share"
	"trireme/engine/tree"
	"trireme/proto/msg"
	"trireme/wire"
	"trireme/wire/pack"
)

// Version is the version of the protocol this package speaks.
const Version = 1

// Locker stops the donor's server from writing and lets it go again. The face that
// knows the server implements it.
type Locker interface {
	// Lock blocks until the server holds still and returns the coordinates of that
	// moment (R-LOCK-6). It must give up when ctx ends. The errors of both methods say
	// what was being done.
	Lock(ctx context.Context) (state string, err error)
	// Unlock lets the server go on. It is called once after each successful Lock of
	// a transfer that has not failed. After a failure, which the end of ctx tells, the
	// Locker lets the server go by itself.
	Unlock() error
}

// DonorConfig is what Send needs.
type DonorConfig struct {
	Ticket wire.Ticket
	Wire   wire.Config // Session is filled in here

	// Reconnect is how long a lost connection is tried to be opened again; 0 means that a
	// loss ends the transfer. Under the lock it is a few seconds at most. ReconnectFrom
	// says where the value comes from, for errors.
	Reconnect     time.Duration
	ReconnectFrom string

	// Dirs is the datadir to read. Unused for a bypass.
	Dirs *tree.Dirs
	// Locker brackets the locked passes. nil: the datadir is quiet by itself.
	Locker Locker
	// Quiet is a scan of Dirs that was made while nothing could write there, which is still
	// so. Unchanged sees to it that it was. Then no other look is needed
	// to begin with, and verify rounds hash what has moved only: without a server nobody
	// writes through a mapping. It is not changed. nil: nothing of the kind is known.
	Quiet *tree.Tree
	// Unchanged is given each later scan of a Quiet tree, the last of which is made when all content has been read. Its
	// error says that the datadir was not quiet and ends the transfer. It does not keep the tree. nil: any change is the
	// verify rounds' to deal with.
	Unchanged func(now *tree.Tree) error
	// Manifest lets files that neither end has touched since the last transfer stay unread, by what the joiner has
	// written down then. It takes effect with Quiet alone.
	Manifest       bool
	testOnlyMargin time.Duration // 0: stampMargin
	// Bypass says that IST follows: no file is read, State is passed on.
	Bypass bool
	// State are the coordinates for a bypass, or for a full copy without a Locker.
	State string

	Software, Node string
	Facts          []msg.Fact

	// Streams bounds the data connections; 0 means wire.MaxLinks. The joiner may allow
	// fewer. A donor begins with one per processor, at least four (performance 8.2), or
	// sixteen over a long path, and has more of them work as long as that pays.
	Streams int
	// NoDelta sends every file whole, whatever the joiner holds.
	NoDelta bool
	// VerifyAll lets the verify rounds hash every file, not only the suspects.
	VerifyAll bool
	// IdleTimeout is how long nothing at all may move at either end; 0 means two minutes,
	// less than 0 without limit. Under the lock it is ten seconds at most in any case.
	IdleTimeout time.Duration
	// Rounds caps the verify rounds of one lock window; 0 means 8.
	Rounds int

	// Passes caps the live passes; 0 means that all is copied under the lock.
	Passes int
	// PassesTime ends the live passes; 0 means without limit.
	PassesTime time.Duration
	// LockTarget is how long a lock may be expected to take when it is asked for;
	// 0 means 2 s. Passes go on below it as long as they still shrink.
	LockTarget time.Duration
	// LockMax is when a lock is given back and another live pass made; 0 means never.
	LockMax time.Duration
	// RateLimit bounds the bytes a second read from the donor's files while its server
	// works; 0 means no limit. Under the lock there is none (R-LOAD-1). Without a
	// Locker nobody waits for us, and it holds all the time.
	RateLimit int64
	// RateChanges carries new values of RateLimit while the transfer runs. It is never
	// closed. nil: the limit stays.
	RateChanges <-chan int64
	// Compress says whether content is packed for the wire; zero means that it is not.
	// The joiner must take the codec.
	Compress pack.Mode
	// CompressLevel is a level of the zstd command; 0 means its fastest.
	CompressLevel int
	// Gentle leaves the page cache as it was and steps back in the disk's queue while
	// the server works (R-LOAD-2). It changes the priority of the whole process.
	Gentle bool
	// BeforeLock is called between the live passes and the lock; one more pass follows
	// it. It may make the server's flush under the lock shorter. Its error is noted and
	// ends nothing. nil: nothing to do.
	BeforeLock func(ctx context.Context) error
	// Basis ends the transfer after the live passes, with CodeBasis at both ends: the
	// joiner keeps what has arrived for a later transfer to compare with, and no server
	// can start on it (R-COPY-7). It needs no Locker and takes no lock.
	Basis bool
	// Share is this transfer's part in one reading for several joiners. A verify round takes from it
	// only what was read after this transfer's own pass before had read its last, so it proves as much as if it had
	// read all itself. It has left when Send returns. It goes with datadirs that nobody writes, and, for the first pass, with
	// Basis; not with a Locker. nil: all is read for this joiner alone.
	Share *share.Reader
	// BufferPool is how many bytes of pages the server keeps in memory, which bounds how
	// many of them it has to write when it is locked. 0: not known, none are expected.
	BufferPool int64
	// PageLSN says that the server writes all its pages before it reports the lock,
	// so that a page's LSN tells whether it changed (consistency 1.2, 2.6).
	PageLSN bool

	// Keyring reads the file with the keys of encrypted tables, and makes the value of
	// FactKeys from it, which Facts must have had as well. It is called at the end of each
	// lock window, with the server still locked; the content is Send's to clear. It is
	// sent if both ends check each other's certificate (R-SEC-1), and must not have
	// changed otherwise. nil: no such file.
	Keyring func() (content []byte, fact string, err error)

	// Progress receives the figures while the transfer runs. nil: nobody watches.
	Progress *Progress
	// Note is told in one sentence what is about to happen. nil: nobody listens. It
	// is called from one goroutine at a time and must not block.
	Note func(format string, args ...any)
	// Trouble is told in place of Note what somebody who watches must know: that the path
	// to the other end is gone, and that it is there again. nil: Note.
	Trouble func(format string, args ...any)
}

// Summary is what a transfer came to.
type Summary struct {
	Bypass bool
	State  string // coordinates
	Files  uint32 // entries of the catalogue
	Bytes  int64  // their content
	Passes []PassStats
	Locked time.Duration // from asking for the lock to letting go, all attempts
	Locks  int           // windows it took
	Wire   int64         // bytes on the wire, both ways
	Wait   time.Duration // of Locked: until the server granted it
	// Reopened counts connections that were lost and opened again, Resent the bytes that
	// this end had to send again for it.
	Reopened int
	Resent   int64
	// Predicted is how long the lock was expected to take when it was first asked for; 0
	// without live passes.
	Predicted time.Duration
}

// Send plays the donor. It returns when the joiner has confirmed that its copy is
// durable, or with the first cause of failure, which the joiner has then been told
// if it could be reached.
func Send(ctx context.Context, c DonorConfig) (Summary, error) {
	d := newDonor(ctx, c)
	if c.Share != nil {
		defer c.Share.Leave()
	}
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
	counted uint16    // of them, those that people hear of: a live pass may be no more than the list of files
	workers []*worker // as many as there may be; the crew says which of them work
	crew    crew

	packing packing
	limit   *throttle
	working atomic.Bool  // the server works: limits hold
	crowded atomic.Bool  // transactions pile up at the joiner
	held    atomic.Int64 // ns that all workers together have waited for the limit

	started   time.Time
	lastLSN   uint64        // newest known checkpoint; 0 when pages cannot be judged by LSN
	page      int           // page size of the system tablespace
	sampled   time.Time     // when the clocks were compared last
	distrust  atomic.Bool   // time stamps prove nothing any more
	predicted time.Duration // of the next lock; 0: none was made
	foretold  time.Duration // the same when the first one was asked for
	looked    time.Duration // that the last look at all files took
	disks     *tree.Tree    // the file systems of that look; no entries
	effort    time.Duration // of the last live pass, see passMeter
	firstLSN  uint64        // checkpoint before the first pass
	newest    atomic.Uint64 // highest LSN of a page that was found changed
	rewritten atomic.Int64  // bytes of such pages
	reading   atomic.Int64  // ns that all workers together have waited for files
	rough     bool          // the kernel does not let us lower our priority

	spools *spools   // of the present lock window
	spare  []*parcel // for the next of them, in memory already
	clones *clones   // of the present lock window
	clock  passClock // of the present locked pass
	cutoff *cutoff   // of the present lock window; nil: none; written under mu
	// cutoffReason is why the last one passed.
	cutoffReason string
	flushing     <-chan error // a flush that the cutoff overtook; nil: none
	closing      <-chan error // the same of a pass's end
	follower     follower     // of the redo log
	aside        atomic.Int64 // bytes that count as movement and for nothing else: of the redo log, of what is written back
	untold       diff         // what that window's end kept from the joiner
	holding      atomic.Bool  // the server is locked

	// Set between passes, read by workers.
	tracking bool   // what is sent is remembered in the rows
	finding  bool   // rechecks only count
	sharing  bool   // what is read is read for other joiners too
	parted   bool   // that is over
	after    uint64 // not 0: the lock is over, and was held at this LSN
	names    *names // since then

	found     atomic.Int64 // what rechecks found while finding
	hotUnits  atomic.Int64 // hotUnit that exist
	missed    atomic.Int64 // ranges that were wrongly skipped under the lock
	unchecked atomic.Int64 // bytes that changed again before they could be compared

	mu       sync.Mutex
	restless map[uint32]string // files that moved while they were read, and how
	imports  map[uint32]bool   // tablespaces that an import has written
	differs  map[uint32]bool   // files without page LSNs in which the last search found something

	stamps    *stamps // nil: every file is read
	noBinlogs bool    // the joiner keeps no binary logs
	sendKeys  bool    // both ends let the keyring travel
}

func newDonor(ctx context.Context, c DonorConfig) *donor {
	if c.Progress == nil {
		c.Progress = new(Progress)
	}
	c.Note, c.Trouble = voices(c.Note, c.Trouble)
	c.Facts = withTravel(c.Facts, c.Keyring != nil && c.Wire.ChecksPeer())
	if c.Rounds <= 0 {
		c.Rounds = 8
	}
	d := &donor{c: c, s: newSession(ctx, c.Reconnect), p: c.Progress, started: time.Now(), sampled: time.Now(), clones: newClones(), cat: newCatalogue(), restless: map[uint32]string{}, imports: map[uint32]bool{}, differs: map[uint32]bool{}}
	rand.Read(d.key[:]) // never fails (crypto/rand)
	rand.Read(d.id[:])
	d.limit = newThrottle(c.RateLimit)
	d.p.countWire(d.s.wireBytes, d.s.retransmitted)
	d.s.beats = d.p.done.Load
	d.s.away = &absence{limit: c.Reconnect, from: c.ReconnectFrom, tell: c.Trouble, shown: &c.Progress.away}
	d.s.heard = d.p.remote.Store
	d.s.queued = func(q msg.Queue) {
		// The soft limit of Galera's own flow control is a quarter as well: what a
		// transfer adds must not come near it.
		if q.Waiting > (q.Waiting+q.Room)/4 {
			d.crowded.Store(true)
		}
	}
	return d
}

// converse is the donor's side of SPEC.md from the first frame to the last.
func (d *donor) converse() (Summary, error) {
	d.p.enter(PhaseWaiting)
	control, err := wire.DialLink(d.s.ctx, d.c.Ticket, d.c.Wire, wire.LinkConfig{
		Limits: controlLimits(d.c.Reconnect, false), From: d.c.ReconnectFrom,
		OnLost: d.lost, OnOverdue: d.overdue,
		OnReopened: func(r wire.Reopened) { d.s.noteReopened(r, d.c.Note, d.c.Trouble) },
	})
	if err != nil {
		return Summary{}, wireError(fmt.Sprintf("connect to the joiner at %s", d.c.Ticket.Host), err)
	}
	d.s.attach(control)
	d.s.run(d.watchProgress)
	if d.c.RateChanges != nil {
		d.s.run(d.watchRate)
	}
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
	st := d.s.linkStats()
	sum.Reopened, sum.Resent = st.Reopened, st.Resent
	sum.Passes, sum.Wire, sum.Predicted = d.p.Passes(), d.s.wireBytes(), d.foretold
	return sum, nil
}

// hello exchanges what must match and returns the streams both ends agree to.
func (d *donor) hello() (int, error) {
	want := d.c.Streams
	if want <= 0 {
		want = wire.MaxLinks
	}
	own := msg.Hello{Streams: uint16(min(want, wire.MaxLinks)), Software: d.c.Software, Node: d.c.Node, Facts: d.c.Facts}
	if err := d.s.tell(msg.TypeHello, own); err != nil {
		return 0, err
	}
	f, err := d.s.within(helloLimit, msg.TypeHello)
	if err != nil {
		return 0, err
	}
	peer, err := msg.ParseHello(f.body)
	if err != nil {
		return 0, err
	}
	d.c.Note("joiner is %s, %s", printable(peer.Node), printable(peer.Software))
	if !d.c.Bypass {
		d.agree(peer.Facts)
	}
	d.sendKeys = keysTravel(d.c.Facts, peer.Facts)
	d.noBinlogs = states(peer.Facts, FactBinlogs, FactOff)
	d.openStamps(peer.Facts)
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
	if d.c.Basis {
		d.yield(true) // somebody may be writing all the time
		if d.c.Share != nil {
			d.c.Share.Begin() // changes are counted from the look at the files that follows
		}
	}
	d.judgePages()
	lsn, at, t, err := d.firstScan()
	if err != nil {
		return Summary{}, err
	}
	first := d.cat.update(t, true, false)
	d.stamp(t)
	if err := d.judgeDefinitions(t); err != nil {
		return Summary{}, err
	}
	mode := msg.Mode{Key: d.key, ID: d.id}
	mode.Files, mode.Bytes, mode.Allocated = d.cat.totals()
	d.count()
	d.c.Note("about to copy %d files and directories, %s", mode.Files, amount(mode.Bytes))
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
	defer d.release()
	if err := d.connect(min(streams, int(acc.Streams))); err != nil {
		return Summary{}, err
	}
	began := time.Now()
	if d.c.Compress == pack.Auto && len(d.packing.codecs) > 0 {
		d.s.run(d.watchLink)
	}
	sum, err := d.copy(t, first, at, lsn)
	if err != nil {
		d.s.fail(err) // before release waits for what is on its way
		return sum, err
	}
	d.explain(time.Since(began))
	return sum, nil
}

// copy is the transfer proper, with live passes or without.
func (d *donor) copy(t *tree.Tree, first diff, at time.Time, lsn uint64) (Summary, error) {
	defer d.keepUp()()
	if d.c.Basis {
		return Summary{}, d.basis(first, at, lsn)
	}
	if d.c.Passes == 0 || d.c.Locker == nil {
		// A quiet datadir needs no passes.
		return d.allUnderLock(first, t)
	}
	if err := d.live(first, at, lsn); err != nil {
		return Summary{}, err
	}
	if d.c.BeforeLock != nil {
		if err := d.c.BeforeLock(d.s.ctx); err != nil {
			if d.s.ctx.Err() != nil {
				return Summary{}, d.s.cause(err)
			}
			d.c.Note("going for the lock all the same: %v", err)
		}
		if _, err := d.livePass(); err != nil {
			return Summary{}, err
		}
		d.predict("the server has written its pages")
	}
	return d.lock()
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

// yield says whether the server works, and so whether we hold back.
func (d *donor) yield(working bool) {
	d.working.Store(working)
	if !d.c.Gentle || d.rough {
		return
	}
	if err := gentle.Lower(working); err != nil {
		d.c.Note("the priority of our disk access stays as it is: %v", err)
		d.rough = true
	}
}
