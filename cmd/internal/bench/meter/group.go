package meter

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lookEvery is the time between two looks at the programs.
const lookEvery = 25 * time.Millisecond

// patience is how long a program that was told to end may take.
const patience = 2 * time.Second

// Usage is what a Group's programs cost. Times are seconds, sizes bytes.
type Usage struct {
	Wall     float64       `json:"wall_seconds"`
	Machine  float64       `json:"machine_cpu_seconds"`    // the whole machine's, while the clock ran
	Own      float64       `json:"own_cpu_seconds"`        // the programs', from their start to their end
	OwnUser  float64       `json:"own_user_seconds"`       // the part of it outside the kernel
	OwnEnds  [ends]float64 `json:"own_cpu_seconds_by_end"` // Own: donor, joiner
	Others   float64       `json:"others_cpu_seconds"`     // Machine without Own: the kernel's own threads, and other programs
	Peak     [ends]int64   `json:"peak_rss_bytes"`         // donor, joiner
	IO       [ends]IO      `json:"io"`                     // donor, joiner
	Loopback int64         `json:"loopback_bytes"`         // while the clock ran
	Curve    []Point       `json:"curve,omitempty"`        // what the joining end had written
}

// Point is how much an end had written at a time. For the joiner of a full copy that is data in files.
type Point struct {
	At    float64 `json:"at_seconds"`
	Bytes int64   `json:"bytes"`
}

// Group runs programs together and measures them.
type Group struct {
	mu    sync.Mutex
	all   []*Process
	peaks map[int]int64 // by process id
	of    map[int]End
	curve []Point

	stop  chan struct{}
	look  sync.WaitGroup
	began time.Time
	cpu   float64
	lo    int64
	ended time.Time
	mcpu  float64
	mlo   int64
}

// NewGroup begins to look on.
func NewGroup() *Group {
	g := &Group{peaks: map[int]int64{}, of: map[int]End{}, stop: make(chan struct{})}
	g.look.Go(func() {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		for {
			select {
			case <-g.stop:
				return
			case <-t.C:
				g.sample()
			}
		}
	})
	return g
}

func (g *Group) sample() {
	g.mu.Lock()
	defer g.mu.Unlock()
	var written int64
	for _, p := range g.all {
		for _, pid := range descendants(p.cmd.Process.Pid) {
			if n := peak(pid); n > 0 {
				g.peaks[pid], g.of[pid] = max(g.peaks[pid], n), p.end
			}
			if io, ok := readIO(pid); ok && p.end == Joiner {
				written += io.WriteBytes
			}
		}
	}
	if !g.began.IsZero() {
		g.curve = append(g.curve, Point{time.Since(g.began).Seconds(), written})
	}
}

// Start starts a program at an end. Its standard error is kept for messages.
func (g *Group) Start(end End, cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, end: end, stderr: &tailWriter{}, name: cmd.Args[0]}
	if cmd.Stderr == nil {
		cmd.Stderr = p.stderr
	} else {
		cmd.Stderr = io.MultiWriter(cmd.Stderr, p.stderr)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = patience // for children that outlive it and hold its standard error
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Args[0], err)
	}
	g.mu.Lock()
	g.all = append(g.all, p)
	g.mu.Unlock()
	return p, nil
}

// Begin starts the clock.
func (g *Group) Begin() error {
	var err error
	if g.cpu, err = machineCPU(); err != nil {
		return err
	}
	if g.lo, err = loopback(); err != nil {
		return err
	}
	g.mu.Lock()
	g.began = time.Now()
	g.mu.Unlock()
	return nil
}

// Wait waits until the given programs have ended; when the first error comes, or ctx ends, the others are killed.
func (g *Group) Wait(ctx context.Context, all ...*Process) error {
	stop := context.AfterFunc(ctx, func() {
		for _, p := range all {
			p.signal(unix.SIGKILL)
		}
	})
	defer stop()
	errs := make(chan error, len(all)) // every one has room
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() { errs <- p.wait(false) })
	}
	var first error
	for range all {
		if err := <-errs; err != nil && first == nil {
			first = err
			for _, p := range all {
				p.signal(unix.SIGKILL)
			}
		}
	}
	wg.Wait()
	if first != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return first
}

// Lap stops the clock.
func (g *Group) Lap() (err error) {
	g.ended = time.Now()
	if g.mcpu, err = machineCPU(); err != nil {
		return err
	}
	g.mlo, err = loopback()
	return err
}

// Stop ends every program that still runs and returns the figures. The Group is of no further use.
func (g *Group) Stop() Usage {
	close(g.stop)
	g.look.Wait()
	g.sample()
	for _, p := range g.all {
		if !p.done {
			p.signal(unix.SIGTERM)
			kill := time.AfterFunc(patience, func() { p.signal(unix.SIGKILL) })
			_ = p.wait(true) // we ended it
			kill.Stop()
		}
	}
	u := Usage{Wall: g.ended.Sub(g.began).Seconds(), Machine: g.mcpu - g.cpu, Loopback: g.mlo - g.lo, Curve: g.curve}
	for _, p := range g.all {
		u.Own += p.cpu
		u.OwnUser += p.user
		u.OwnEnds[p.end] += p.cpu
		u.IO[p.end].add(p.io)
	}
	u.Others = u.Machine - u.Own
	for pid, n := range g.peaks {
		u.Peak[g.of[pid]] += n
	}
	return u
}
