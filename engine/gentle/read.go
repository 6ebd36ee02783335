package gentle

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noDontCache is set once the kernel has said that it does not know RWF_DONTCACHE
// (before Linux 6.14); file systems without it are found out file by file.
var noDontCache atomic.Bool

// File is what ReadAt reads from: an os.File, or something that does without its finalizer.
type File interface {
	io.ReaderAt
	Fd() uintptr
	Name() string
}

// ReadAt is f.ReadAt without a trace in the page cache: by RWF_DONTCACHE, else by
// giving back afterwards what was not resident before. Errors are those of os.File.
func ReadAt(f File, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !noDontCache.Load() {
		n, err := uncached(f, p, off)
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
			noDontCache.Store(true)
		}
	}
	before, err := resident(f, off, len(p))
	if err != nil {
		return f.ReadAt(p, off)
	}
	// Without read-ahead: what it brought in would look resident to the next read.
	// A read of a whole unit is one request all the same.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)
	n, rerr := f.ReadAt(p, off)
	giveBack(f, off, n, before)
	return n, rerr
}

func uncached(f File, p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Preadv2(int(f.Fd()), [][]byte{p[done:]}, off+int64(done), unix.RWF_DONTCACHE)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return done, &os.PathError{Op: "read", Path: f.Name(), Err: err}
		case n == 0:
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

const page = 4096

// resident says for each page of the range whether it is in the page cache. It maps
// the range without touching it, so a file that is cut meanwhile does no harm.
func resident(f File, off int64, n int) ([]byte, error) {
	from := off &^ (page - 1)
	length := int(off-from) + n
	m, err := unix.Mmap(int(f.Fd()), from, length, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	defer unix.Munmap(m)
	vec := make([]byte, (length+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(length), uintptr(unsafe.Pointer(&vec[0]))); errno != 0 {
		return nil, errno
	}
	return vec, nil
}

// giveBack drops the runs of pages that were not resident before. Errors do not
// matter: it is a courtesy.
func giveBack(f File, off int64, n int, before []byte) {
	from := off &^ (page - 1)
	end := off + int64(n)
	for i := 0; i < len(before); {
		j := i
		for j < len(before) && before[j]&1 == before[i]&1 {
			j++
		}
		a, b := from+int64(i)*page, min(from+int64(j)*page, end)
		if before[i]&1 == 0 && b > a {
			// A page that is only partly in the range is dropped when both of
			// its parts have been read; the kernel keeps partial ones.
			_ = unix.Fadvise(int(f.Fd()), a, from+int64(j)*page-a, unix.FADV_DONTNEED)
		}
		i = j
	}
}
