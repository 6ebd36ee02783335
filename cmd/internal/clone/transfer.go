package clone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/cmd/internal/show"
	"trireme/cmd/internal/status"
	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto"
)

// lookEvery is the time between two looks at the figures; a display shows less where less is asked for.
const lookEvery = 200 * time.Millisecond

// spareEntries is how many files may come on top of twice those announced.
const spareEntries = 100_000

// transfer is one run of a command.
type transfer struct {
	*options
	ctx     context.Context
	out     io.Writer // standard output: data only
	show    show.Display
	program string
	role    string
	node    string
}

// start prepares a command's run. end must be called.
func (o *options) start(cmd *cobra.Command, program string) (t *transfer, end func(), err error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	c := show.Config{Progress: o.progress, Quiet: o.quiet, Err: cmd.ErrOrStderr()}
	if o.events {
		c.JSON = cmd.OutOrStdout()
	}
	t = &transfer{options: o, out: cmd.OutOrStdout(), show: show.New(c), program: program, role: cmd.Name()}
	t.node, _ = os.Hostname() // only for the other end's log
	t.ctx, end = interruptible(cmd.Context())
	return t, end, nil
}

// detail is for those who asked for more.
func (t *transfer) detail(format string, args ...any) {
	if t.verbose {
		t.note(format, args...)
	}
}

func (t *transfer) note(format string, args ...any) {
	t.show.Note(spoken(fmt.Sprintf(format, args...)))
}

// follow runs f, shows its progress, and closes with its summary. It returns f's error with its code.
func (t *transfer) follow(p *proto.Progress, set *settings.Settings, whose owner, f func() (proto.Summary, error)) error {
	tracker := status.New(t.written(set, whose), p)
	end := t.look(tracker.Tick)
	sum, err := f()
	end()
	result, err := t.result(err, p)
	t.show.Close(tracker.Finish(result, still(sum), err, exitCode(err)))
	t.afterwards(result, set)
	return err
}

// written says where the figures of a transfer go. The status file lies in the datadir and belongs to its owner.
func (t *transfer) written(set *settings.Settings, whose owner) status.Config {
	c := status.Config{
		Program: t.program, Role: t.role, Directory: set.Datadir, Metrics: set.MetricsFile, Phase: t.phase, Warn: func(format string, args ...any) { t.note("warning: "+format, args...) },
	}
	c.File, c.Wanted = status.Path(set)
	if whose.needed() {
		c.Give = func(f *os.File) error { return f.Chown(whose.uid, whose.gid) }
	}
	return c
}

// look shows what tick says until the function it returns is called.
func (t *transfer) look(tick func(time.Time) status.Status) (end func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-ticker.C:
				t.show.Update(tick(now))
			}
		}
	})
	return func() {
		close(stop)
		wg.Wait()
	}
}

// still is a summary without locks: there is no server here that could be locked.
func still(sum proto.Summary) proto.Summary {
	sum.Locked, sum.Wait = 0, 0
	return sum
}

// result is how a transfer ended, and its error with its code; a basis that was asked for is none.
func (t *transfer) result(err error, p *proto.Progress) (string, error) {
	var end *proto.Error
	switch {
	case err == nil:
		return status.Complete, nil
	case errors.As(err, &end) && end.Code == proto.CodeBasis && (t.role == "receive") == end.Remote:
		return status.Basis, nil
	}
	return status.Failed, inOurWords(t.goOn(withCode(err), p))
}

// goOn adds to the error of a transfer that was cut off how to go on. One that had not begun has used no ticket up.
func (t *transfer) goOn(err error, p *proto.Progress) error {
	switch exitCode(err) {
	case exitNetwork, exitTimeout, exitOther, exitInterrupt, exitTerminate, exitHangup:
	default:
		return err
	}
	begun := p.Snapshot().Phase > proto.PhaseWaiting
	how := ""
	switch {
	case t.role == "clone" && begun:
		how = "the same command again goes on from what has been copied"
	case t.role == "receive" && begun:
		how = "the ticket is used up: start trireme receive again and give its new ticket to trireme send; what has arrived is compared and used"
	case t.role == "receive" && exitCode(err) == exitTimeout:
		how = "for a new ticket start trireme receive again"
	case begun:
		how = "the ticket is used up: start trireme receive again on the other host for a new one; what has arrived there is compared and used"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, how)
}

// afterwards says what is still to be done.
func (t *transfer) afterwards(result string, set *settings.Settings) {
	if result == status.Basis && t.role != "send" {
		t.show.Note("no server can start on " + set.Datadir + " yet: stop the source's server and copy again, which sends what has changed since")
	}
}

// phase names a phase where no server is locked.
func (t *transfer) phase(p proto.Phase) string {
	switch {
	case p == proto.PhaseLive && !t.basis && t.role != "receive":
		return "listing" // the names go ahead of the data
	case p == proto.PhaseLive, p == proto.PhaseLocked:
		return "copying"
	}
	return p.String()
}

// openStore is the joiner's store for an offer. Everything that can still say no does so here, before the first change.
func openStore(tg *target, o proto.Offer, set *settings.Settings) (*store.Store, *tree.Dirs, error) {
	if err := ends.Room(tg.lay, o.Allocated); err != nil {
		return nil, nil, err
	}
	if err := tg.unused(); err != nil {
		return nil, nil, err
	}
	if err := tg.create(); err != nil {
		return nil, nil, err
	}
	dirs, err := tree.Open(tg.lay)
	if err != nil {
		return nil, nil, coded(exitTarget, fmt.Errorf("open the target: %w", err))
	}
	return store.Open(store.Config{
		Dirs: dirs, Layout: tg.lay, TransferID: o.ID, DonorID: o.Node, Block: true, Manifest: set.Manifest == "auto", MaxEntries: int(2*o.Files) + spareEntries,
	}), dirs, nil
}

// within reports whether dir is parent or lies below it, links resolved.
func within(parent, dir string) bool {
	real := func(p string) string {
		for at, rest := p, ""; ; rest, at = filepath.Join(filepath.Base(at), rest), filepath.Dir(at) {
			if r, err := filepath.EvalSymlinks(at); err == nil {
				return filepath.Join(r, rest)
			}
			if at == "/" {
				return p
			}
		}
	}
	rel, err := filepath.Rel(real(parent), real(dir))
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}
