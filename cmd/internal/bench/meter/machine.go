package meter

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is what figures depend on.
type Machine struct {
	CPU      string    `json:"cpu"`
	CPUs     int       `json:"cpus"`
	Memory   int64     `json:"memory_bytes"`
	Kernel   string    `json:"kernel"`
	Go       string    `json:"go"`
	FS       string    `json:"file_system"` // of the directory that was worked in
	Load     string    `json:"load_at_start"`
	Measured time.Time `json:"measured"`
}

// fileSystems are the magic numbers (statfs(2)) of those one meets.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlayfs",
}

// Describe looks at the machine and at the file system of dir.
func Describe(dir string) Machine {
	m := Machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), Measured: time.Now().UTC().Truncate(time.Second)}
	m.CPU = field("/proc/cpuinfo", "model name")
	kb, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	m.Memory = kb << 10
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		if m.FS = fileSystems[int64(st.Type)]; m.FS == "" {
			m.FS = fmt.Sprintf("file system %#x", st.Type)
		}
	}
	b, _ := os.ReadFile("/proc/loadavg")
	m.Load, _, _ = strings.Cut(string(b), " ")
	return m
}

// field is the first value of a name in a file of "name : value" lines, "" when there is none.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// tick is the unit of /proc/stat: USER_HZ, 100 on every architecture Linux has.
const tick = 0.01

// machineCPU is the seconds all processors have worked since boot: for users, the kernel and interrupts, without the time in
// which the host gave them to others.
func machineCPU() (float64, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	words := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal
	if len(words) < 8 || words[0] != "cpu" {
		return 0, fmt.Errorf("read /proc/stat: unexpected line %q", line)
	}
	var sum float64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/stat: %w", err)
		}
		sum += n * tick
	}
	return sum, nil
}

// loopback is how many bytes the loopback device has carried.
func loopback() (int64, error) {
	words := strings.Fields(field("/proc/net/dev", "lo"))
	if len(words) < 1 {
		return 0, fmt.Errorf("read /proc/net/dev: no device lo")
	}
	return strconv.ParseInt(words[0], 10, 64)
}

// TouchMemory makes the machine hold n bytes of memory for a moment. A guest that reports free pages to its host pays for the
// first touch of each after an idle moment, up to two seconds a GB, and whoever runs first would pay for all.
func TouchMemory(n int64) {
	const piece = 64 << 20
	var held [][]byte
	for ; n > 0; n -= piece {
		b, err := unix.Mmap(-1, 0, piece, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
		if err != nil {
			break // as much as there is
		}
		held = append(held, b)
	}
	for _, b := range held {
		_ = unix.Munmap(b)
	}
}
