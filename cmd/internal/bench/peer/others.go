package peer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"trireme/cmd/internal/bench/meter"
)

func runCp(ctx context.Context, g *meter.Group, _ *Contestant, j *Job) (Own, error) {
	if err := os.Mkdir(j.Target, 0o750); err != nil {
		return Own{}, err
	}
	if err := g.Begin(); err != nil {
		return Own{}, err
	}
	p, err := g.Start(meter.Donor, exec.Command("cp", "-a", "--reflink=never", j.Source+"/.", j.Target))
	if err != nil {
		return Own{}, err
	}
	if err := g.Wait(ctx, p); err != nil {
		return Own{}, err
	}
	return Own{}, g.Lap()
}

// runTarSocat is the stream of the oldest method: one archive through one encrypted connection.
func runTarSocat(ctx context.Context, g *meter.Group, _ *Contestant, j *Job) (Own, error) {
	files, err := certificates(j.Scratch)
	if err != nil {
		return Own{}, err
	}
	port, err := freePort()
	if err != nil {
		return Own{}, err
	}
	if err := os.MkdirAll(j.Target, 0o750); err != nil {
		return Own{}, err
	}
	// A shell joins the two, as in the scripts; exec leaves no third process behind.
	unpack := exec.Command("sh", "-c", `socat -u "$1" STDOUT | tar -C "$2" -xf -`, "sh",
		fmt.Sprintf("OPENSSL-LISTEN:%d,bind=127.0.0.1,reuseaddr,%s", port, files.socat()), j.Target)
	joiner, err := g.Start(meter.Joiner, unpack)
	if err != nil {
		return Own{}, err
	}
	if err := listening(ctx, port); err != nil {
		return Own{}, err
	}
	sparse := ""
	if j.Holes {
		sparse = "S"
	}
	if err := g.Begin(); err != nil {
		return Own{}, err
	}
	pack := exec.Command("sh", "-c", `tar -C "$2" -c"$3"f - . | socat -u STDIN "$1"`, "sh",
		fmt.Sprintf("OPENSSL:127.0.0.1:%d,%s", port, files.socat()), j.Source, sparse)
	donor, err := g.Start(meter.Donor, pack)
	if err != nil {
		return Own{}, err
	}
	if err := g.Wait(ctx, joiner, donor); err != nil {
		return Own{}, err
	}
	return Own{}, g.Lap()
}

// runRclone fetches over HTTP and TLS, which is five times as fast for small files as WebDAV: several files at a time, and several stretches of a large one.
func runRclone(ctx context.Context, g *meter.Group, _ *Contestant, j *Job) (Own, error) {
	files, err := certificates(j.Scratch)
	if err != nil {
		return Own{}, err
	}
	port, err := freePort()
	if err != nil {
		return Own{}, err
	}
	serve := exec.Command("rclone", "serve", "http", j.Source, "--addr", fmt.Sprintf("127.0.0.1:%d", port), "--cert", files.cert, "--key", files.key)
	serve.Env = quietEnv()
	if _, err := g.Start(meter.Donor, serve); err != nil {
		return Own{}, err
	}
	if err := listening(ctx, port); err != nil {
		return Own{}, err
	}
	fetch := exec.Command("rclone", "copy", ":http:", j.Target, "--http-url", fmt.Sprintf("https://127.0.0.1:%d", port), "--ca-cert", files.ca,
		"--transfers", "4", "--multi-thread-streams", "4", "--multi-thread-cutoff", "64M")
	fetch.Env = quietEnv("HOME=" + filepath.Dir(j.Scratch))
	if err := g.Begin(); err != nil {
		return Own{}, err
	}
	p, err := g.Start(meter.Joiner, fetch)
	if err != nil {
		return Own{}, err
	}
	if err := g.Wait(ctx, p); err != nil {
		return Own{}, err
	}
	return Own{}, g.Lap()
}
