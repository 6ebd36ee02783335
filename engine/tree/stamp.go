package tree

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"
)

// Stamp stands for one state of one file as a stat shows it, on one mount of one boot of one host: as long as the stamp
// is the same, nobody has written to the file. It is a digest and says nothing to anybody else; it is compared for
// equality, and by the end that made it or on behalf of it. The zero value is no stamp.
type Stamp [16]byte

// Host is what stamps have in common that are made in one boot.
type Host struct {
	// Boot is the kernel's name for this boot. After a power cut bytes may be newer than the times of their file:
	// a direct write is on the disk at once, the inode with its ctime only with the next journal commit, up to 30 s
	// later. No stamp says anything about the time before a boot or a mount.
	Boot [16]byte
	// Clock is the wall clock less the time since boot, in ns. Slewing turns both clocks, so only a step changes it.
	Clock int64
}

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// ThisHost asks the kernel. The error says that nothing can be stamped here.
func ThisHost() (Host, error) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return Host{}, fmt.Errorf("which boot this is cannot be told: %w", err)
	}
	h := Host{}
	if n, err := hex.Decode(h.Boot[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))); err != nil || n != len(h.Boot) {
		return Host{}, fmt.Errorf("which boot this is cannot be told: %s holds no UUID", bootIDFile)
	}
	if h.Clock, err = clockOffset(); err != nil {
		return Host{}, fmt.Errorf("the clocks cannot be read: %w", err)
	}
	return h, nil
}

// clockOffset is the wall clock less the time since boot, in ns.
func clockOffset() (int64, error) {
	var real, boot unix.Timespec
	err := errors.Join(unix.ClockGettime(unix.CLOCK_REALTIME, &real), unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot))
	return real.Nano() - boot.Nano(), err
}

const (
	// Granule is how much older than the clock a stamp in an inode may be, doubled (consistency 2.1): kernels take it
	// from a clock that moves with each tick of at most 10 ms.
	Granule = 20 * time.Millisecond
	// LongestWrite is L of the skip rule (consistency 2.3): how long after its stamp a write may land.
	LongestWrite = 120 * time.Second
	// clockGrain is how coarsely a stamp knows Host.Clock: two readings differ by less than a microsecond, and a step
	// that is smaller cannot bring a time back that was LongestWrite old.
	clockGrain = 60 * time.Second
)

// stampContext is hashed before everything else: a stamp is no digest of anything but a stat.
const stampContext = "trireme 2026 file stamp\x00"

// Stamp returns the stamp that e, which lies on fs, has on this host, and whether it has one. None have: directories and special files,
// files of file systems whose times are not known to move with every write, network file systems and tmpfs among them
// (a store through a mapping that was read before does not move them there), files accessed directly, files without a
// time of birth (R-COPY-5), files with times in whole seconds, mounts that the kernel cannot tell from the next (before
// Linux 6.8). Whether the file has rested long enough is the caller's business: see Rested.
func (e *Entry) Stamp(h *Host, fs FSInfo) (Stamp, bool) {
	switch {
	case e.Dir, e.Irregular, e.Part, e.Direct, e.ID.Birth == 0:
		return Stamp{}, false
	case !fs.Trusted, fs.Mount == 0, fs.Dev != e.ID.Dev:
		return Stamp{}, false
	case e.coarse():
		return Stamp{}, false
	}
	var b [len(stampContext) + len(h.Boot) + 11*8]byte
	p := append(b[:0], stampContext...)
	p = append(p, h.Boot[:]...)
	step := h.Clock / int64(clockGrain)
	for _, n := range [...]uint64{
		uint64(step), uint64(fs.Type), fs.ID, fs.Mount,
		e.ID.Dev, e.ID.Ino, uint64(e.ID.Birth), uint64(e.Size), uint64(e.Mtime), uint64(e.Ctime),
	} {
		p = binary.BigEndian.AppendUint64(p, n)
	}
	if isDefinition(e.Role, e.Path) {
		rules := judgement()
		p = append(p, rules[:]...)
	}
	sum := blake3.Sum256(p)
	return Stamp(sum[:len(Stamp{})]), true
}

// coarse says that the times of e look as if they were kept in seconds, as in the small inodes of old file systems.
func (e *Entry) coarse() bool {
	const second = int64(time.Second)
	return e.Ctime%second == 0 && e.Mtime%second == 0
}

// Rested says whether e has not changed for longer than d before the wall clock showed at (ns): a write that was under way
// then, or one within the same tick, would have left a later time.
func (e *Entry) Rested(at int64, d time.Duration) bool { return e.Ctime < at-int64(d) }
