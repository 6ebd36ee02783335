package galera

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// noFollow keeps an open from following a symbolic link or waiting for a FIFO's other end.
const noFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// procStat is the part of /proc/PID/stat that tells processes apart.
type procStat struct {
	comm  string
	state byte
	ppid  int
	start string // ticks since boot; with the pid it names a process for ever
}

// readProc reads /proc/PID/stat.
func readProc(pid int) (procStat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	s, err := parseProcStat(data)
	if err != nil {
		return procStat{}, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	return s, nil
}

// parseProcStat picks the fields; the name stands in parentheses and may itself hold blanks and parentheses, so the
// fields are counted from the last closing one.
func parseProcStat(data []byte) (procStat, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return procStat{}, fmt.Errorf("no process name in %q", clip(string(data)))
	}
	fields := strings.Fields(string(data[end+1:]))
	// state is field 3 of proc(5), ppid 4, starttime 22.
	if len(fields) < 20 || len(fields[0]) != 1 {
		return procStat{}, fmt.Errorf("%d fields after the process name, expected 20 or more", len(fields))
	}
	ppid, err := strconv.Atoi(fields[1])
	if err != nil {
		return procStat{}, fmt.Errorf("parent: %w", err)
	}
	return procStat{comm: string(data[open+1 : end]), state: fields[0][0], ppid: ppid, start: fields[19]}, nil
}

// dead reports whether the process has ended and only waits to be reaped.
func (s procStat) dead() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

// isShell reports whether a process of this name is the shell that servers put between themselves and the program.
func isShell(comm string) bool {
	switch comm {
	case "sh", "dash", "bash", "ash", "busybox", "ksh", "mksh", "zsh", "yash":
		return true
	}
	return false
}
