package sst

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/keyring"
	"trireme/cmd/internal/settings"
	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto"
)

// stdinLimit bounds the wait for the credentials that some servers send.
const stdinLimit = 5 * time.Second

// call is one run of the program by a server.
type call struct {
	ctx    context.Context
	args   galera.Args
	in     galera.Stdin
	set    *settings.Settings
	log    *galera.Log
	out    *galera.Out
	parent *galera.Parent
	said   bool // why it failed is in the log
	called bool // donor: package proto has called the joiner, and tells it what goes wrong
	method settings.Method
	wan    bool // called by the method's name with _wan behind it
	// family, series and version of the server; empty when it would not say.
	family, series, version string

	ring keyring.Ring // where the server's keys are
	keys string       // what they are at the start, as the other end is told

	program string // our own name and version
	node    string
	start   time.Time
	syslog  *galera.Syslog // nil: lines go to standard error only
	dirs    *tree.Dirs     // joiner: set when the datadir was opened
	store   *store.Store   // joiner: the same
}

// Main runs one call. name is the method that the program is called by, argv are the
// words after that, program is what the peer's log shall call us. It returns the exit
// code.
func Main(name string, argv []string, program string) int {
	galera.CloseInheritedFDs()
	// A server that no longer reads is an error of the next line, not a silent end with the lock file left behind and
	// the other end without a reason.
	signal.Ignore(syscall.SIGPIPE)
	// A donor listens to it while it sends (watchRate). Anywhere else it must not be the end of a transfer.
	signal.Ignore(syscall.SIGUSR1)
	args, err := galera.ParseArgs(argv)
	log := galera.NewLog(galera.LogConfig{W: os.Stderr, Family: args.Family})
	if err != nil {
		log.Errorf("%s", oneLine(err))
		return galera.ExitCode(err)
	}
	c := &call{
		args: args, log: log,
		out: galera.NewOut(os.Stdout, args), method: settings.MethodOf(name), wan: strings.HasSuffix(name, "_wan"), program: program, start: time.Now(),
	}
	c.node, _ = os.Hostname() // only for the peer's log
	defer c.closeLog()
	if err := c.run(); err != nil {
		c.failed(err)
		return c.exitCode(err)
	}
	return galera.ExitOK
}

// failed says in the log why this call fails; the first reason is the one.
func (c *call) failed(err error) {
	if !c.said {
		c.log.Errorf("%s failed: %s", c.what(), oneLine(err))
		c.said = true
	}
}

// abortGrace is how long the program of a joiner whose transfer has failed waits for the end of its server.
var abortGrace = 3 * time.Second

// outliveServer lets the donor's server report the failure to the group, upon which ours aborts. If ours hears of it from our end at the same
// moment, two of its threads abort it, each waits for the other (seen with Galera 26.4.23), and the node hangs until somebody
// kills it. Where no report comes, because the donor is out of reach or knows nothing, our end is what tells, a little later.
func (c *call) outliveServer() {
	if c.ctx.Err() != nil { // the server is gone, or has told us to end
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, abortGrace)
	defer cancel()
	_ = c.parent.Wait(ctx)
}

func (c *call) what() string {
	switch {
	case c.args.Role == "":
		return "SST"
	case c.args.Bypass:
		return "bypass for IST (" + c.args.Role + ")"
	}
	return "SST (" + c.args.Role + ")"
}

func (c *call) exitCode(err error) int {
	code := galera.ExitCode(codeOf(err))
	// Once the datadir may have been changed, PXC must not be told to try again (sst-contract 8.1).
	touched := c.store != nil && c.store.Touched()
	if c.args.Family == galera.PXC && c.args.Role == galera.RoleJoiner && !touched && code != galera.ExitSignal {
		return galera.ExitAgain
	}
	return code
}

func (c *call) run() error {
	if c.args.Role == "" {
		return &galera.ExitError{Code: galera.ExitInvalid, Err: errors.New("no --role: this program is started by a Galera server and does nothing by hand; set wsrep_sst_method in its option file")}
	}
	if c.args.Datadir == "" {
		return &galera.ExitError{Code: galera.ExitInvalid, Err: errors.New("no --datadir among the arguments")}
	}
	stop := c.watchSignals()
	defer stop()
	// Before anything that may take its time: a server that is gone ends all of it.
	var err error
	if c.parent, err = galera.FindParent(c.args.Parent); err != nil {
		return err
	}
	defer c.parent.Close()
	defer c.watchParent()()
	if c.args.Role == galera.RoleJoiner {
		return c.joiner()
	}
	return c.donor()
}

