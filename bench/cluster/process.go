package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a server that runs or ran. Its goroutine waits for it and closes done.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid after done is closed
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// killGroup kills the server and the scripts that share its process group. The group is ours until the server was waited for.
func (p *process) killGroup() {
	if p.running() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// pollEvery is the distance of two looks at something that has no event to wait for.
const pollEvery = 10 * time.Millisecond

// stopLimit bounds an orderly stop when the caller's context does not.
const stopLimit = 60 * time.Second

// Init makes a fresh system database with mariadb-install-db (half a second, so nothing is cached). Only the first node of a
// cluster needs it: a joiner starts with an empty datadir and gets everything through its state transfer.
func (n *Node) Init(ctx context.Context) error {
	if err := n.Wipe(); err != nil {
		return err
	}
	if err := n.WriteOptions(); err != nil {
		return err
	}
	cmd := n.cluster.command(ctx, program("mariadb-install-db"), "--defaults-file="+n.OptionFile(),
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-error", "--wsrep-on=OFF",
		"--basedir=/usr", "--datadir="+n.Datadir())
	if out, err := output(cmd); err != nil {
		return fmt.Errorf("initialise datadir of node %d: %w; mariadb-install-db said:\n%s", n.index, err, tail(string(out), tailLines))
	}
	return nil
}

// Wipe empties the datadir (and further roots that are set by absolute path). The server must not run.
func (n *Node) Wipe() error {
	if n.Running() {
		return fmt.Errorf("wipe datadir of node %d: its server runs", n.index)
	}
	dirs := []string{n.Datadir()}
	for _, d := range n.extraRoots() {
		dirs = append(dirs, d)
	}
	for _, d := range dirs {
		entries, err := os.ReadDir(d)
		if err != nil {
			return fmt.Errorf("wipe datadir of node %d: %w", n.index, err)
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(d, e.Name())); err != nil {
				return fmt.Errorf("wipe datadir of node %d: %w", n.index, err)
			}
		}
	}
	return nil
}

// ForceFullSST makes the next start ask for a full state transfer over the data that is there: without grastate.dat the node has
// no position, and without its cache it could not serve one.
func (n *Node) ForceFullSST() error {
	if n.Running() {
		return fmt.Errorf("force full transfer to node %d: its server runs", n.index)
	}
	for _, f := range []string{"grastate.dat", "gvwstate.dat", "galera.cache"} {
		if err := os.Remove(filepath.Join(n.Datadir(), f)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("force full transfer to node %d: %w", n.index, err)
		}
	}
	return nil
}

// Start writes the option file and starts the server; it does not wait until the server is up (WaitSynced does). With bootstrap
// the node founds the cluster, whatever grastate.dat says about safety. The context bounds the start, not the server's life.
func (n *Node) Start(ctx context.Context, bootstrap bool, args ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start node %d: %w", n.index, context.Cause(ctx))
	}
	if n.Running() {
		return fmt.Errorf("start node %d: it runs already", n.index)
	}
	if err := n.WriteOptions(); err != nil {
		return err
	}
	argv := append([]string{"--defaults-file=" + n.OptionFile()}, args...)
	if bootstrap {
		if err := n.markSafe(); err != nil {
			return err
		}
		argv = append(argv, "--wsrep-new-cluster")
	}
	log, err := n.newLog()
	if err != nil {
		return err
	}
	defer log.Close()
	n.closeDB()
	cmd := n.cluster.command(context.Background(), program("mariadbd"), argv...)
	cmd.Dir = n.dir
	// What is said before the server opens its log, and everything that scripts write, goes to the same file.
	cmd.Stdout, cmd.Stderr = log, log
	c := n.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return fmt.Errorf("start node %d: %w", n.index, errDestroyed)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	c.wg.Go(func() {
		p.err = onThread(func() error {
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		c.mu.Lock()
		delete(c.procs, p)
		c.mu.Unlock()
		close(p.done)
	})
	if err := <-started; err != nil {
		return fmt.Errorf("start node %d: %w", n.index, err)
	}
	c.procs[p] = true
	n.mu.Lock()
	n.proc = p
	n.mu.Unlock()
	return nil
}

// newLog puts the last run's error log aside and opens a new one, owned by the servers' user.
func (n *Node) newLog() (*os.File, error) {
	n.mu.Lock()
	run := n.runs
	n.runs++
	n.mu.Unlock()
	if run > 0 {
		if err := os.Rename(n.LogPath(), n.oldLogPath(run)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("put error log of node %d aside: %w", n.index, err)
		}
	}
	log, err := os.OpenFile(n.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open error log of node %d: %w", n.index, err)
	}
	if err := n.Give(n.LogPath()); err != nil {
		_ = log.Close()
		return nil, err
	}
	return log, nil
}

// markSafe sets safe_to_bootstrap in grastate.dat in place. A missing file is fine: that is a new node.
func (n *Node) markSafe() error {
	path := filepath.Join(n.Datadir(), "grastate.dat")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mark node %d safe to bootstrap: %w", n.index, err)
	}
	text := strings.Replace(string(data), "safe_to_bootstrap: 0", "safe_to_bootstrap: 1", 1)
	if err := os.WriteFile(path, []byte(text), 0o660); err != nil {
		return fmt.Errorf("mark node %d safe to bootstrap: %w", n.index, err)
	}
	return nil
}

