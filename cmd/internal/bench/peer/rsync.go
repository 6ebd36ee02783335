package peer

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"trireme/cmd/internal/bench/datadir"
	"trireme/cmd/internal/bench/meter"
)

// tunnel makes a way from the donor's port to the joiner's daemon and returns that port.
type tunnel func(ctx context.Context, g *meter.Group, j *Job, daemon int) (port int, err error)

func runRsync(ctx context.Context, g *meter.Group, _ *Contestant, j *Job) (Own, error) {
	return rsync(ctx, g, j, func(_ context.Context, _ *meter.Group, _ *Job, daemon int) (int, error) { return daemon, nil })
}

func runRsyncSocat(ctx context.Context, g *meter.Group, _ *Contestant, j *Job) (Own, error) {
	return rsync(ctx, g, j, func(ctx context.Context, g *meter.Group, j *Job, daemon int) (int, error) {
		files, err := certificates(j.Scratch)
		if err != nil {
			return 0, err
		}
		return relay(ctx, g, func(end meter.End, listen, to int) (*exec.Cmd, error) {
			if end == meter.Joiner {
				return exec.Command("socat", fmt.Sprintf("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,%s", listen, files.socat()), fmt.Sprintf("TCP:127.0.0.1:%d", to)), nil
			}
			return exec.Command("socat", fmt.Sprintf("TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork", listen), fmt.Sprintf("OPENSSL:127.0.0.1:%d,%s", to, files.socat())), nil
		}, daemon)
	})
}

func runRsyncStunnel(ctx context.Context, g *meter.Group, _ *Contestant, j *Job) (Own, error) {
	return rsync(ctx, g, j, func(ctx context.Context, g *meter.Group, j *Job, daemon int) (int, error) {
		files, err := certificates(j.Scratch)
		if err != nil {
			return 0, err
		}
		return relay(ctx, g, func(end meter.End, listen, to int) (*exec.Cmd, error) {
			name := filepath.Join(j.Scratch, "stunnel-"+end.String()+".conf")
			client := "no"
			if end == meter.Donor {
				client = "yes"
			}
			text := fmt.Sprintf("foreground = yes\npid =\ndebug = 3\n[rsync]\nclient = %s\naccept = 127.0.0.1:%d\nconnect = 127.0.0.1:%d\ncert = %s\nkey = %s\nCAfile = %s\nverifyChain = yes\n",
				client, listen, to, files.cert, files.key, files.ca)
			return exec.Command("stunnel4", name), os.WriteFile(name, []byte(text), 0o600)
		}, daemon)
	})
}

// relay starts a program at each end: the joiner's leads to the daemon, the donor's to the joiner's.
func relay(ctx context.Context, g *meter.Group, program func(end meter.End, listen, to int) (*exec.Cmd, error), to int) (int, error) {
	for _, end := range []meter.End{meter.Joiner, meter.Donor} {
		port, err := freePort()
		if err != nil {
			return 0, err
		}
		cmd, err := program(end, port, to)
		if err != nil {
			return 0, err
		}
		if _, err := g.Start(end, cmd); err != nil {
			return 0, err
		}
		if err := listening(ctx, port); err != nil {
			return 0, err
		}
		to = port
	}
	return to, nil
}

// rsync pushes to a daemon, as Galera's script does, by several processes that share the files.
func rsync(ctx context.Context, g *meter.Group, j *Job, way tunnel) (Own, error) {
	lists, err := divide(j)
	if err != nil {
		return Own{}, err
	}
	if err := os.MkdirAll(j.Target, 0o750); err != nil {
		return Own{}, err
	}
	port, err := freePort()
	if err != nil {
		return Own{}, err
	}
	conf := filepath.Join(j.Scratch, "rsyncd.conf")
	owner := ""
	if os.Geteuid() == 0 {
		owner = "uid = 0\ngid = 0\n"
	}
	text := owner + "use chroot = no\nread only = no\n[copy]\npath = " + j.Target + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return Own{}, err
	}
	daemon := exec.Command("rsync", "--daemon", "--no-detach", "--address", "127.0.0.1", "--port", fmt.Sprint(port), "--config", conf)
	if _, err := g.Start(meter.Joiner, daemon); err != nil {
		return Own{}, err
	}
	if err := listening(ctx, port); err != nil {
		return Own{}, err
	}
	if port, err = way(ctx, g, j, port); err != nil {
		return Own{}, err
	}
	if err := g.Begin(); err != nil {
		return Own{}, err
	}
	var all []*meter.Process
	for _, list := range lists {
		words := []string{"-a", "--inplace", "--no-whole-file", "--files-from", list}
		if j.Holes {
			words = append(words, "--sparse")
		}
		p, err := g.Start(meter.Donor, exec.Command("rsync", append(words, j.Source+"/", fmt.Sprintf("rsync://127.0.0.1:%d/copy/", port))...))
		if err != nil {
			return Own{}, err
		}
		all = append(all, p)
	}
	if err := g.Wait(ctx, all...); err != nil {
		return Own{}, err
	}
	return Own{}, g.Lap()
}

// divide writes lists of files of about equal weight, one for each process. A file counts for at least what opening it costs.
func divide(j *Job) ([]string, error) {
	names, sizes, err := datadir.Names(j.Source)
	if err != nil {
		return nil, err
	}
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), strings.Compare(names[a], names[b]))
	})
	const perFile = 64 << 10
	n := max(j.Parallel, 1)
	weight, parts := make([]int64, n), make([][]string, n)
	for _, i := range order {
		least := 0
		for k := range weight {
			if weight[k] < weight[least] {
				least = k
			}
		}
		weight[least] += sizes[i] + perFile
		parts[least] = append(parts[least], names[i])
	}
	var lists []string
	for k, part := range parts {
		if len(part) == 0 {
			continue
		}
		slices.Sort(part) // neighbours in a directory together
		name := filepath.Join(j.Scratch, fmt.Sprintf("files-%d", k))
		if err := os.WriteFile(name, []byte(strings.Join(part, "\n")+"\n"), 0o600); err != nil {
			return nil, err
		}
		lists = append(lists, name)
	}
	return lists, nil
}
