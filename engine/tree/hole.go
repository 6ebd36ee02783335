package tree

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Hole reports whether the n bytes at off of f are all inside the file and all in a hole, so that they would be read as zeroes. It costs
// one system call where they are not. Only file systems that are known to tell the truth while data are on their way to the
// disk are asked; on others nothing is a hole. (OpenZFS up to 2.2.1 called dirty data holes.) As with a read, what somebody
// writes meanwhile may be missed. f's offset moves. Safe for concurrent use.
func Hole(f interface{ Fd() uintptr }, off, n int64) bool {
	fd := int(f.Fd())
	data, err := unix.Seek(fd, off, unix.SEEK_DATA)
	switch {
	case err == nil && data < off+n, err != nil && !errors.Is(err, unix.ENXIO):
		return false
	}
	// ENXIO is also what lies behind the end of the file.
	var st unix.Stat_t
	var fs unix.Statfs_t
	return unix.Fstat(fd, &st) == nil && off+n <= st.Size && unix.Fstatfs(fd, &fs) == nil && fsKinds[int64(fs.Type)].holes
}
