package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config describes a cluster. The zero value is a cluster in a temporary directory that uses the stock rsync method.
type Config struct {
	Dir      string            // directory below which the cluster makes its own; empty: the system's temporary directory
	Name     string            // wsrep_cluster_name; empty: trireme
	Path     []string          // put before the server's PATH, after the cluster's own BinDir
	Method   string            // wsrep_sst_method; empty: rsync
	Block    int               // X of the addresses 127.0.X.N, 2..250; 0: the first free one
	BasePort int               // the servers' SQL port; group, IST and SST ports are the customary ones. 0: 4306
	Nodes    int               // how many nodes wsrep_cluster_address names, 1..20; 0: 3
	Extra    map[string]string // [mysqld] options of every node; they win over the package's own
	Provider map[string]string // wsrep_provider_options of every node; they win over the package's own
	Env      []string          // KEY=VALUE, added to the small environment that servers and scripts get
	User     string            // whom servers run as when the caller is root; empty: mysql
	Keep     bool              // Destroy leaves the directory (logs and data) for a look
}

func (c Config) withDefaults() Config {
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	if c.Name == "" {
		c.Name = "trireme"
	}
	if c.Method == "" {
		c.Method = "rsync"
	}
	if c.BasePort == 0 {
		c.BasePort = 4306
	}
	if c.Nodes == 0 {
		c.Nodes = 3
	}
	if c.User == "" {
		c.User = "mysql"
	}
	return c
}

func (c Config) validate() error {
	if c.Block != 0 && (c.Block < 2 || c.Block > 250) {
		return fmt.Errorf("address block %d is outside 2..250", c.Block)
	}
	if c.Nodes < 1 || c.Nodes > 20 {
		return fmt.Errorf("%d nodes are outside 1..20", c.Nodes)
	}
	return nil
}

// Cluster is a set of nodes below one directory. Make it with New, end it with Destroy.
type Cluster struct {
	config Config
	dir    string
	block  int
	lock   net.Listener // holds the address block
	owner  *owner       // nil: servers run as the caller
	dog    *watchdog
	socks  string // short directory for sockets; equal to dir when dir is short

	wg    sync.WaitGroup // one goroutine per running process
	mu    sync.Mutex
	nodes map[int]*Node
	procs map[*process]bool
	gone  bool
}

// portGroup and its like are Galera's customary ports; each node has them on its own address.
const (
	portSST   = 4444
	portGroup = 4567
	portIST   = 4568
)

// maxSocketPath is what fits into sockaddr_un with its final zero byte.
const maxSocketPath = 107

// New checks that the programs are there (the error is a *MissingError when not), makes the working directory and reserves an
// address block. No server runs yet. The context bounds New only.
func New(ctx context.Context, config Config) (*Cluster, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("set up cluster: %w", err)
	}
	if err := Missing(config.Method); err != nil {
		return nil, err
	}
	c := &Cluster{config: config, nodes: map[int]*Node{}, procs: map[*process]bool{}}
	ok := false
	defer func() {
		if !ok {
			c.Destroy()
		}
	}()
	var err error
	if c.owner, err = findOwner(config.User); err != nil {
		return nil, err
	}
	if c.lock, c.block, err = reserveBlock(ctx, config.Block); err != nil {
		return nil, err
	}
	if c.dir, err = c.makeDir(config.Dir); err != nil {
		return nil, err
	}
	c.socks = c.dir
	if len(filepath.Join(c.dir, "node00", "mysqld.sock")) > maxSocketPath {
		if c.socks, err = c.makeDir("/tmp"); err != nil {
			return nil, err
		}
	}
	if c.dog, err = startWatchdog(c.dir, c.socks, config.Keep); err != nil {
		return nil, err
	}
	if err := c.makeBase(); err != nil {
		return nil, fmt.Errorf("set up cluster: %w", err)
	}
	ok = true
	return c, nil
}

