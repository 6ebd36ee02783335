package proto

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trireme/engine/block"
	"trireme/engine/gentle"
	"trireme/engine/store"
	"trireme/proto/msg"
	"trireme/wire"
	"trireme/wire/pack"
)

// Offer is what the donor said it will send, before anything is changed.
type Offer struct {
	ID        string // names the transfer
	Node      string // the donor
	Files     int64
	Bytes     int64
	Allocated int64
}

// JoinerConfig is what Receive needs.
type JoinerConfig struct {
	Listener *wire.Listener

	// Store makes the joiner's copy. It is called once, when the donor has said that
	// this is a full copy, and its error ends the transfer with nothing changed: the
	// place to check space (R-JOIN-1).
	Store func(o Offer) (*store.Store, error)
	// CheckState looks at the coordinates before the copy is committed under them.
	CheckState func(state string) error
	// BeforeCommit is called when all has arrived and nothing is final: no server can
	// start yet. Its error ends the transfer. nil: nothing to do.
	BeforeCommit func(ctx context.Context) error

	// Manifest says that Store keeps one (store.Config.Manifest). Definitions is what the header of the one that is there says; zero
	// without.
	Manifest    bool
	Definitions [16]byte

	// Keyring puts the donor's keys of encrypted tables into their place, durably. It is
	// called at most once, when all has arrived and nothing is final; the content is
	// cleared afterwards. It is never called where the ends do not check each other's
	// certificate (R-SEC-1). nil: this end takes no keys.
	Keyring func(content []byte) error

	Software, Node string
	Facts          []msg.Fact

	// Streams is the most data connections the donor may open; 0 means
	// wire.MaxLinks.
	Streams int
	// Compress says which packed content is taken; zero means none.
	Compress pack.Mode
	// Reconnect and ReconnectFrom as in DonorConfig. A donor whose program has ended looks
	// to its joiner like a broken network, so this is also how long that goes unnoticed.
	Reconnect     time.Duration
	ReconnectFrom string
	// IdleTimeout is how long nothing at all may move at either end within a pass; 0 means
	// that the donor alone watches.
	IdleTimeout time.Duration
	// FirstContact is how long to wait for the donor; 0 means without limit.
	FirstContact time.Duration

	// Queue says how many bytes of transactions wait here until the copy is there, and
	// how many more there is room for; false while that is not known. It is called once
	// a second and must not block for long. nil: nobody knows.
	Queue func() (waiting, room int64, ok bool)

	// Gentle leaves the processor to others of this machine that want it at the same time.
	Gentle bool

	// Progress, Note and Trouble as in DonorConfig.
	Progress *Progress
	Note     func(format string, args ...any)
	Trouble  func(format string, args ...any)
}

// Receive plays the joiner on an open listener, which stays the caller's. It
// returns when the copy is durable under its final names, or when the donor said
// that IST follows (Summary.Bypass; then no file was touched), or with the first
// cause of failure.
func Receive(ctx context.Context, c JoinerConfig) (Summary, error) {
	j := newJoiner(ctx, c)
	sum, err := j.converse()
	err = j.s.close(err)
	if j.store != nil {
		if err != nil {
			j.store.Abort()
		}
		if cerr := j.store.Close(); err == nil && cerr != nil {
			err = Fail(CodeIO, cerr)
		}
	}
	if err != nil {
		return Summary{}, err
	}
	return sum, nil
}

type joiner struct {
	c     JoinerConfig
	s     *session
	p     *Progress
	store *store.Store

	key    block.Key
	links  *wire.Links  // set before await returns
	agreed int          // data links, from the Hellos
	kind   msg.PassKind // of the last pass
	// entries is memory for the next batch of a catalogue.
	entries []msg.Entry
	// differing is what the last pass sent, as the donor counts it.
	differing int64
	locked    bool        // a locked pass has been, and no live one since
	takeKeys  bool        // both ends let the keyring travel
	gotKeys   bool        // it is here
	keys      []byte      // its content; secret
	counted   passClock   // what the passes so far came to
	numbered  uint16      // passes that people hear of, as at the donor
	started   atomic.Bool // the donor's control connection is there
	open      atomic.Bool // data frames are legal: from Accept or PassDone until PassEnd
	passing   atomic.Bool // between PassBegin and PassEnd
	finished  atomic.Bool // data connections may close

	// gate is held for reading while a data frame is handled.
	gate sync.RWMutex

	told sync.Once // by which transport data comes
}

