package cluster

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Node is one server of the cluster: a directory with an option file, a datadir and an error log, and at times a process.
// All methods may be called from several goroutines, but Start, Stop, Kill, Init and Wipe of one node only one at a time.
type Node struct {
	cluster *Cluster
	index   int
	dir     string
	socket  string

	mu      sync.Mutex
	options map[string]map[string]string // group -> key -> value, what Set put there
	proc    *process                     // the server that runs or ran last; nil before the first Start
	db      *sql.DB
	runs    int // how often the server was started: numbers the older error logs
	copies  int // numbers the copies of Recover
}

func newNode(c *Cluster, i int) (*Node, error) {
	name := fmt.Sprintf("node%d", i)
	n := &Node{cluster: c, index: i, dir: filepath.Join(c.dir, name), options: map[string]map[string]string{}}
	n.socket = filepath.Join(c.socks, name+".sock")
	if c.socks == c.dir {
		n.socket = filepath.Join(n.dir, "mysqld.sock")
	}
	for _, d := range []string{n.dir, n.Datadir(), filepath.Join(n.dir, "tmp")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, fmt.Errorf("make node %d: %w", i, err)
		}
		if err := c.give(d); err != nil {
			return nil, fmt.Errorf("make node %d: %w", i, err)
		}
	}
	if c.socks != c.dir {
		if err := c.give(c.socks); err != nil {
			return nil, fmt.Errorf("make node %d: %w", i, err)
		}
	}
	return n, nil
}

// give makes the servers' user the owner of a path.
func (c *Cluster) give(path string) error {
	if c.owner == nil {
		return nil
	}
	if err := os.Lchown(path, int(c.owner.uid), int(c.owner.gid)); err != nil {
		return fmt.Errorf("change owner: %w", err)
	}
	return nil
}

// Give makes the servers' user the owner of a file or directory that a test made for a server (a key file, a second root). It is
// not recursive, and does nothing when the caller is not root.
func (n *Node) Give(path string) error { return n.cluster.give(path) }

// Index is the node's number, Host its address.
func (n *Node) Index() int { return n.index }

// Host is the node's address, 127.0.X.N.
func (n *Node) Host() string { return n.cluster.Host(n.index) }

// Dir is the node's directory, which belongs to the servers' user; Datadir lies in it.
func (n *Node) Dir() string { return n.dir }

// Datadir is the node's data directory.
func (n *Node) Datadir() string { return filepath.Join(n.dir, "data") }

// Socket is the path of the server's SQL socket.
func (n *Node) Socket() string { return n.socket }

// LogPath is the file that ErrorLog reads. Each Start begins a new one.
func (n *Node) LogPath() string { return filepath.Join(n.dir, "error.log") }

// ErrorLog is the text of the error log since the last Start, the lines of the state transfer script included.
func (n *Node) ErrorLog() string {
	data, err := os.ReadFile(n.LogPath())
	if err != nil {
		return ""
	}
	return string(data)
}

// OldErrorLogs are the logs of the runs before the last Start, oldest first.
func (n *Node) OldErrorLogs() []string {
	n.mu.Lock()
	runs := n.runs
	n.mu.Unlock()
	var logs []string
	for i := 1; i < runs; i++ {
		if data, err := os.ReadFile(n.oldLogPath(i)); err == nil {
			logs = append(logs, string(data))
		}
	}
	return logs
}

func (n *Node) oldLogPath(run int) string {
	return filepath.Join(n.dir, fmt.Sprintf("error.%d.log", run))
}

// tailLines is how much of an error log an error carries.
const tailLines = 25

// logTail is the end of the error log, indented, for errors.
func (n *Node) logTail() string {
	return tail(n.ErrorLog(), tailLines)
}

func tail(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > count {
		lines = lines[len(lines)-count:]
	}
	return "    " + strings.Join(lines, "\n    ")
}

// ScriptLog is what the state transfer programs of this node wrote to the error log since the last Start, line by line.
func (n *Node) ScriptLog() []string {
	var lines []string
	for line := range strings.Lines(n.ErrorLog()) {
		if strings.Contains(line, "WSREP_SST") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// fail wraps an error of this node and adds the end of its error log, and what the transfer program said last: the server writes
// so much when it gives up that the cause is often out of sight.
func (n *Node) fail(what string, err error) error {
	err = fmt.Errorf("%s node %d: %w; its error log ends:\n%s", what, n.index, err, n.logTail())
	if said := n.ScriptLog(); len(said) > 0 {
		const most = 8
		err = fmt.Errorf("%w\nits transfer program said last:\n%s", err, tail(strings.Join(said, "\n"), most))
	}
	return err
}