// enter makes this the only SST program of the datadir, until leave is called, and learns from the server what it has to say.
func (c *call) enter() (leave func(), err error) {
	leave, err = galera.LockInstance(c.ctx, c.args.Datadir, c.args.Role)
	if err != nil {
		return nil, err
	}
	c.family, c.series, c.version = galera.ServerVersion(c.ctx, c.args)
	if c.args.ReadsStdin() && !c.inheritsStdin() {
		if c.in, err = galera.ReadStdin(os.Stdin, stdinLimit); err != nil {
			leave()
			return nil, err
		}
	}
	return leave, nil
}

// inheritsStdin says that the server is known to hand on its own standard input, whatever that is: MariaDB before 11
// has nothing to say there (sst-contract 6).
func (c *call) inheritsStdin() bool {
	return c.args.Family == galera.MariaDB && strings.HasPrefix(c.series, "10.")
}

// resolve finds the settings, and the log that they ask for.
func (c *call) resolve() error {
	set, warnings, err := c.settings()
	for _, w := range warnings {
		c.log.Warningf("%s", w)
	}
	if err != nil {
		return err
	}
	c.set = set
	c.openLog()
	for _, u := range c.args.Unknown {
		// Values may be secrets, and so may words that stand alone.
		if name, _, _ := strings.Cut(u, "="); strings.HasPrefix(name, "--") {
			c.log.Debugf("argument %s is not known and has no effect", name)
		}
	}
	for _, s := range set.Table() {
		c.log.Debugf("setting %s = %s (%s)", s.Name, s.Value, s.Origin)
	}
	return nil
}

// layout names the directories of this node by role.
func (c *call) layout() (tree.Layout, error) {
	l, err := ends.Layout(c.set)
	if err != nil {
		return tree.Layout{}, &galera.ExitError{Code: galera.ExitInvalid, Err: err}
	}
	return l, nil
}

// settings reads the option files and settles every setting. The warnings come with an
// error too.
func (c *call) settings() (*settings.Settings, []string, error) {
	d := c.args.Defaults
	source := settings.Source(d.File, d.ExtraFile, d.GroupSuffix, c.args.MysqldArgs, os.Getenv)
	in := settings.Input{
		Method: c.method, WAN: c.wan, MysqldArgs: c.args.MysqldArgs, Env: os.Getenv,
		Datadir: c.args.Datadir, Binlog: c.args.Binlog, BinlogIndex: c.args.BinlogIndex,
		CPUs: runtime.NumCPU(), PXC: c.args.Family == galera.PXC, ServerVersion: c.series, Auth: c.auth(),
		Arguments: map[string]string{"basedir": c.args.Basedir, "plugin-dir": c.args.PluginDir},
	}
	if err := in.Read(source); err != nil {
		return nil, nil, &galera.ExitError{Code: galera.ExitInvalid, Err: err}
	}
	if c.args.Role == galera.RoleDonor {
		in.Role = settings.Donor
	}
	set, warnings, err := settings.Resolve(in)
	if err != nil {
		return nil, warnings, &galera.ExitError{Code: galera.ExitInvalid, Err: err}
	}
	return set, warnings, nil
}

// auth is a user:password for questions to the donor's server, as the family sends
// it: on standard input or, before, as an argument.
func (c *call) auth() string {
	if c.in.User != "" {
		return c.in.User + ":" + c.in.Password
	}
	return c.args.Auth
}

// watchSignals ends the transfer on the signals a server or service manager sends. A
// lock that is held then is given back (locker.Lock), or the server releases it itself
// when we are gone (sst-contract 2.2).
func (c *call) watchSignals() (stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	sigs := make(chan os.Signal, 2) // one to stop, a second that arrives meanwhile
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		select {
		case s := <-sigs:
			code := galera.ExitSignal
			if s == syscall.SIGHUP {
				code = galera.ExitPipe
			}
			cancel(proto.Fail(proto.CodeCancelled, &galera.ExitError{Code: code, Err: fmt.Errorf("stopped by signal %v", s)}))
		case <-done:
		}
	})
	c.ctx = ctx
	return func() {
		signal.Stop(sigs)
		close(done)
		wg.Wait()
		cancel(nil)
	}
}

// watchParent ends the transfer when the server is gone.
func (c *call) watchParent() (stop func()) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.ctx = ctx
	watch, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.parent.WaitOrStdout(watch, os.Stdout); err != nil && watch.Err() == nil {
			cancel(proto.Fail(proto.CodeServer, err))
		}
	})
	return func() {
		end()
		wg.Wait()
		cancel(nil)
	}
}
