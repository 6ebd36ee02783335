package tree

import (
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Handle is an open regular file below a role's directory. Where files are opened by the hundred thousand it takes the place of
// os.File, which asks the kernel for flags that are known, registers a finalizer and wants a path that only messages need: together as
// much as the opening itself.
//
// Reads and writes may run at the same time; Close must come after them, and nobody closes it in the place of who forgets to. Errors
// are *fs.PathError, those of os.File otherwise.
type Handle struct {
	fd   int // -1 when closed
	size int64
	d    *Dirs
	role Role
	rel  string
	kept int // status flags without O_NONBLOCK, with which a file that may be a pipe is opened

	known atomic.Uint32 // a pace
}

// Handle opens the regular file rel in the directory of role. flag, perm and errors are those of OpenFile. The handle belongs to the
// caller.
func (d *Dirs) Handle(role Role, rel string, flag int, perm uint32) (*Handle, error) {
	d.life.RLock()
	defer d.life.RUnlock()
	fd, size, err := d.openFD(role, rel, flag, perm&0o777)
	if err != nil {
		return nil, err
	}
	return &Handle{fd: fd, size: size, d: d, role: role, rel: rel, kept: statusFlags(flag)}, nil
}

// Fd returns the descriptor, which stays the handle's.
func (h *Handle) Fd() uintptr { return uintptr(h.fd) }

// Name returns the absolute path, for messages.
func (h *Handle) Name() string { return h.d.Path(h.role, h.rel) }

// Size is the length in bytes that the file had when it was opened, 0 for one that was made then.
func (h *Handle) Size() int64 { return h.size }

// ReadAt implements io.ReaderAt.
func (h *Handle) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := h.pread(p[n:], off+int64(n))
		switch {
		case err == unix.EINTR, err == unix.EAGAIN && h.block():
		case err != nil:
			return n, h.fail("read", err)
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (h *Handle) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := h.pwrite(p[n:], off+int64(n))
		switch {
		case err == unix.EINTR, err == unix.EAGAIN && h.block():
		case err != nil:
			return n, h.fail("write", err)
		case m == 0:
			return n, h.fail("write", io.ErrUnexpectedEOF)
		default:
			n += m
		}
	}
	return n, nil
}

// block takes O_NONBLOCK back. It means nothing for a regular file on any file system known today, and open(2) does not promise that.
// A second time it returns false.
func (h *Handle) block() bool {
	flags, err := unix.FcntlInt(uintptr(h.fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		return false
	}
	_, err = unix.FcntlInt(uintptr(h.fd), unix.F_SETFL, h.kept)
	return err == nil
}

// Truncate gives the file a length in bytes.
func (h *Handle) Truncate(size int64) error {
	return h.wrap("truncate", retry(func() error { return unix.Ftruncate(h.fd, size) }))
}

// Chmod sets permission bits.
func (h *Handle) Chmod(mode uint32) error {
	return h.wrap("chmod", retry(func() error { return unix.Fchmod(h.fd, mode&0o777) }))
}

// Sync makes the file durable.
func (h *Handle) Sync() error {
	return h.wrap("sync", retry(func() error { return unix.Fsync(h.fd) }))
}

// WriteBack writes what of n bytes of the file is in memory only, and waits for that. It makes nothing durable.
func (h *Handle) WriteBack(off, n int64) error {
	return h.wrap("write back", retry(func() error {
		return unix.SyncFileRange(h.fd, off, n, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	}))
}

// Close releases the file. A second one returns fs.ErrClosed.
func (h *Handle) Close() error {
	if h.fd < 0 {
		return h.fail("close", fs.ErrClosed)
	}
	err := unix.Close(h.fd)
	h.fd = -1
	if err == unix.EINTR {
		err = nil // the descriptor is gone all the same, and its writes are for fsync and syncfs to judge
	}
	return h.wrap("close", err)
}

func (h *Handle) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return h.fail(op, err)
}

func (h *Handle) fail(op string, err error) error {
	if h.fd < 0 {
		err = fs.ErrClosed
	}
	return &os.PathError{Op: op, Path: h.Name(), Err: err}
}

// statusFlags are those of a file's flags that fcntl may set.
func statusFlags(flag int) int { return flag & (unix.O_APPEND | unix.O_DIRECT | unix.O_NOATIME) }
