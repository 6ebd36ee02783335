package clone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/wire"
	"trireme/wire/identity"
)

const receiveLong = `Receive a datadir from another host into DIR.

The command listens and prints one line for the other host on standard output:

    trireme send DIR TICKET

There DIR has to be replaced by the source's directory. The ticket is a secret: who
has it can send. It is good for one transfer and for the time of --expires.

DIR may be missing, empty, or what a transfer that was cut off has left; that is
compared and used. A datadir that is there is overwritten with --into-existing only.
Until all has arrived and is durable no server can start on DIR.`

// receiveOptions are what only receive has.
type receiveOptions struct {
	options
	listen, advertise string
	expires           time.Duration
}

// Receive is the command "trireme receive". program is what the other end is told about us.
func Receive(program string) *cobra.Command {
	o := new(receiveOptions)
	cmd := o.command(program, &cobra.Command{
		Use: "receive DIR", Short: "receive a datadir from another host", Long: receiveLong, Args: cli.Words(1, 1),
		ValidArgsFunction: directories(1),
	}, func(t *transfer, _ *cobra.Command, args []string) error { return o.run(t, args[0]) })
	o.common(cmd, "target")
	o.target(cmd)
	cmd.Flags().Lookup("dry-run").Usage = "check the target, change nothing, and wait for nobody"
	o.certificates(cmd)
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", ":"+strconv.Itoa(wire.DefaultPort), "HOST:PORT to listen on; no host: all addresses, port 0: any")
	f.StringVar(&o.advertise, "advertise", "", "HOST[:PORT] under which the sender reaches this host")
	f.DurationVar(&o.expires, "expires", time.Hour, "how long the ticket is good for")
	return cmd
}

// directories completes the first n arguments with names of directories.
func directories(n int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
}

func (o *receiveOptions) run(t *transfer, dir string) (err error) {
	if o.expires < time.Second {
		return cli.Usage(fmt.Errorf("flag --expires %v: a ticket must be good for a second at least", o.expires))
	}
	host, port, err := splitListen(o.listen, strconv.Itoa(wire.DefaultPort))
	if err != nil {
		return cli.Usage(fmt.Errorf("flag --listen %q: %w", o.listen, err))
	}
	if dir, err = absolute(dir); err != nil {
		return err
	}
	set, lay, err := o.end(t, settings.Joiner, dir)
	if err != nil {
		return err
	}
	lay.MaxBinlogs, lay.Identity = -1, o.keepIdentity
	whose, err := o.chooseOwner(dir)
	if err != nil {
		return err
	}
	tg, err := openTarget(lay, o.intoExisting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tg.close()) }()
	t.note("target %s: %s", dir, tg.story)
	if odd := whose.doubt(owner{}); odd != "" {
		t.note("warning: %s", odd)
	}
	if o.dryRun {
		t.note("a transfer could begin; nothing was changed")
		return nil
	}
	definitions := definitionsIn(&lay, set.Manifest)
	ln, tk, err := o.open(t, set, host, port, definitions != [16]byte{})
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := o.announce(t, tk); err != nil {
		return err
	}
	var p proto.Progress
	var dirs *tree.Dirs
	err = t.follow(&p, set, whose, func() (proto.Summary, error) {
		return proto.Receive(t.ctx, proto.JoinerConfig{
			Listener: ln,
			Store: func(o proto.Offer) (s *store.Store, err error) {
				s, dirs, err = openStore(tg, o, set)
				return s, err
			},
			BeforeCommit: func(ctx context.Context) error { return whose.give(ctx, dirs) },
			Manifest:     set.Manifest == "auto",
			Definitions:  definitions,
			Software:     t.program, Node: t.node, Facts: facts(set, nil), Streams: set.Streams,
			Compress: ends.Compression(set), FirstContact: time.Until(tk.expires), Progress: &p, Note: t.detail, Trouble: t.note,
			Reconnect: set.Reconnect, ReconnectFrom: set.ReconnectFrom,
		})
	})
	if dirs != nil {
		err = errors.Join(err, dirs.Close())
	}
	return err
}

