package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"trireme/bench/netlab"
)

// receiver is a "trireme receive" that waits for its sender.
type receiver struct {
	cmd    *exec.Cmd
	errs   strings.Builder
	ticket string
}

func receive(ctx context.Context, o options, start func(*exec.Cmd) error, host string, c contestant, dst string) (*receiver, error) {
	r := new(receiver)
	words := append([]string{"receive", "--listen", host + ":0", "--progress", "none"}, c.listen...)
	r.cmd = exec.CommandContext(ctx, o.binary, append(words, dst)...)
	r.cmd.Stderr = &r.errs
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := start(r.cmd); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if f := strings.Fields(line); err == nil && len(f) > 0 {
		r.ticket = f[len(f)-1]
		return r, nil
	}
	_ = r.cmd.Wait() // its exit code says it
	if r.cmd.ProcessState.ExitCode() == exitUsage {
		return nil, &missing{lastLine(r.errs.String())}
	}
	return nil, fmt.Errorf("the receiver gave no ticket: %s", r.errs.String())
}

// stop ends a receiver that nobody will come to.
func (r *receiver) stop() error {
	err := r.cmd.Process.Kill()
	_ = r.cmd.Wait() // killed
	return err
}

// cutting resets all connections of a link again and again until stop is called.
func cutting(l *netlab.Link, every time.Duration, cuts *int) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				l.Forget(netlab.Reset)
				*cuts++
			case <-done:
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
