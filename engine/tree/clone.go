package tree

import (
	"os"

	"golang.org/x/sys/unix"
)

// Clone returns a copy of a regular file that shares its extents with the original (FICLONE), so that it costs next to
// nothing whatever the size, and that later writes to the original do not reach. The copy has no name: it is gone when
// it is closed, or when the program dies. The caller owns it; it is open for reading.
//
// An error that only means "not here" is one of EOPNOTSUPP, EXDEV, EINVAL or ENOTTY: the file system cannot, or the file
// lies on another one than its role's directory. The original is opened as by OpenFile, so links are not followed.
func (d *Dirs) Clone(role Role, rel string) (*os.File, error) {
	src, err := d.OpenFile(role, rel, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	d.life.RLock()
	defer d.life.RUnlock()
	dir, _, own, err := d.parent("clone", role, rel)
	if err != nil {
		return nil, err
	}
	fd, err := openat(dir, ".", unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if own {
		_ = unix.Close(dir)
	}
	if err != nil {
		return nil, d.fail("clone", role, rel, err)
	}
	if err := retry(func() error { return unix.IoctlFileClone(fd, int(src.Fd())) }); err != nil {
		_ = unix.Close(fd)
		return nil, d.fail("clone", role, rel, err)
	}
	return os.NewFile(uintptr(fd), d.Path(role, rel)), nil
}