// chooseOwner says whom the copy shall belong to.
func (o *options) chooseOwner(dirs ...string) (owner, error) {
	whose := ownerOf(dirs...)
	if o.ownerText != "" {
		var err error
		if whose, err = parseOwner(o.ownerText); err != nil {
			return owner{}, cli.Usage(fmt.Errorf("flag --owner: %w", err))
		}
		if err := whose.mayGive(); err != nil {
			return owner{}, coded(exitTarget, fmt.Errorf("flag --owner: %w", err))
		}
	}
	return whose, nil
}

// open listens and makes the ticket. known says that the target knows table definitions.
func (o *receiveOptions) open(t *transfer, set *settings.Settings, host, port string, known bool) (*wire.Listener, ticket, error) {
	name, public, others, err := advertised(host, o.advertise)
	if err != nil {
		return nil, ticket{}, err
	}
	ch, err := ends.Channel(set, true)
	if err != nil {
		return nil, ticket{}, withCode(err)
	}
	if ch.Material != nil {
		for _, w := range ch.Material.Warnings {
			t.note("warning: %s", w)
		}
	}
	tk := ticket{
		Ticket:  wire.Ticket{Host: name, Version: int(ch.MaxVersion), Plain: ch.Plain, Nonce: wire.NewNonce()},
		expires: time.Now().Add(o.expires).Truncate(time.Second).Add(time.Second), capabilities: []string{capPin},
	}
	if !ch.Plain {
		tk.Pin = identity.Pin(ch.Material.Leaf)
	}
	if set.TLS.Mode != settings.Pinned && set.TLS.Mode != settings.Plain {
		tk.capabilities = []string{capCert}
	}
	if o.keepIdentity {
		tk.capabilities = append(tk.capabilities, capIdentity)
	}
	if known {
		tk.capabilities = append(tk.capabilities, capKnown)
	}
	ch.Nonce = tk.bound().Nonce
	ch.OnStranger = func(remote string, err error) {
		var stranger *wire.StrangerError
		if errors.As(err, &stranger) {
			err = stranger.Err // the address stands in the line already
		}
		t.note("connection from %s refused: %v", remote, err)
	}
	ch.Note, ch.Policy.Advice = t.note, advice(set)
	ln, err := wire.Listen(t.ctx, net.JoinHostPort(host, port), ch)
	if err != nil {
		return nil, ticket{}, coded(exitNetwork, fmt.Errorf("%w; choose another address or port with --listen", err))
	}
	at := ln.Ticket(name)
	tk.Host, tk.Port, tk.Transport = at.Host, at.Port, at.Transport
	if public != 0 {
		tk.Port = public
	}
	if _, err := parseTicket(tk.String()); err != nil {
		return nil, ticket{}, errors.Join(cli.Usage(fmt.Errorf("flag --advertise %q: it makes no ticket: %w", o.advertise, err)), ln.Close())
	}
	t.note("listening on %s; channel: %s", ends.Where(ln), ends.Describe(set, ch))
	if len(others) > 0 {
		t.note("the ticket names %s; --advertise names another of this host's addresses: %v", name, others)
	}
	return ln, tk, nil
}

// announce prints the line for the other host.
func (o *receiveOptions) announce(t *transfer, tk ticket) error {
	t.note("on the other host, before %s (the ticket is a secret, good for one transfer):", tk.expires.Format(time.DateTime))
	line := "trireme send DIR " + tk.String()
	var err error
	if o.events {
		_, err = fmt.Fprintf(t.out, "{\"event\":\"listening\",\"command\":%q,\"ticket\":%q}\n", line, tk.String())
	} else {
		_, err = fmt.Fprintln(t.out, line)
	}
	if err != nil {
		return fmt.Errorf("print the line for the other host: %w", err)
	}
	return nil
}
