package clone

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/wire"
)

const sendLong = `Send the datadir DIR to a host on which "trireme receive" waits and has printed TICKET.

With - for TICKET it is read from standard input, which keeps it out of the list of
processes.

The server of DIR must be stopped; a snapshot of a datadir (LVM, ZFS, btrfs) is as
good. As long as DIR is read, a server that is started on it waits for its locks. With
--live-basis a server may run: the result is no copy, but what a later copy of the
stopped datadir only has to complete.`

// Send is the command "trireme send".
func Send(program string) *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use: "send DIR TICKET", Short: "send a datadir to another host", Long: sendLong, Args: cobra.ExactArgs(2),
		ValidArgsFunction: directories(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, end, err := o.start(cmd, program)
			if err != nil {
				return err
			}
			defer end()
			word := args[1]
			if word == "-" {
				if word, err = firstWord(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			return o.send(t, args[0], word)
		},
	}
	o.common(cmd, "source")
	o.source(cmd)
	o.certificates(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check source and ticket, say what would be sent, and connect to nobody")
	return cmd
}

// firstWord reads a ticket; the whole line that receive printed does as well.
func firstWord(r io.Reader) (string, error) {
	const most = 4 << 10
	line, err := bufio.NewReader(io.LimitReader(r, most)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the ticket from standard input: %w", err)
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", cli.Usage(errors.New("no ticket on standard input"))
	}
	return words[len(words)-1], nil
}

func (o *options) send(t *transfer, dir, word string) (err error) {
	tk, err := parseTicket(word)
	if err != nil {
		return cli.Usage(err)
	}
	if err := tk.valid(time.Now()); err != nil {
		return err
	}
	if dir, err = absolute(dir); err != nil {
		return err
	}
	set, err := o.resolve(settings.Donor, dir, o.defaultsFile, true, t.show.Note)
	if err != nil {
		return err
	}
	lay, err := layout(set)
	if err != nil {
		return err
	}
	lay.Identity = tk.can(capIdentity)
	ch, err := o.channel(t, set, tk)
	if err != nil {
		return err
	}
	src, err := openSource(t.ctx, lay, o.basis)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	src.tell(t)
	if o.dryRun {
		t.note("nothing was sent, and the ticket is still good")
		return nil
	}
	t.note("connecting to %s port %d; channel: %s", tk.Host, tk.Port, ends.Describe(set, ch))
	var p proto.Progress
	c := o.donor(t, set, src, &p)
	c.Ticket, c.Wire = tk.Ticket, ch
	return t.follow(&p, set, func() (proto.Summary, error) { return proto.Send(t.ctx, c) })
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
	ch.Note = t.note
	return ch, nil
}

// donor is what proto.Send needs of a source, but for the connection.
func (o *options) donor(t *transfer, set *settings.Settings, src *source, p *proto.Progress) proto.DonorConfig {
	return proto.DonorConfig{
		Dirs: src.dirs, Software: t.program, Node: t.node, Facts: facts(set, src.dirs), Streams: set.Streams,
		NoDelta: set.Delta == "off", RateLimit: set.RateLimit, Basis: o.basis, Gentle: o.basis, Passes: 1, Progress: p, Note: t.detail,
		BeforeCommit: src.unchanged, Compress: ends.Compression(set), CompressLevel: set.CompressLevel,
	}
}

// tell says what the source holds and what of it stays behind.
func (s *source) tell(t *transfer) {
	if found, err := links(s.lay.Data); err == nil && len(found) > 0 {
		t.note("warning: the source has symbolic links; what they lead to is copied where it is a database: %s", strings.Join(found, ", "))
	}
	var files, dirs int
	var bytes, allocated int64
	for i := range s.tree.Entries {
		e := &s.tree.Entries[i]
		switch {
		case e.Class == tree.Private && strings.HasPrefix(e.Path, "keyring"):
			t.note("warning: %s is not copied; a server with encrypted tables needs it on the other host as well", s.dirs.Path(e.Role, e.Path))
		case !e.Sent():
		case e.Dir:
			dirs++
		default:
			files++
			bytes += e.Size
			allocated += max(0, e.Allocated)
		}
	}
	for _, w := range s.tree.Warnings {
		// Root reads what belongs to others, and gives what it writes to whom it shall belong.
		if os.Geteuid() != 0 || !strings.HasPrefix(w, "datadir belongs to user") {
			t.note("warning: %s", w)
		}
	}
	t.note("source %s: %d files in %d directories, %d MiB, %d MiB on disk", s.lay.Data, files, dirs, bytes>>20, allocated>>20)
}
