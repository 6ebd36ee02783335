package sst

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/galera"
	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/wire"
)

// grastateWait is how long the provider may take to write the state that says that
// the datadir is lost; it does so before the request for the SST leaves.
const grastateWait = 10 * time.Second

// spareEntries is how many files may come on top of twice those announced.
const spareEntries = 100_000

// joiner listens, tells the server where, and receives.
func (c *call) joiner() error {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := c.resolve(); err != nil {
		return err
	}
	addr, err := c.args.ParsedAddress()
	if err != nil {
		return err
	}
	if addr.Host == "" {
		return &galera.ExitError{Code: galera.ExitInvalid, Err: errors.New("no address to advertise: set wsrep_sst_receive_address or wsrep_node_address")}
	}
	ch, err := ends.Channel(c.set, true)
	if err != nil {
		return err
	}
	for _, w := range materialWarnings(ch) {
		c.log.Warningf("%s", w)
	}
	lay, err := c.layout()
	if err != nil {
		return err
	}
	if err := ends.Writable(lay); err != nil {
		return &galera.ExitError{Code: int(syscall.EACCES), Err: err}
	}
	if err := c.findKeyring(ch, lay); err != nil {
		return err
	}
	rand.Read(ch.Nonce[:])
	ch.OnStranger = func(remote string, err error) {
		c.log.Warningf("connection from %s refused: %v", remote, err)
	}
	ch.Note = c.log.Infof
	ln, err := wire.Listen(c.ctx, ends.ListenAddress(c.ctx, c.set, addr), ch)
	if err != nil {
		return err
	}
	defer ln.Close()
	ticket := ln.Ticket(addr.Host)
	c.log.Infof("joiner listens on %s for %s; channel: %s", ends.Where(ln), net.JoinHostPort(addr.Host, strconv.Itoa(ticket.Port)), ends.Describe(c.set, ch))
	if c.ctx.Err() != nil { // nobody shall be called for a transfer that has ended
		return context.Cause(c.ctx)
	}
	if err := c.out.Ready(ticket.String()); err != nil {
		return err
	}
	// The donor may have been told to send more binary logs than we would.
	lay.MaxBinlogs = -1
	var idle time.Duration // the donor watches in any case
	if c.set.IdleTimeoutSet {
		idle = c.set.IdleTimeout
	}
	var p proto.Progress
	stop := c.report(&p)
	defer c.closeDirs()
	sum, err := proto.Receive(c.ctx, proto.JoinerConfig{
		Listener: ln,
		Store:    func(o proto.Offer) (*store.Store, error) { return c.openStore(lay, o) },
		CheckState: func(s string) error {
			_, err := galera.ParseGTID(s)
			return err
		},
		Keyring:  c.installKeys(),
		Software: c.program, Node: c.node, Facts: c.facts(nil), Streams: c.set.Streams, Compress: ends.Compression(c.set),
		FirstContact: c.set.InitialTimeout, IdleTimeout: idle, Progress: &p, Note: c.log.Infof,
		Reconnect: c.set.Reconnect, ReconnectFrom: c.set.ReconnectFrom,
		Gentle: true,
		Queue: func() (waiting, room int64, ok bool) {
			return galera.Queue(galera.QueueConfig{Dir: c.set.GCacheDir, Limit: c.set.RecvQueueMax})
		},
	})
	stop(sum, err)
	if err != nil {
		c.failed(err)
		c.outliveServer()
		return err
	}
	c.summarise(sum, &p)
	g, err := galera.ParseGTID(sum.State)
	if err != nil {
		return err
	}
	return c.out.Final(g)
}

// openStore is called when the donor has said that this is a full copy. Everything
// that can still say no does so here, before the first change.
func (c *call) openStore(lay tree.Layout, o proto.Offer) (*store.Store, error) {
	if err := ends.Room(lay, o.Allocated); err != nil {
		return nil, err
	}
	dirs, err := tree.Open(lay)
	if err != nil {
		return nil, fmt.Errorf("open the datadir: %w", err)
	}
	c.dirs = dirs
	state := "" // in the datadir
	if c.set.WsrepDataHome != c.set.Datadir {
		state = c.set.WsrepDataHome
	}
	c.store = store.Open(store.Config{
		Dirs: dirs, Layout: lay, TransferID: o.ID, DonorID: o.Node,
		CheckGrastate: true, GrastateDir: state, GrastateWait: grastateWait,
		// Files come and go while the donor works, but not without end: each takes
		// memory here.
		MaxEntries: int(2*o.Files) + spareEntries,
	})
	return c.store, nil
}

func (c *call) closeDirs() {
	if c.dirs == nil {
		return
	}
	if err := c.dirs.Close(); err != nil {
		c.log.Warningf("%v", err)
	}
}

func materialWarnings(c wire.Config) []string {
	if c.Material == nil {
		return nil
	}
	return c.Material.Warnings
}
