package sst

import (
	"context"
	"fmt"
	"strings"

	"trireme/cmd/internal/calm"
	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/settings"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/wire"
)

// donor connects to the joiner and sends. Whatever keeps it from calling is told to the joiner, which waits for us: its log shall
// say why nobody comes. Who was told to end, or has no server any more, does so at once; then the servers hear it of each other.
func (c *call) donor() error {
	ticket, err := wire.ParseTicket(c.args.Address)
	if err != nil {
		return &galera.ExitError{Code: galera.ExitProto, Err: fmt.Errorf(
			"address of the joiner: %w; both nodes must run this program for the method (the stock script at the joiner sends another kind of address)", err)}
	}
	err = c.give(ticket)
	if err != nil && !c.called && c.ctx.Err() == nil {
		cfg := wire.Config{MinVersion: proto.Version, MaxVersion: proto.Version, Plain: ticket.Plain}
		if rerr := wire.Refuse(c.ctx, ticket, cfg, "the donor's set-up: "+firstLine(err)); rerr != nil {
			c.log.Warningf("the joiner could not be told: %v", rerr)
		}
	}
	return err
}

// give is donor with a ticket that can be read.
func (c *call) give(ticket wire.Ticket) error {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave()
	ch, lay, err := c.donorSetup(ticket)
	if err != nil {
		return err
	}
	cfg := proto.DonorConfig{
		Ticket: ticket, Wire: ch, Software: c.program, Node: c.node, Bypass: c.args.Bypass,
		Streams: c.set.Streams, NoDelta: c.set.Delta == "off", VerifyAll: c.set.Verify == "full" || c.set.Paranoid,
		Reconnect: c.set.Reconnect, ReconnectFrom: c.set.ReconnectFrom, Note: c.log.Infof,
	}
	if c.args.Bypass {
		return c.bypass(cfg)
	}
	return c.full(cfg, lay)
}

// donorSetup finds the settings, the directories and our end of the channel.
func (c *call) donorSetup(t wire.Ticket) (wire.Config, tree.Layout, error) {
	if err := c.resolve(); err != nil {
		return wire.Config{}, tree.Layout{}, err
	}
	lay, err := c.layout()
	if err != nil {
		return wire.Config{}, tree.Layout{}, err
	}
	ch, err := ends.Channel(c.set, false)
	if err != nil {
		return wire.Config{}, tree.Layout{}, err
	}
	for _, w := range materialWarnings(ch) {
		c.log.Warningf("%s", w)
	}
	if !c.args.Bypass {
		if err := ends.Outside(c.set, lay); err != nil {
			return wire.Config{}, tree.Layout{}, &galera.ExitError{Code: galera.ExitInvalid, Err: err}
		}
		if err := c.findKeyring(ch, lay); err != nil {
			return wire.Config{}, tree.Layout{}, err
		}
	}
	ends.Name(c.ctx, c.set, &ch.Policy, t.Host)
	ch.Note = c.log.Infof
	c.log.Infof("donor connects to %s port %d; channel: %s", t.Host, t.Port, ends.Describe(c.set, ch))
	return ch, lay, nil
}

// position is what the server was told to report, with its domain.
func (c *call) position() (galera.GTID, error) {
	s := c.args.GTID
	if c.args.HasDomain && !strings.Contains(s, " ") {
		s += " " + c.args.GTIDDomain
	}
	g, err := galera.ParseGTID(s)
	if err != nil {
		return galera.GTID{}, &galera.ExitError{Code: galera.ExitInvalid, Err: fmt.Errorf("argument --gtid: %w", err)}
	}
	return g, nil
}

// bypass passes the position on; no file is opened.
func (c *call) bypass(cfg proto.DonorConfig) error {
	g, err := c.position()
	if err != nil {
		return err
	}
	cfg.State = g.String()
	c.called = true
	if _, err := proto.Send(c.ctx, cfg); err != nil {
		return err
	}
	c.log.Infof("bypass: IST follows from %s, no data was moved", g)
	return c.out.Done(g)
}

