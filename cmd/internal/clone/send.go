package clone

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/engine/share"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/wire"
)

const sendLong = `Send the datadir DIR to a host on which "trireme receive" waits and has printed TICKET.

With - for TICKET it is read from standard input, which keeps it out of the list of
processes. Several tickets make several copies at once: DIR is read once, and a
receiver that does not keep up with the others holds nobody.

The server of DIR must be stopped; a snapshot of a datadir (LVM, ZFS, btrfs) is as
good. As long as DIR is read, a server that is started on it waits for its locks. With
--live-basis a server may run: the result is no copy, but what a later copy of the
stopped datadir only has to complete.`

// Send is the command "trireme send".
func Send(program string) *cobra.Command {
	o := new(options)
	cmd := o.command(program, &cobra.Command{
		Use: "send DIR TICKET [TICKET...]", Short: "send a datadir to another host, or to several", Long: sendLong, Args: cli.Words(2, 0),
		ValidArgsFunction: directories(1),
	}, func(t *transfer, cmd *cobra.Command, args []string) error {
		words := slices.Clone(args[1:])
		input := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), int64(len(words))*maxLine))
		for i, w := range words {
			var err error
			if w != "-" {
				continue
			}
			if words[i], err = ticketLine(input); err != nil {
				return err
			}
		}
		return o.send(t, args[0], words)
	})
	o.common(cmd, "source")
	o.source(cmd)
	o.certificates(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check source and ticket, say what would be sent, and connect to nobody")
	return cmd
}

// maxLine is the longest line with a ticket, in bytes.
const maxLine = 4 << 10

// ticketLine reads a ticket; the whole line that receive printed does as well.
func ticketLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the ticket from standard input: %w", err)
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", cli.Usage(errors.New("no ticket on standard input"))
	}
	return words[len(words)-1], nil
}

// tickets reads the words of the command line.
func tickets(words []string) ([]ticket, error) {
	if len(words) > share.MaxReaders {
		return nil, cli.Usage(fmt.Errorf("%d tickets, at most %d receivers can be served at once", len(words), share.MaxReaders))
	}
	var all []ticket
	for i, word := range words {
		tk, err := parseTicket(word)
		if err == nil && slices.ContainsFunc(all, func(o ticket) bool { return o.Nonce == tk.Nonce }) {
			err = errors.New("it is there twice; each receiver prints its own")
		}
		if err == nil && len(words) > 1 && tk.can(capIdentity) {
			err = errors.New("its receiver was started with --keep-identity, and a server can move to one place only")
		}
		if err != nil && len(words) > 1 {
			err = fmt.Errorf("ticket %d of %d: %w", i+1, len(words), err)
		}
		if err != nil {
			return nil, cli.Usage(err)
		}
		if err := tk.valid(time.Now()); err != nil {
			return nil, err
		}
		all = append(all, tk)
	}
	return all, nil
}

