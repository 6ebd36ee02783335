package tree

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A system call that copies between two places in memory does not wait, but Go's scheduler cannot know that: after 20 us it takes the
// processor away from the goroutine and wakes another thread for it, and the one that comes back finds none. For transfers at the speed of
// memory that is a tenth of all processor time (bench/NOTES.md). So the scheduler is not told of large calls that have no device to wait for:
// all on a file system in memory, and reads of what the page cache has. Where such a call waits all the same, for memory, what else the
// processor had to do waits too, until another one takes it.

// pace is what is known of a handle's file system.
type pace uint32

const (
	unasked  pace = iota
	inMemory      // there is no device
	askable       // whether a read has to wait can be asked, and none had to so far
	waiting       // one had to, or nothing is certain
)

// heldFrom is the size in bytes of a call that takes longer than the scheduler waits, or nearly.
const heldFrom = 64 << 10

// narrow: a position takes two arguments of a system call.
const narrow = unsafe.Sizeof(uintptr(0)) < 8

// pace asks once what the file system is.
func (h *Handle) pace() pace {
	if p := pace(h.known.Load()); p != unasked {
		return p
	}
	p := waiting
	var fs unix.Statfs_t
	if !narrow && unix.Fstatfs(h.fd, &fs) == nil {
		switch int64(fs.Type) {
		case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
			p = inMemory
		default:
			p = askable
		}
	}
	h.known.Store(uint32(p))
	return p
}

// pread is pread(2).
func (h *Handle) pread(p []byte, off int64) (int, error) {
	if len(p) >= heldFrom {
		switch h.pace() {
		case inMemory:
			n, err := held(unix.SYS_PREAD64, h.fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), off, 0)
			raceWritten(p[:n])
			return n, err
		case askable:
			v := unix.Iovec{Base: unsafe.SliceData(p)}
			v.SetLen(len(p))
			n, err := held(unix.SYS_PREADV2, h.fd, unsafe.Pointer(&v), 1, off, unix.RWF_NOWAIT)
			if err == nil && n > 0 {
				raceWritten(p[:n])
				return n, nil
			}
			// It would have to wait, or cannot be asked. 0 may be the end, or one of the kernels (5.9, 5.10) that say so in place of EAGAIN.
			h.known.Store(uint32(waiting))
		}
	}
	return unix.Pread(h.fd, p, off)
}

// pwrite is pwrite(2).
func (h *Handle) pwrite(p []byte, off int64) (int, error) {
	if len(p) >= heldFrom && h.pace() == inMemory {
		raceRead(p)
		return held(unix.SYS_PWRITE64, h.fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), off, 0)
	}
	return unix.Pwrite(h.fd, p, off)
}

// held makes a system call of which the scheduler is not told.
func held(call uintptr, fd int, at unsafe.Pointer, n int, off int64, flags uintptr) (int, error) {
	r, _, e := syscall.RawSyscall6(call, uintptr(fd), uintptr(at), uintptr(n), uintptr(off), 0, flags)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}
