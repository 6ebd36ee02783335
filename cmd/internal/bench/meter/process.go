package meter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// End is one of the two ends of a transfer.
type End int

// The ends. A program that copies alone is a donor.
const (
	Donor End = iota
	Joiner
	ends
)

func (e End) String() string { return [...]string{"donor", "joiner"}[e] }

// IO is what a program has read and written by system calls, those of reaped children included.
type IO struct {
	ReadBytes   int64 `json:"read_bytes"`  // by any read, from files, pipes and sockets
	WriteBytes  int64 `json:"write_bytes"` // the same of writes
	Reads       int64 `json:"reads"`       // calls
	Writes      int64 `json:"writes"`
	Switches    int64 `json:"context_switches"` // of finished programs, both kinds
	MinorFaults int64 `json:"minor_faults"`     // the same
}

func (a *IO) add(b IO) {
	a.ReadBytes += b.ReadBytes
	a.WriteBytes += b.WriteBytes
	a.Reads += b.Reads
	a.Writes += b.Writes
	a.Switches += b.Switches
	a.MinorFaults += b.MinorFaults
}

// readIO reads /proc/PID/io, which answers for a program that has ended and is not reaped as well.
func readIO(pid int) (io IO, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return IO{}, false
	}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			continue
		}
		switch k {
		case "rchar":
			io.ReadBytes = n
		case "wchar":
			io.WriteBytes = n
		case "syscr":
			io.Reads = n
		case "syscw":
			io.Writes = n
		}
	}
	return io, true
}

// peak is the most memory a process has held so far, bytes; 0 when it has ended.
func peak(pid int) int64 {
	v := field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")
	kb, _ := strconv.ParseInt(strings.TrimSuffix(v, " kB"), 10, 64) // "" gives 0
	return kb << 10
}

// descendants are pid and all processes below it.
func descendants(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", all[i]))
		if err != nil {
			continue
		}
		for _, t := range tasks {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", all[i], t.Name()))
			if err != nil {
				continue
			}
			for _, w := range strings.Fields(string(b)) {
				if n, err := strconv.Atoi(w); err == nil {
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// Process is a program that was started in a Group.
type Process struct {
	cmd    *exec.Cmd
	end    End
	stderr *tailWriter
	name   string

	mu     sync.Mutex // over reaped, and while it is reaped
	reaped bool
	done   bool
	err    error
	io     IO
	cpu    float64
	user   float64
	exited time.Time
}

// tailWriter keeps the end of what a program says on standard error.
type tailWriter struct{ b []byte }

const tailKeep = 2 << 10

func (w *tailWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	if n := len(w.b) - tailKeep; n > 0 {
		w.b = append(w.b[:0], w.b[n:]...)
	}
	return len(p), nil
}

// wait waits for the program's end and takes its figures. stopped says that it was ended by us.
func (p *Process) wait(stopped bool) error {
	if p.done {
		return p.err
	}
	p.done = true
	var info unix.Siginfo
	for {
		// Without reaping: the counters go with the process.
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.exited = time.Now()
	p.io, _ = readIO(p.cmd.Process.Pid)
	p.mu.Lock()
	err := p.cmd.Wait()
	p.reaped = true
	p.mu.Unlock()
	if u, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.user = time.Duration(u.Utime.Nano()).Seconds()
		p.cpu = p.user + time.Duration(u.Stime.Nano()).Seconds()
		p.io.Switches, p.io.MinorFaults = u.Nvcsw+u.Nivcsw, u.Minflt
	}
	if err != nil && !stopped {
		p.err = fmt.Errorf("%s: %w: %s", p.name, err, bytes.TrimSpace(p.stderr.b))
	}
	return p.err
}

// signal reaches the program and what it has started: every program has a process group of its own. A number that may belong to
// somebody else by now is not used.
func (p *Process) signal(s unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(-p.cmd.Process.Pid, s) // it may have ended
	}
}