func (o *options) send(t *transfer, dir string, words []string) (err error) {
	tks, err := tickets(words)
	if err != nil {
		return err
	}
	if dir, err = absolute(dir); err != nil {
		return err
	}
	set, lay, err := o.end(t, settings.Donor, dir)
	if err != nil {
		return err
	}
	lay.Identity = tks[0].can(capIdentity)
	legs := make([]*leg, len(tks))
	for i, tk := range tks {
		legs[i] = &leg{ticket: tk}
		if legs[i].channel, err = o.channel(t, set, tk); err != nil {
			return err
		}
	}
	src, err := openSource(t.ctx, lay, o.basis, len(tks) == 1 && tks[0].can(capKnown) && set.Manifest == "auto" && !o.basis && !o.dryRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	src.tell(t)
	if o.dryRun {
		t.note("nothing was sent, and the ticket is still good")
		return nil
	}
	for _, l := range legs {
		t.note("connecting to %s port %d; channel: %s", l.ticket.Host, l.ticket.Port, ends.Describe(set, l.channel))
	}
	if len(legs) > 1 {
		return o.fanOut(t, set, src, legs)
	}
	l := legs[0]
	return t.follow(&l.progress, set, ownerOf(dir), func() (proto.Summary, error) { return proto.Send(t.ctx, o.toReceiver(t, set, src, l)) })
}

// toReceiver is what proto.Send needs for one receiver.
func (o *options) toReceiver(t *transfer, set *settings.Settings, src *source, l *leg) proto.DonorConfig {
	c := o.donor(t, set, src, &l.progress)
	c.Ticket, c.Wire = l.ticket.bound(), l.channel
	return c
}

// channel is the sender's end of the connection.
func (o *options) channel(t *transfer, set *settings.Settings, tk ticket) (wire.Config, error) {
	ch, err := ends.Channel(set, false)
	if err != nil {
		return wire.Config{}, withCode(err)
	}
	if ch.Material != nil {
		for _, w := range ch.Material.Warnings {
			t.note("warning: %s", w)
		}
	}
	if tk.can(capCert) && ch.Material == nil {
		return wire.Config{}, cli.Usage(errors.New("the receiver asks for a certificate: give --ca, --cert and --key, or --defaults-file with tca and tcert in it"))
	}
	ends.Name(t.ctx, set, &ch.Policy, tk.Host)
	ch.Note, ch.Policy.Advice = t.note, advice(set)
	return ch, nil
}

// donor is what proto.Send needs of a source, but for the connection.
func (o *options) donor(t *transfer, set *settings.Settings, src *source, p *proto.Progress) proto.DonorConfig {
	return proto.DonorConfig{
		Dirs: src.dirs, Software: t.program, Node: t.node, Facts: facts(set, src.dirs), Streams: set.Streams,
		NoDelta: set.Delta == "off", RateLimit: set.RateLimit, Basis: o.basis, Gentle: o.basis, Passes: 1, Progress: p, Note: t.detail, Trouble: t.note,
		Unchanged: src.unchanged, Quiet: src.quiet(), Manifest: set.Manifest == "auto", Compress: ends.Compression(set), CompressLevel: set.CompressLevel,
		Reconnect: set.Reconnect, ReconnectFrom: set.ReconnectFrom,
	}
}

// tell says what the source holds and what of it stays behind.
func (s *source) tell(t *transfer) {
	if found, err := links(s.lay.Data); err == nil && len(found) > 0 {
		t.note("warning: the source has symbolic links; what they lead to is copied where it is a database: %s", strings.Join(found, ", "))
	}
	var unknown []string
	var files, dirs int
	var bytes, allocated int64
	for i := range s.tree.Entries {
		e := &s.tree.Entries[i]
		switch {
		case e.Class == tree.Private && strings.HasPrefix(e.Path, "keyring"):
			t.note("warning: %s is not copied; a server with encrypted tables needs it on the other host as well", s.dirs.Path(e.Role, e.Path))
		case e.Class == tree.Foreign && !e.Dir && e.Role == tree.RoleData && !strings.Contains(e.Path, "/"):
			unknown = append(unknown, e.Path)
		case !e.Sent():
		case e.Dir:
			dirs++
		default:
			files++
			bytes += e.Size
			allocated += max(0, e.Allocated)
		}
	}
	if len(unknown) > 0 {
		t.note("not copied, because no server is known to make them (%d): %s", len(unknown), some(unknown))
	}
	for _, r := range s.remarks {
		t.note("warning: %s", r)
	}
	for _, w := range s.tree.Warnings {
		// Root reads what belongs to others, and gives what it writes to whom it shall belong.
		if os.Geteuid() != 0 || !strings.HasPrefix(w, "datadir belongs to user") {
			t.note("warning: %s", w)
		}
	}
	t.note("source %s: %d files in %d directories, %s, %s on disk", s.lay.Data, files, dirs, size(bytes), size(allocated))
}