func newJoiner(ctx context.Context, c JoinerConfig) *joiner {
	if c.Progress == nil {
		c.Progress = new(Progress)
	}
	c.Note, c.Trouble = voices(c.Note, c.Trouble)
	if c.Streams <= 0 {
		c.Streams = wire.MaxLinks
	}
	c.Facts = withTravel(c.Facts, c.Keyring != nil && c.Listener.ChecksPeer())
	j := &joiner{c: c, s: newSession(ctx, c.Reconnect), p: c.Progress}
	j.p.countWire(j.s.wireBytes, j.s.retransmitted)
	j.s.beats = j.p.done.Load
	j.s.away = &absence{limit: c.Reconnect, from: c.ReconnectFrom, tell: c.Trouble, shown: &c.Progress.away}
	j.s.heard = j.p.remote.Store
	if c.Queue != nil {
		j.s.queue = func() (msg.Queue, bool) {
			waiting, room, ok := c.Queue()
			return msg.Queue{Waiting: min(max(0, waiting), msg.MaxSize), Room: min(max(0, room), msg.MaxSize)}, ok
		}
	}
	return j
}

// converse is the joiner's side of SPEC.md from the first frame to the last.
func (j *joiner) converse() (Summary, error) {
	j.p.enter(PhaseWaiting)
	control, err := j.await()
	if err != nil {
		return Summary{}, err
	}
	j.s.attach(control)
	if j.c.IdleTimeout > 0 {
		j.s.run(j.watchProgress)
	}
	peer, err := j.hello()
	if err != nil {
		return Summary{}, err
	}
	f, err := j.s.within(modeLimit, msg.TypeMode)
	if err != nil {
		return Summary{}, err
	}
	mode, err := msg.ParseMode(f.body)
	if err != nil {
		return Summary{}, err
	}
	if mode.Bypass {
		return j.bypass(mode)
	}
	// A bypass moves no data, so only a full copy needs both ends to match.
	if err := checkFacts(peer.Facts, j.c.Facts); err != nil {
		return Summary{}, err
	}
	j.takeKeys = keysTravel(peer.Facts, j.c.Facts)
	if err := j.prepare(peer, mode); err != nil {
		return Summary{}, err
	}
	return j.passes()
}

// await waits for the donor's control connection and then keeps accepting its data
// connections.
func (j *joiner) await() (*wire.Link, error) {
	first := make(chan *wire.Link, 1)
	j.s.run(func() error { return j.accept(first) })
	var late <-chan time.Time
	if j.c.FirstContact > 0 {
		t := time.NewTimer(j.c.FirstContact)
		defer t.Stop()
		late = t.C
	}
	select {
	case c := <-first:
		return c, nil
	case <-j.s.ctx.Done():
		return nil, j.s.cause(nil)
	case <-late:
		return nil, failf(CodeTimeout, "no donor has come within %v; look into the donor's error log, and at firewalls between the nodes", j.c.FirstContact.Round(100*time.Millisecond))
	}
}

// accept takes connections until the session ends. The listener has authenticated
// each; a donor that proved itself and cannot be used ends the session.
func (j *joiner) accept(first chan<- *wire.Link) error {
	for {
		c, err := j.c.Listener.Accept(j.s.ctx)
		if err != nil {
			if j.s.ctx.Err() != nil {
				return nil
			}
			return wireError("wait for the donor", err)
		}
		if c.Kind() == wire.Control {
			if j.started.Swap(true) {
				c.Close() // the listener lets only one in; never two sessions
				continue
			}
			j.links = wire.NewLinks(c, wire.LinkConfig{
				Limits: controlLimits(j.c.Reconnect, false), From: j.c.ReconnectFrom,
				OnLost: func(link uint16, err error) {
					if link == 0 {
						j.s.away.begin(err)
					}
				},
				OnReopened: func(r wire.Reopened) { j.s.noteReopened(r, j.c.Note, j.c.Trouble) },
			})
			first <- j.links.Control()
			continue
		}
		j.told.Do(func() { j.c.Note("data connections come over %v", c.Peer().Transport) })
		// The listener lets no data connection in before the control connection.
		j.s.run(func() (err error) {
			if j.c.Gentle {
				gentle.Background(func() { err = j.take(c) })
				return err
			}
			return j.take(c)
		})
	}
}

// take finds out what a data connection is for, and serves its link if that is new.
func (j *joiner) take(c *wire.Conn) error {
	l, err := j.links.Attach(j.s.ctx, c)
	if err != nil {
		return linkError("data connection", err)
	}
	if l == nil {
		return nil
	}
	j.s.own(l)
	j.p.conns.Add(1)
	return j.serve(l)
}

