package gentle

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ioprio_set(2): who is a thread, the value holds class and level.
const (
	ioprioWhoProcess = 1
	ioprioClassShift = 13
	ioprioNone       = 0
	ioprioBestEffort = 2
	lowest           = 7
)

// Lower puts this process last among those of equal class in the queue of the disk
// (best effort, level 7); with false it is back where it began. Threads that the Go
// runtime starts later inherit the value from the one that starts them. No privilege
// is needed.
func Lower(low bool) error {
	value := ioprioNone
	if low {
		value = ioprioBestEffort<<ioprioClassShift | lowest
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list own threads: %w", err)
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(tid), uintptr(value)); errno != 0 && errno != unix.ESRCH {
			return fmt.Errorf("set i/o priority of thread %d: %w", tid, errno)
		}
	}
	return nil
}
