package serveremul

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// signalTree sends sig to pid and all that descends from it, as a service manager does with a control group. The shell may
// or may not have stepped aside for the program, and programs have children, so one number is not enough. A shell that
// stands in between is spared everything but SIGKILL: it would die first and hide the program's exit code.
func signalTree(pid int, sig syscall.Signal) {
	children := make(map[int][]int)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(child); ok {
			children[parent] = append(children[parent], child)
		}
	}
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		todo = append(todo, children[todo[0]]...)
		if todo[0] == pid && len(children[pid]) > 0 && sig != syscall.SIGKILL {
			continue
		}
		_ = syscall.Kill(todo[0], sig)
	}
}

// parentOf reads the parent of a process that has not ended.
func parentOf(pid int) (int, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	stat := string(data)
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || fields[0] == "Z" {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}