func (j *joiner) hello() (msg.Hello, error) {
	f, err := j.s.within(helloLimit, msg.TypeHello)
	if err != nil {
		return msg.Hello{}, err
	}
	peer, err := msg.ParseHello(f.body)
	if err != nil {
		return msg.Hello{}, err
	}
	j.c.Note("donor is %s, %s", printable(peer.Node), printable(peer.Software))
	streams := min(int(peer.Streams), j.c.Streams, wire.MaxLinks)
	j.agreed = streams
	own := msg.Hello{Streams: uint16(streams), Software: j.c.Software, Node: j.c.Node,
		Facts: slices.Concat(j.c.Facts, codecsFact(j.c.Compress), stampsFacts(j.c.Manifest, j.c.Definitions))}
	return peer, j.s.tell(msg.TypeHello, own)
}

func (j *joiner) bypass(m msg.Mode) (Summary, error) {
	if err := j.checkState(m.State); err != nil {
		return Summary{}, err
	}
	if err := j.s.tell(msg.TypeAccept, msg.Accept{Streams: 1}); err != nil {
		return Summary{}, err
	}
	j.p.enter(PhaseDone)
	return Summary{Bypass: true, State: m.State, Wire: j.s.wireBytes()}, j.untilClosed()
}

// untilClosed waits for the donor to hang up, so that our last message is read
// before the connection goes.
func (j *joiner) untilClosed() error {
	j.finished.Store(true)
	j.s.expire()
	for range j.s.in {
	}
	var e *Error
	err := j.s.cause(nil)
	if errors.As(err, &e) && (e.Code == CodeNetwork || e.Code == CodeTimeout) && !e.Remote {
		return nil
	}
	return err
}

func (j *joiner) checkState(state string) error {
	if j.c.CheckState == nil {
		return nil
	}
	if err := j.c.CheckState(state); err != nil {
		return failf(CodeProtocol, "coordinates from the donor: %w", err)
	}
	return nil
}

// prepare makes the store ready. From its first call on the datadir changes
// (R-JOIN-1: the donor has said "full", over an authenticated connection).
func (j *joiner) prepare(peer msg.Hello, m msg.Mode) error {
	j.p.enter(PhaseScanning)
	j.key = block.Key(m.Key)
	o := Offer{
		ID: hex.EncodeToString(m.ID[:]), Node: printable(peer.Node),
		Files: int64(m.Files), Bytes: m.Bytes, Allocated: m.Allocated,
	}
	j.p.files.Store(o.Files)
	j.p.bytes.Store(o.Bytes)
	j.c.Note("about to receive %d files and directories, %s, from %s", o.Files, amount(o.Bytes), o.Node)
	st, err := j.c.Store(o)
	if err != nil {
		return Fail(CodeRefused, err)
	}
	j.store = st
	if err := st.Prepare(j.s.ctx); err != nil {
		var refused *store.RefusedError
		if errors.As(err, &refused) {
			return Fail(CodeRefused, err)
		}
		return j.s.cause(Fail(CodeIO, fmt.Errorf("prepare the joiner's datadir: %w", err)))
	}
	if note := st.ManifestNote(); note != "" {
		j.c.Note("%s", note)
	}
	j.links.Allow(j.agreed)
	j.open.Store(true)
	return j.s.tell(msg.TypeAccept, msg.Accept{Streams: uint16(j.agreed)})
}

// passes serves pass after pass until the donor commits.
func (j *joiner) passes() (Summary, error) {
	var number uint16
	for {
		f, err := j.s.next(msg.TypePassBegin, msg.TypeKeyring, msg.TypeCommit)
		if err != nil {
			return Summary{}, err
		}
		if f.typ == msg.TypeKeyring {
			if err := j.keyring(f.body); err != nil {
				return Summary{}, err
			}
			if f, err = j.s.next(msg.TypeCommit); err != nil {
				return Summary{}, err
			}
		}
		if f.typ == msg.TypeCommit {
			if !j.complete() {
				return Summary{}, failf(CodeProtocol, "the donor commits without a locked pass and a verify round after it that sent nothing")
			}
			return j.commit(f.body)
		}
		b, err := msg.ParsePassBegin(f.body)
		if err != nil {
			return Summary{}, err
		}
		number++
		if b.Number != number {
			return Summary{}, failf(CodeProtocol, "the donor began pass %d, %d was due", b.Number, number)
		}
		if err := j.pass(b); err != nil {
			return Summary{}, err
		}
	}
}

// complete says whether a commit is legal.
func (j *joiner) complete() bool {
	return j.locked && j.kind == msg.PassVerify && j.differing == 0 && j.applied() == 0
}