// makeDir makes a new directory that the servers' user can reach. Its name is unlike any other, because processes are found by it.
func (c *Cluster) makeDir(parent string) (string, error) {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return "", fmt.Errorf("set up cluster: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "galera-"+c.config.Name+"-")
	if err != nil {
		return "", fmt.Errorf("set up cluster: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("set up cluster: %w", err)
	}
	if c.owner != nil {
		if err := c.owner.canReach(dir); err != nil {
			_ = os.Remove(dir)
			return "", err
		}
	}
	return dir, nil
}

// RoomyDir is /dev/shm when that has the given number of bytes free, otherwise the system's temporary directory: memory measures
// the program and not a disk that is shared with others, but containers often have next to none of it there.
func RoomyDir(need int64) string {
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) == nil && int64(st.Bavail)*st.Bsize >= need {
		return shm
	}
	return os.TempDir()
}

// makeBase makes the servers' basedir. The server puts bin below its basedir before everything else in the scripts' PATH, so with
// the system's basedir an installed wsrep_sst_<method> would win over the one under test, unseen.
func (c *Cluster) makeBase() error {
	if err := os.MkdirAll(c.BinDir(), 0o755); err != nil {
		return err
	}
	for _, d := range []string{"share", "lib", "sbin"} {
		if err := os.Symlink("/usr/"+d, filepath.Join(c.baseDir(), d)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) baseDir() string { return filepath.Join(c.dir, "base") }

// reserveBlock finds an X of 127.0.X.N that no other cluster of this machine uses. A listener is the reservation: the kernel frees
// it however the process ends. Host number 254 is never a node's.
func reserveBlock(ctx context.Context, want int) (net.Listener, int, error) {
	first, count := 2+os.Getpid()%249, 249
	if want != 0 {
		first, count = want, 1
	}
	var lc net.ListenConfig
	var last error
	for i := range count {
		block := 2 + (first-2+i)%249
		l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.%d.254:%d", block, portGroup))
		if err == nil {
			return l, block, nil
		}
		last = err
	}
	return nil, 0, fmt.Errorf("reserve address block 127.0.X.0/24: %w", last)
}

// Dir is the cluster's working directory. It is removed by Destroy.
func (c *Cluster) Dir() string { return c.dir }

// BinDir stands first in the scripts' PATH: the place for a wsrep_sst_<method> under test (InstallMethod, WrapMethod).
func (c *Cluster) BinDir() string { return filepath.Join(c.baseDir(), "bin") }

// Host is the address of node i (1, 2, ...).
func (c *Cluster) Host(i int) string { return fmt.Sprintf("127.0.%d.%d", c.block, i) }

// Node returns node i (1, 2, ...); the first call makes its directory. It panics when i is outside 1..Config.Nodes or the
// directory cannot be made, as both are mistakes in the test itself.
func (c *Cluster) Node(i int) *Node {
	if i < 1 || i > c.config.Nodes {
		panic(fmt.Sprintf("cluster: internal error: node %d is outside 1..%d", i, c.config.Nodes))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.nodes[i]; n != nil {
		return n
	}
	n, err := newNode(c, i)
	if err != nil {
		panic(fmt.Sprintf("cluster: internal error: %v", err))
	}
	c.nodes[i] = n
	return n
}

// InstallMethod copies a program to BinDir as wsrep_sst_<method>, so that the servers' user reaches it wherever it was built.
func (c *Cluster) InstallMethod(method, binary string) error {
	data, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("install method %s: %w", method, err)
	}
	// A rename keeps a script that is running at this moment intact.
	to := filepath.Join(c.BinDir(), "wsrep_sst_"+method)
	if err := os.WriteFile(to+".new", data, 0o755); err != nil {
		return fmt.Errorf("install method %s: %w", method, err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		return fmt.Errorf("install method %s: %w", method, err)
	}
	return nil
}

// path is the PATH of servers and scripts.
func (c *Cluster) path() string {
	dirs := append([]string{c.BinDir()}, c.config.Path...)
	return strings.Join(append(dirs, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"), ":")
}

// command prepares a program that runs as the servers' user, in a process group of its own, with the servers' environment. It
// dies with us, and its whole group dies with the context. It must be started and waited for by onThread.
func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + c.path(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + c.dir}, c.config.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if c.owner != nil {
		cmd.SysProcAttr.Credential = c.owner.credential()
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// onThread calls f on a thread that is f's alone as long as it takes. A child dies with the thread that started it, not with the
// process, and threads do end: those of goroutines that change their network namespace, for one.
func onThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}

// output is the CombinedOutput of a command.
func output(cmd *exec.Cmd) (out []byte, err error) {
	err = onThread(func() error {
		out, err = cmd.CombinedOutput()
		return err
	})
	return out, err
}

// Destroy ends every process of the cluster without mercy, waits for them and removes the directory. It may be called twice,
// and on a cluster that is only half made.
func (c *Cluster) Destroy() {
	c.mu.Lock()
	c.gone = true
	nodes := make([]*Node, 0, len(c.nodes))
	for _, n := range c.nodes {
		nodes = append(nodes, n)
	}
	procs := make([]*process, 0, len(c.procs))
	for p := range c.procs {
		procs = append(procs, p)
	}
	c.mu.Unlock()
	for _, n := range nodes {
		n.closeDB()
	}
	for _, p := range procs {
		p.killGroup()
	}
	if c.dir != "" {
		killByDir(c.dir)
	}
	c.wg.Wait()
	if c.dir != "" && !c.config.Keep {
		_ = os.RemoveAll(c.dir)
	}
	if c.socks != "" && c.socks != c.dir {
		_ = os.RemoveAll(c.socks)
	}
	// Last, so that the watchdog finishes the work when something above hangs and we are killed.
	if c.dog != nil {
		c.dog.stop()
	}
	if c.lock != nil {
		_ = c.lock.Close()
	}
}

// errDestroyed is what Start returns after Destroy.
var errDestroyed = errors.New("the cluster was destroyed")
