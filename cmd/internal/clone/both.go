package clone

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup" // two ends, both waited for

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/wire"
)

const cloneLong = `Copy the datadir SRC to DST on the same host.

The server of SRC must be stopped, or SRC be a snapshot; --live-basis makes a basis
from a datadir whose server runs. DST may be missing, empty, or what a transfer that
was cut off has left; a datadir that is there is overwritten with --into-existing
only. Until all is there and durable no server can start on DST.

--defaults-file and the flags for directories describe SRC. Its parts are put together
in DST, unless --target-defaults-file says where they belong.`

// Clone is the command "trireme clone". program is our name and version.
func Clone(program string) *cobra.Command {
	o := new(options)
	cmd := o.command(program, &cobra.Command{
		Use: "clone SRC DST", Short: "copy a datadir on this host", Long: cloneLong, Args: cli.Words(2, 2),
		ValidArgsFunction: directories(2),
	}, func(t *transfer, _ *cobra.Command, args []string) error { return o.clone(t, args[0], args[1]) })
	o.common(cmd, "source")
	o.source(cmd)
	o.target(cmd)
	cmd.Flags().StringVar(&o.targetDefaults, "target-defaults-file", "", "option file of the target's server, for its directories")
	return cmd
}

func (o *options) clone(t *transfer, srcDir, dstDir string) (err error) {
	if srcDir, err = absolute(srcDir); err != nil {
		return err
	}
	if dstDir, err = absolute(dstDir); err != nil {
		return err
	}
	if within(srcDir, dstDir) || within(dstDir, srcDir) {
		return cli.Usage(fmt.Errorf("source %s and target %s are the same or one within the other", srcDir, dstDir))
	}
	from, srcLay, err := o.end(t, settings.Donor, srcDir)
	if err != nil {
		return err
	}
	to, err := o.targetSettings(t, from, dstDir)
	if err != nil {
		return err
	}
	dstLay, err := layout(to)
	if err != nil {
		return err
	}
	srcLay.Identity, dstLay.Identity = o.keepIdentity, o.keepIdentity
	dstLay.MaxBinlogs = -1
	whose, err := o.chooseOwner(dstDir, srcDir)
	if err != nil {
		return err
	}
	definitions := definitionsIn(&dstLay, to.Manifest)
	src, err := openSource(t.ctx, srcLay, o.basis, definitions != [16]byte{} && from.Manifest == "auto" && !o.basis && !o.dryRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	src.tell(t)
	tg, err := openTarget(dstLay, o.intoExisting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tg.close()) }()
	t.note("target %s: %s", dstDir, tg.story)
	if odd := whose.doubt(ownerOf(srcDir)); odd != "" {
		t.note("warning: %s", odd)
	}
	if o.dryRun {
		return plan(t, src, tg)
	}
	var p proto.Progress
	return t.follow(&p, to, whose, func() (proto.Summary, error) {
		return o.both(t, bothEnds{from: from, to: to, src: src, tg: tg, whose: whose, definitions: definitions}, &p)
	})
}

// targetSettings are those of DST: without an option file of its own everything lies in one directory, and what is written
// into the files is the source's.
func (o *options) targetSettings(t *transfer, from *settings.Settings, dst string) (*settings.Settings, error) {
	to, err := o.resolve(settings.Joiner, dst, o.targetDefaults, false, t.show.Note)
	if err != nil || o.targetDefaults != "" {
		return to, err
	}
	for _, f := range from.SystemFiles {
		if !filepath.IsAbs(f.Name) {
			continue
		}
		return nil, coded(exitRefused, fmt.Errorf("innodb_data_file_path of the source has absolute names (%s); say with --target-defaults-file where the target has them", f.Name))
	}
	to.SystemFiles = from.SystemFiles
	return to, nil
}

// firstContact is how long one half of this process may take to call the other.
const firstContact = time.Minute

// bothEnds is what a clone in one process needs.
type bothEnds struct {
	from, to *settings.Settings
	src      *source
	tg       *target
	whose    owner

	definitions [16]byte // definitionsIn the target
}

// both runs donor and joiner. Nothing leaves the host, so encryption would only cost time: the loopback device is read by root
// alone, who can read the files as well, and both ends still prove that they know the nonce.
func (o *options) both(t *transfer, b bothEnds, p *proto.Progress) (proto.Summary, error) {
	ch := wire.Config{MinVersion: proto.Version, MaxVersion: proto.Version, Plain: true, Nonce: wire.NewNonce()}
	ln, err := wire.Listen(t.ctx, "127.0.0.1:0", ch)
	if err != nil {
		return proto.Summary{}, coded(exitNetwork, err)
	}
	defer ln.Close()
	c := o.donor(t, b.from, b.src, p)
	c.Ticket, c.Wire = ln.Ticket("127.0.0.1"), wire.Config{MinVersion: proto.Version, MaxVersion: proto.Version, Plain: true}
	c.Reconnect = 0 // within one process nothing is lost that comes back
	var dirs *tree.Dirs
	var sum proto.Summary
	var sendErr, receiveErr error
	var pair errgroup.Group // both end by themselves when one does, and both errors are wanted
	pair.Go(func() error {
		sum, sendErr = proto.Send(t.ctx, c)
		return nil
	})
	pair.Go(func() error {
		_, receiveErr = proto.Receive(t.ctx, proto.JoinerConfig{
			Listener: ln,
			Store: func(o proto.Offer) (s *store.Store, err error) {
				s, dirs, err = openStore(b.tg, o, b.to)
				return s, err
			},
			BeforeCommit: func(ctx context.Context) error { return b.whose.give(ctx, dirs) },
			Manifest:     b.to.Manifest == "auto",
			Definitions:  b.definitions,
			Software:     t.program, Node: t.node, Facts: facts(b.to, nil), Compress: ends.Compression(b.to), FirstContact: firstContact,
			Note: func(format string, args ...any) { t.detail("target: "+format, args...) },
		})
		return nil
	})
	_ = pair.Wait() // always nil
	if dirs != nil {
		if err := dirs.Close(); err != nil && receiveErr == nil {
			receiveErr = err
		}
	}
	return sum, first(sendErr, receiveErr)
}

// first is the cause of two errors of which one may only repeat the other.
func first(a, b error) error {
	var e *proto.Error
	if a == nil || b != nil && errors.As(a, &e) && e.Remote {
		return b
	}
	return a
}
