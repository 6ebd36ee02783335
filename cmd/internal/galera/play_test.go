package galera

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// play is a fake transfer in a process of its own: all that an SST program does with this package, and one line over a
// local connection instead of a datadir. It returns the exit code.
func play(mode string) int {
	inherited := CloseInheritedFDs()
	signal.Ignore(syscall.SIGPIPE)
	a, err := ParseArgs(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitCode(err)
	}
	log := NewLog(LogConfig{W: os.Stderr, Family: a.Family, Debug: true, Role: a.Role})
	log.Debugf("family %s, %d files inherited", a.Family, inherited)
	if err := playRole(mode, a, log); err != nil {
		log.Errorf("%v", err)
		return ExitCode(err)
	}
	return ExitOK
}

func playRole(mode string, a Args, log *Log) error {
	var in Stdin
	if a.ReadsStdin() {
		var err error
		if in, err = ReadStdin(os.Stdin, 2*time.Second); err != nil {
			return err
		}
	}
	user, secret := in.RemoteUser, in.RemotePassword
	if user == "" {
		user, secret, _ = strings.Cut(os.Getenv("WSREP_SST_OPT_REMOTE_AUTH"), ":")
	}
	if user != "" {
		log.Debugf("remote %s, secret of %d bytes", user, len(secret))
	}
	release, err := LockInstance(context.Background(), a.Datadir, a.Role)
	if err != nil {
		return err
	}
	defer release()
	parent, err := FindParent(a.Parent)
	if err != nil {
		return err
	}
	defer parent.Close()

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	wg.Go(func() {
		select {
		case <-signals:
			cancel(exitf(ExitSignal, "ended by a signal"))
		case <-ctx.Done():
		}
	})
	wg.Go(func() {
		if err := parent.WaitOrStdout(ctx, os.Stdout); ctx.Err() == nil {
			cancel(err)
		}
	})
	out := NewOut(os.Stdout, a)
	if mode == "stray" {
		fmt.Println("hello")
	}
	if a.Role == RoleJoiner {
		return playJoiner(ctx, mode, a, out)
	}
	return playDonor(ctx, mode, a, out, log, parent)
}

func playJoiner(ctx context.Context, mode string, a Args, out *Out) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	addr := listener.Addr().String() + "/trireme/1/pin/nonce"
	switch mode {
	case "long":
		addr += strings.Repeat("x", 600)
	case "raw":
		// What Out would refuse.
		fmt.Println("ready " + addr + strings.Repeat("x", 600))
	case "auth":
		addr = "cn:secret@" + addr
	}
	if mode != "raw" {
		if err := out.Ready(addr); err != nil {
			return err
		}
	}
	conn, err := listener.Accept()
	if err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	defer conn.Close()
	stopConn := context.AfterFunc(ctx, func() { conn.Close() })
	defer stopConn()
	text, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return exitf(ExitPipe, "read from the donor: %w", errors.Join(context.Cause(ctx), err))
	}
	g, err := ParseGTID(strings.TrimSuffix(text, "\n"))
	if err != nil {
		return err
	}
	for _, err := range []error{out.Total(100), out.Complete(50), out.Complete(60), out.Complete(100)} {
		if err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(conn, "ack"); err != nil {
		return err
	}
	return out.Final(g)
}

func playDonor(ctx context.Context, mode string, a Args, out *Out, log *Log, parent *Parent) error {
	addr, err := a.ParsedAddress()
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", addr.HostPort())
	if err != nil {
		return err
	}
	defer conn.Close()
	g, err := ParseGTID(a.GTID)
	if err != nil {
		return err
	}
	switch {
	case a.Bypass:
		if a.HasDomain {
			g.Domain = a.GTIDDomain
		}
		if err := out.Continue(); err != nil {
			return err
		}
	default:
		if g, err = playLock(ctx, mode, a, g.UUID, out, log, parent); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(conn, g); err != nil {
		return err
	}
	if text, err := bufio.NewReader(conn).ReadString('\n'); err != nil || text != "ack\n" {
		return exitf(ExitPipe, "read the acknowledgement: %q, %w", text, err)
	}
	return out.Done(g)
}

func playLock(ctx context.Context, mode string, a Args, uuid string, out *Out, log *Log, parent *Parent) (GTID, error) {
	f := FeaturesOf(a.Family, os.Getenv("GALERA_TEST_VERSION"))
	locker := NewLocker(LockerConfig{
		Out: out, Datadir: a.Datadir, Family: a.Family, FileFirst: f.FileFirst,
		Timeout: time.Second, Settle: 500 * time.Millisecond, Freeze: 30 * time.Millisecond, UUID: uuid, Parent: parent.Alive,
	})
	g, err := locker.Lock(ctx)
	if err != nil {
		return GTID{}, err
	}
	log.Infof("locked at %s", g)
	if mode == "hold" {
		<-ctx.Done()
		return GTID{}, context.Cause(ctx)
	}
	if err := locker.Unlock(); err != nil {
		return GTID{}, err
	}
	if mode != "twice" {
		return g, nil
	}
	if g, err = locker.Lock(ctx); err != nil {
		return GTID{}, err
	}
	return g, locker.Unlock()
}
