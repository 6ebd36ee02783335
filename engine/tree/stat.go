package tree

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe" // offsets in a record of the kernel's, and what statx is given

	"golang.org/x/sys/unix"
)

// retry repeats a system call that a signal interrupted; Go's own signals make that common on slow file systems.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func openat(dir int, name string, flag int, perm uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flag|unix.O_CLOEXEC, perm)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// openBeneath opens a path of several components below dir, none of which may be a link. The kernel refuses with EAGAIN
// when a rename made it lose its way.
func openBeneath(dir int, name string, flag int, perm uint32) (int, error) {
	how := unix.OpenHow{Flags: uint64(flag | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	if flag&unix.O_CREAT != 0 {
		how.Mode = uint64(perm)
	}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// canBeneath asks once whether openBeneath works: old kernels do not have it, and some containers forbid it.
var canBeneath = sync.OnceValue(func() bool {
	fd, err := openBeneath(unix.AT_FDCWD, ".", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err == nil
})

func fstat(fd int, st *unix.Stat_t) error { return retry(func() error { return unix.Fstat(fd, st) }) }

func identify(fd int) (dirID, error) {
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return dirID{}, err
	}
	return dirID{st.Dev, st.Ino}, nil
}

// stat is one statx answer. Every identity in this package comes from it, so that they can be compared.
type stat struct{ x unix.Statx_t }

// at describes name in dir without following it; an empty name describes dir itself.
func (s *stat) at(dir int, name string) error {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	for {
		err := statx(dir, name, flags, &s.x)
		if err != unix.EINTR {
			return err
		}
	}
}

// statx is unix.Statx, which takes memory for a copy of each name with a zero behind it; here that lies on the stack.
func statx(dir int, name string, flags int, x *unix.Statx_t) error {
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	var z [maxComponent + 1]byte
	if len(name) >= len(z) || strings.IndexByte(name, 0) >= 0 {
		return unix.Statx(dir, name, flags, mask, x)
	}
	copy(z[:], name)
	_, _, e := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&z[0])), uintptr(flags), mask, uintptr(unsafe.Pointer(x)), 0)
	if e != 0 {
		return e
	}
	return nil
}

// statted is the answer about one name.
type statted struct {
	st  stat
	err error
}

// statBlock is how many names are asked for at a time, which bounds the memory for the answers to 1 MiB; for fewer than
// statAlone it is not worth to wake anybody up.
const (
	statBlock = 4096
	statAlone = 512
)

// statAll asks about many names of a directory, which follow the first skip bytes of paths, on all processors, which is most of what a scan of many tables takes, also under
// a server's lock. The answers lie in memory if that suffices. nil means that there are too few names.
func statAll(memory []statted, dir int, paths []string, skip int) []statted {
	workers := min(readers, runtime.GOMAXPROCS(0), len(paths)/(statAlone/2))
	if len(paths) < statAlone || workers < 2 {
		return nil
	}
	out := slices.Grow(memory[:0], len(paths))[:len(paths)]
	var at atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			const step = 64
			for from := int(at.Add(step)) - step; from < len(paths); from = int(at.Add(step)) - step {
				for i := from; i < min(from+step, len(paths)); i++ {
					out[i].err = out[i].st.at(dir, paths[i][skip:])
				}
			}
		})
	}
	wg.Wait()
	return out
}

func (s *stat) kind() uint16  { return s.x.Mode & unix.S_IFMT }
func (s *stat) isDir() bool   { return s.kind() == unix.S_IFDIR }
func (s *stat) isFile() bool  { return s.kind() == unix.S_IFREG }
func (s *stat) isLink() bool  { return s.kind() == unix.S_IFLNK }
func (s *stat) dev() uint64   { return unix.Mkdev(s.x.Dev_major, s.x.Dev_minor) }
func (s *stat) dirID() dirID  { return dirID{s.dev(), s.x.Ino} }
func (s *stat) direct() bool  { return s.x.Attributes&unix.STATX_ATTR_DAX != 0 }
func (s *stat) links() uint32 { return s.x.Nlink }

func (s *stat) entry() Entry {
	e := Entry{
		Dir:       s.isDir(),
		Irregular: !s.isDir() && !s.isFile(),
		Mode:      uint32(s.x.Mode) & 0o777,
		UID:       s.x.Uid,
		GID:       s.x.Gid,
		ID:        FileID{Dev: s.dev(), Ino: s.x.Ino},
		Direct:    s.direct(),
		Linked:    s.isFile() && s.links() > 1,
		Mtime:     nanos(s.x.Mtime),
		Ctime:     nanos(s.x.Ctime),
	}
	if s.x.Mask&unix.STATX_BTIME != 0 {
		e.ID.Birth = nanos(s.x.Btime)
	}
	if !e.Dir {
		e.Size, e.Allocated = int64(s.x.Size), int64(s.x.Blocks)*512
	}
	return e
}

func nanos(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// StatFile describes an open file or directory in the same terms as Scan, so that what was read can be compared with
// what was listed. Role, Path, Class and Suspect are not set. gone says that no directory names the file any more.
func StatFile(f interface {
	Fd() uintptr
	Name() string
}) (e Entry, gone bool, err error) {
	var st stat
	err = st.at(int(f.Fd()), "")
	runtime.KeepAlive(f)
	if err != nil {
		return Entry{}, false, &os.PathError{Op: "statx", Path: f.Name(), Err: err}
	}
	return st.entry(), st.links() == 0, nil
}

// dirBuffer is the size of one read of a directory: some 1000 names of tables.
const dirBuffer = 64 << 10

// readNames appends to paths those of all names in the directory, prefix+name, in the order of the file system. fd must be at its
// beginning. They lie in m: a string for each name, and another for its path, is garbage by the hundred thousand.
func readNames(fd int, prefix string, m *arena, paths []string) ([]string, error) {
	buf := make([]byte, dirBuffer)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return paths, err
		}
		for rest := buf[:n]; len(rest) > 0; {
			var name []byte
			if name, rest, err = nextName(rest); err != nil {
				return paths, err
			}
			if s := string(name); s != "." && s != ".." {
				paths = append(paths, m.join(prefix, name))
			}
		}
	}
}

// nextName takes the first record off what getdents64 has filled, which the kernel has made.
func nextName(b []byte) (name, rest []byte, err error) {
	const (
		length = unsafe.Offsetof(unix.Dirent{}.Reclen)
		text   = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	if len(b) <= int(text) {
		return nil, nil, unix.EIO
	}
	n := int(binary.NativeEndian.Uint16(b[length:]))
	if n <= int(text) || n > len(b) {
		return nil, nil, unix.EIO
	}
	name, _, _ = bytes.Cut(b[text:n], []byte{0})
	return name, b[n:], nil
}
