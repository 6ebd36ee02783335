//go:build integration

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// logPipe is the joiner's standard error as a pipe of one page. A program that logs into a full pipe stands still inside the write,
// which stops it between two steps that are microseconds apart.
type logPipe struct {
	f  *os.File
	wg sync.WaitGroup

	mu   sync.Mutex
	text strings.Builder
}

const pipeSize = 4096

func newLogPipe(t *testing.T, path string) *logPipe {
	t.Helper()
	must(t, syscall.Mkfifo(path, 0o600))
	must(t, os.Chmod(path, 0o666))
	// Both ends, so that neither side's open waits and the program's end is no end of file.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	raw, err := f.SyscallConn()
	must(t, err)
	var set error
	must(t, raw.Control(func(fd uintptr) { _, set = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) }))
	must(t, set)
	p := &logPipe{f: f}
	p.wg.Go(func() {
		buf := make([]byte, pipeSize)
		for {
			n, err := f.Read(buf)
			p.mu.Lock()
			p.text.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return p
}

func (p *logPipe) says(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.text.String(), text)
}

// clog stops reading and leaves room for one line. The program must be stopped; what it wrote so far has been read.
func (p *logPipe) clog(t *testing.T, room int) {
	t.Helper()
	must(t, p.f.SetReadDeadline(time.Now()))
	p.wg.Wait()
	must(t, p.f.SetReadDeadline(time.Time{}))
	_, err := p.f.Write(make([]byte, pipeSize-room))
	must(t, err)
}

func (p *logPipe) close() {
	if err := p.f.Close(); err == nil || errors.Is(err, os.ErrClosed) {
		p.wg.Wait()
	}
}

// writing says whether a thread of a process stands still inside a write to a pipe.
func writing(pid int) bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
	if err != nil {
		return false
	}
	for _, task := range tasks {
		if data, err := os.ReadFile(task); err == nil && strings.Contains(string(data), "pipe_write") {
			return true
		}
	}
	return false
}

// TestJoinerKilledBeforeCommit kills everything when the joiner has the whole copy, byte for byte, and only the names are missing:
// the datadir that looks most like a good one.
func TestJoinerKilledBeforeCommit(t *testing.T) {
	ctx, r := sharedRig(t)
	fifo := filepath.Join(r.records, "stderr")
	script := fmt.Sprintf("#!/bin/bash\ncase \" $* \" in *' joiner '*) exec 2>'%s' ;; esac\nexec -a wsrep_sst_trireme '%s' \"$@\"\n", fifo, r.program)
	var p *logPipe
	var donor func() []string
	var pid int
	defer os.Remove(fifo)
	r.inTime(t, ctx, func() bool {
		r.fresh(t, r.two)
		_ = os.Remove(fifo) // of a try before
		p = newLogPipe(t, fifo)
		t.Cleanup(p.close)
		must(t, os.WriteFile(filepath.Join(r.c.BinDir(), "wsrep_sst_trireme"), []byte(script), 0o755))
		donor = since(r.one)
		r.start(t, ctx, r.two)
		pid = processOf(t, ctx, r.two)
		return slowMotion(t, ctx, pid, longInstant, func() bool { return p.says("locked pass") && !p.says("verify pass") })
	})
	// The next line is that of the verify round, the one behind it announces the commit.
	const oneLine = 170
	p.clog(t, oneLine)
	must(t, syscall.Kill(pid, syscall.SIGCONT))
	whileUp(t, ctx, r.two, "the donor is released", func() bool { return says(donor(), "server released") })
	whileUp(t, ctx, r.two, "the joiner stands before its commit", func() bool { return writing(pid) })
	r.whole(t, ctx)
	r.two.KillAll()
	idle(t, ctx, r.two)
	idle(t, ctx, r.one)
	explains(t, "the donor", donor())
	argument, err := r.two.GaleraRecovery(ctx)
	must(t, err)
	if _, position, _ := strings.Cut(argument, "="); position != "" && position != zeroPosition {
		t.Errorf("galera_recovery found %q in a copy without keystones", argument)
	}
	r.heal(t, ctx)
}

// whole checks that the copy before its commit has every keystone in hiding, and nothing under a real name.
func (r *joinRig) whole(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := ctx.Err(); err != nil {
		t.Fatal(context.Cause(ctx))
	}
	if found := keystones(t, r.two); len(found) > 0 {
		t.Errorf("before the commit %q have their real names", found)
	}
	for _, name := range []string{"ibdata1", "undo001", "undo002", "undo003", "ib_logfile0", "aria_log_control", "aria_log.00000001"} {
		if _, err := os.Stat(filepath.Join(r.two.Datadir(), name+tree.PartSuffix)); err != nil {
			t.Errorf("before the commit: %v", err)
		}
	}
	for _, name := range []string{tree.MarkerName, tree.JournalName} {
		if _, err := os.Stat(filepath.Join(r.two.Datadir(), name)); err != nil {
			t.Errorf("before the commit: %v", err)
		}
	}
}