func (c *call) full(cfg proto.DonorConfig, lay tree.Layout) error {
	dirs, err := tree.Open(lay)
	if err != nil {
		return fmt.Errorf("open the datadir: %w", err)
	}
	defer dirs.Close()
	expected, err := c.position()
	if err != nil {
		return err
	}
	var p proto.Progress
	cfg.Dirs, cfg.Progress, cfg.Facts, cfg.Keyring = dirs, &p, c.facts(dirs), c.readKeys()
	habits := galera.FeaturesOf(c.args.Family, c.version)
	cfg.Passes, cfg.PassesTime, cfg.LockTarget, cfg.LockMax = c.set.Passes, c.set.PassesTime, c.set.LockTarget, c.set.LockMax
	cfg.RateLimit, cfg.Gentle, cfg.BufferPool = c.set.RateLimit, true, c.set.BufferPool
	if cfg.IdleTimeout = c.set.IdleTimeout; cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = -1 // the option's word for no limit
	}
	cfg.Compress, cfg.CompressLevel = ends.Compression(c.set), c.set.CompressLevel
	// A server that freezes file writes with pages still in memory, or one whose
	// version is not known, leaves no page LSN to go by.
	cfg.PageLSN = c.args.Family == galera.MariaDB && c.version != "" && !habits.NeedsRedo && !habits.FileFirst
	quiet := c.openCalm()
	if quiet != nil {
		defer func() {
			if err := quiet.Close(); err != nil {
				c.log.Warningf("%s", oneLine(err))
			}
		}()
		cfg.BeforeLock = quiet.Quiet
	}
	lock := &locker{
		domain: expected.Domain, calm: quiet, log: c.log,
		Locker: galera.NewLocker(galera.LockerConfig{
			Out: c.out, Datadir: c.set.Datadir, Family: c.args.Family, FileFirst: habits.FileFirst,
			UUID: expected.UUID, Parent: c.parent.Alive,
		}),
	}
	cfg.Locker = lock
	if limit := c.set.RateLimit; limit > 0 {
		c.log.Infof("reading at most %s/s from the files while the server works (rate-limit, %s)", size(limit), ends.Origin(c.set, "rate-limit"))
	}
	changes, unwatch := c.watchRate()
	defer unwatch()
	cfg.RateChanges = changes
	stop := c.report(&p)
	c.called = true
	sum, err := proto.Send(c.ctx, cfg)
	lock.settle()
	stop(sum, err)
	if err != nil {
		return err
	}
	c.summarise(sum, &p)
	return c.out.Done(lock.at)
}

// locker lends the server's lock to package proto.
type locker struct {
	*galera.Locker
	domain string
	calm   *calm.Calm // nil: no help
	log    *galera.Log
	at     galera.GTID
	// keep takes the lock out of the hands of the transfer's end; its error says that it came too late. nil: none is held.
	keep func() error
}

// Lock implements proto.Locker. A server whose report has no domain is given the
// one from the arguments.
//
// A transfer that fails while the lock is held lets the server go at once, before it takes leave of the joiner and puts
// settings back, which may take seconds (R-LOCK-7). What was copied is given up by then (R-LOCK-5), and the server, which
// reads on after "continue", takes our end without a "done" for the failure that it is (sst-contract 7.2).
func (l *locker) Lock(ctx context.Context) (string, error) {
	g, err := l.Locker.Lock(ctx)
	if galera.ExitCode(err) == galera.ExitPipe {
		// Nobody can refuse a lock who is not there any more.
		return "", proto.Fail(proto.CodeServer, err)
	}
	if err != nil {
		return "", err
	}
	if g.Domain == "" {
		g.Domain = l.domain
	}
	l.at = g
	let := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(let)
		_ = l.Locker.Unlock() // a server that does not hear it sees our end
	})
	l.keep = func() error {
		l.keep = nil
		if stop() {
			return nil
		}
		<-let
		return context.Cause(ctx)
	}
	return g.String(), nil
}

// Unlock implements proto.Locker. The server's settings are put back after it goes
// on, so that this adds nothing to the lock.
func (l *locker) Unlock() error {
	if l.keep != nil {
		if err := l.keep(); err != nil {
			return fmt.Errorf("unlock the donor's tables: the server was let go before: %w", err)
		}
	}
	if err := l.Locker.Unlock(); err != nil {
		return err
	}
	if l.calm != nil {
		if err := l.calm.Restore(context.Background()); err != nil {
			l.log.Warningf("%s", oneLine(err))
		}
	}
	return nil
}

// settle waits until the server has been let go by a transfer that has ended under its lock.
func (l *locker) settle() {
	if l.keep != nil {
		_ = l.keep() // Send's error says it all
	}
}

// openCalm connects to the server when wsrep_sst_auth, or the server itself on
// standard input, names a user: with one, dirty pages can be written before the lock
// instead of under it (consistency 10.3). nil means that there is no such help.
func (c *call) openCalm() *calm.Calm {
	if c.set.SQLUser == "" || c.args.Socket == "" || c.set.Passes == 0 {
		return nil
	}
	config := calm.Config{Socket: c.args.Socket, Address: c.set.ExtraAddress, User: c.set.SQLUser, Password: c.set.SQLPassword, Note: c.log.Infof}
	quiet, err := calm.Open(c.ctx, config)
	if err != nil && config.Address != "" {
		c.log.Infof("use-extra: %s; trying the socket", oneLine(err))
		config.Address = ""
		quiet, err = calm.Open(c.ctx, config)
	}
	if err != nil {
		say := c.log.Infof
		if from := ends.Origin(c.set, "wsrep_sst_auth"); from != settings.OriginArgument { // not the server's own idea
			say = c.log.Warningf
		}
		say("dirty pages are not written before the lock, which is longer for it (wsrep_sst_auth): %s", oneLine(err))
		return nil
	}
	return quiet
}

var _ proto.Locker = (*locker)(nil)

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
