package gentle

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// userTick is the unit of /proc/stat, fixed at a hundredth of a second on every
// architecture that Go runs on (proc_stat(5)).
const userTick = 10 * time.Millisecond

// Idle returns the processor time that nobody on this host has used since it was
// started, all processors together. Two calls tell how much work more would disturb
// nobody. false means that the system does not say.
func Idle() (time.Duration, bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	return parseIdle(string(b))
}

// parseIdle reads the line "cpu user nice system idle iowait ...". A processor that
// waits for a disk can compute.
func parseIdle(stat string) (time.Duration, bool) {
	line, _, _ := strings.Cut(stat, "\n")
	field := strings.Fields(line)
	if len(field) < 6 || field[0] != "cpu" {
		return 0, false
	}
	var sum time.Duration
	for _, f := range field[4:6] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n < 0 || n > int64(1<<63-1)/int64(4*userTick) {
			return 0, false
		}
		sum += time.Duration(n) * userTick
	}
	return sum, true
}