// current is the process of the last Start, or nil.
func (n *Node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// Running says whether the server's process lives.
func (n *Node) Running() bool {
	p := n.current()
	return p != nil && p.running()
}

// Pid is the server's process id, 0 when it does not run.
func (n *Node) Pid() int {
	if p := n.current(); p != nil && p.running() {
		return p.cmd.Process.Pid
	}
	return 0
}

// Wait waits until the server's process has ended by itself and returns how it ended: nil for exit code 0.
func (n *Node) Wait(ctx context.Context) error {
	p := n.current()
	if p == nil {
		return fmt.Errorf("wait for node %d: it was never started", n.index)
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return n.fail("wait for end of", context.Cause(ctx))
	}
}

// WaitSynced waits until the node is a synced member that takes statements. It fails at once when the server ends.
func (n *Node) WaitSynced(ctx context.Context) error {
	p := n.current()
	if p == nil {
		return fmt.Errorf("wait for node %d: it was never started", n.index)
	}
	var last error
	for {
		select {
		case <-p.done:
			return n.fail("wait for", fmt.Errorf("the server ended (%w)", endOf(p.err)))
		case <-ctx.Done():
			if last == nil {
				last = errors.New("not synced")
			}
			return n.fail("wait for", fmt.Errorf("%w (last answer: %w)", context.Cause(ctx), last))
		case <-time.After(pollEvery):
		}
		if _, err := os.Stat(n.Socket()); err != nil {
			continue
		}
		state, err := n.Status(ctx, "wsrep_local_state_comment", "wsrep_ready")
		if err != nil {
			last = err
			continue
		}
		if state["wsrep_local_state_comment"] == "Synced" && state["wsrep_ready"] == "ON" {
			return nil
		}
		last = fmt.Errorf("state %s, ready %s", state["wsrep_local_state_comment"], state["wsrep_ready"])
	}
}

// endOf gives the clean end of a process, which is no error to exec, a name.
func endOf(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Stop ends the server in good order (SIGTERM) and waits for it. A server that is not running is fine.
func (n *Node) Stop(ctx context.Context) error {
	p := n.current()
	if p == nil || !p.running() {
		return nil
	}
	n.closeDB()
	ctx, cancel := context.WithTimeoutCause(ctx, stopLimit, fmt.Errorf("no end after %v", stopLimit))
	defer cancel()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return n.fail("stop", err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			return n.fail("stop", p.err)
		}
		return nil
	case <-ctx.Done():
		return n.fail("stop", context.Cause(ctx))
	}
}

// Kill is kill -9 of the server alone, as the OOM killer would do it, and waits for its end. State transfer scripts stay: noticing
// is their own duty.
func (n *Node) Kill() {
	p := n.current()
	if p == nil {
		return
	}
	n.closeDB()
	if p.running() {
		_ = p.cmd.Process.Kill()
	}
	<-p.done
}

// KillAll is kill -9 of the server and of everything that names the node's directory: a power cut without the loss of the cache.
func (n *Node) KillAll() {
	p := n.current()
	if p == nil {
		return
	}
	n.closeDB()
	p.killGroup()
	killByDir(n.dir + "/")
	<-p.done
}

// Scripts are the process ids of the state transfer programs of this node: processes whose command line has wsrep_sst_ or the
// role argument and names the node's directory. The shell between server and script may be among them.
func (n *Node) Scripts() []int {
	var pids []int
	for _, pid := range processesNaming(n.dir + "/") {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(line), "--role") {
			pids = append(pids, pid)
		}
	}
	return pids
}
