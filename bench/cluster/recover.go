package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Copy copies the datadir (with holes, owners and times) and any further roots to a new directory below the node's and returns
// an option file whose paths point there. The copy is for programs that change what they read. The server should not run.
func (n *Node) Copy(ctx context.Context) (datadir, optionFile string, err error) {
	n.mu.Lock()
	n.copies++
	base := filepath.Join(n.dir, fmt.Sprintf("copy%d", n.copies))
	n.mu.Unlock()
	if err := os.Mkdir(base, 0o755); err != nil {
		return "", "", fmt.Errorf("copy datadir of node %d: %w", n.index, err)
	}
	if err := n.Give(base); err != nil {
		return "", "", err
	}
	options := n.mysqld()
	datadir = filepath.Join(base, "data")
	options["datadir"] = datadir
	roots := map[string]string{n.Datadir(): datadir}
	for key, from := range n.extraRoots() {
		options[key] = filepath.Join(base, key)
		roots[from] = options[key]
	}
	for from, to := range roots {
		// cp keeps holes and clones where the file system can; doing this better is not this package's job.
		out, err := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", "--reflink=auto", from, to).CombinedOutput()
		if err != nil {
			return "", "", fmt.Errorf("copy datadir of node %d: %w: %s", n.index, err, bytes.TrimSpace(out))
		}
	}
	options["log-error"] = filepath.Join(base, "error.log")
	options["socket"] = filepath.Join(base, "s")
	options["pid-file"] = filepath.Join(base, "mysqld.pid")
	optionFile = filepath.Join(base, "my.cnf")
	if err := os.WriteFile(optionFile, []byte(n.render(options)), 0o644); err != nil {
		return "", "", fmt.Errorf("copy datadir of node %d: %w", n.index, err)
	}
	return datadir, optionFile, nil
}

// Recover runs mariadbd --wsrep-recover on a copy of the datadir and returns the position that it finds (oracle O1). The datadir
// itself stays as it is; the copy is removed.
func (n *Node) Recover(ctx context.Context) (uuid string, seqno int64, err error) {
	datadir, optionFile, err := n.Copy(ctx)
	if err != nil {
		return "", 0, err
	}
	defer os.RemoveAll(filepath.Dir(datadir))
	cmd := n.cluster.command(ctx, program("mariadbd"), "--defaults-file="+optionFile, "--wsrep-recover", "--disable-log-error")
	out, err := output(cmd)
	if err != nil {
		return "", 0, fmt.Errorf("recover position of node %d: %w; the server said:\n%s", n.index, err, tail(string(out), tailLines))
	}
	const marker = "WSREP: Recovered position: "
	for line := range strings.Lines(string(out)) {
		if _, position, ok := strings.Cut(line, marker); ok {
			return parsePosition(position)
		}
	}
	return "", 0, fmt.Errorf("recover position of node %d: the server named none:\n%s", n.index, tail(string(out), tailLines))
}

// parsePosition takes "uuid:seqno" or "uuid:seqno,domain-server-seqno".
func parsePosition(text string) (string, int64, error) {
	text, _, _ = strings.Cut(strings.TrimSpace(text), ",")
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", 0, fmt.Errorf("parse position %q: want UUID:SEQNO", text)
	}
	seqno, err := strconv.ParseInt(text[i+1:], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("parse position %q: %w", text, err)
	}
	return text[:i], seqno, nil
}

// GaleraRecovery does to the datadir itself what systemd does before it starts the server: the distribution's galera_recovery
// runs the server with --wsrep_recover. It returns the argument for the start that follows ("--wsrep_start_position=..."), and an
// error when the unit would fail: then systemd never starts the server.
func (n *Node) GaleraRecovery(ctx context.Context) (argument string, err error) {
	script := program("galera_recovery")
	if script == "" {
		return "", &MissingError{Programs: []string{"galera_recovery"}, Packages: []string{"mariadb-server"}}
	}
	if err := n.WriteOptions(); err != nil {
		return "", err
	}
	cmd := n.cluster.command(ctx, script, "--defaults-file="+n.OptionFile())
	// The script keeps the server's words in a file of mktemp in /tmp; it runs as the server's user, so nothing else is shared.
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := onThread(cmd.Run); err != nil {
		return "", fmt.Errorf("run galera_recovery on node %d: %w; it said:\n%s", n.index, err, tail(said.String(), tailLines))
	}
	return strings.TrimSpace(out.String()), nil
}

// Restart starts the node the way a systemd unit does: galera_recovery first, then the server with the position that it found.
func (n *Node) Restart(ctx context.Context, bootstrap bool) error {
	argument, err := n.GaleraRecovery(ctx)
	if err != nil {
		return err
	}
	if argument == "" {
		return n.Start(ctx, bootstrap)
	}
	return n.Start(ctx, bootstrap, argument)
}

// Grastate reads the position that the provider keeps in grastate.dat; ok is false when there is no such file.
func (n *Node) Grastate() (uuid string, seqno int64, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(n.Datadir(), "grastate.dat"))
	if errors.Is(err, os.ErrNotExist) {
		return "", 0, false, nil
	}
	if err != nil {
		return "", 0, false, fmt.Errorf("read grastate.dat of node %d: %w", n.index, err)
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "uuid":
			uuid = value
		case "seqno":
			if seqno, err = strconv.ParseInt(value, 10, 64); err != nil {
				return "", 0, false, fmt.Errorf("read grastate.dat of node %d: seqno: %w", n.index, err)
			}
		}
	}
	return uuid, seqno, true, nil
}
