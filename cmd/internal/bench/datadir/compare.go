package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Facts are what a directory holds.
type Facts struct {
	Files     int   `json:"files"`
	Bytes     int64 `json:"bytes"`     // lengths of the files
	Allocated int64 `json:"allocated"` // on the file system
}

// ours marks what a transfer of this program leaves beside the files: its lock, status and manifest.
func ours(name string) bool {
	return strings.HasPrefix(name, "trireme-") || strings.HasPrefix(name, ".trireme") || strings.HasPrefix(name, "wsrep_sst_trireme")
}

// files lists the regular files below dir by relative name.
func files(dir string) (map[string]fs.FileInfo, error) {
	all := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || ours(e.Name()) {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all[rel], err = e.Info()
		return err
	})
	return all, err
}

func allocated(i fs.FileInfo) int64 {
	st, ok := i.Sys().(*syscall.Stat_t)
	if !ok {
		return i.Size()
	}
	return st.Blocks * 512
}

// Measure says what dir holds.
func Measure(dir string) (Facts, error) {
	all, err := files(dir)
	if err != nil {
		return Facts{}, fmt.Errorf("measure %s: %w", dir, err)
	}
	var f Facts
	for _, i := range all {
		f.Files++
		f.Bytes += i.Size()
		f.Allocated += allocated(i)
	}
	return f, nil
}

// Names lists the regular files below dir, relative to it, with their lengths.
func Names(dir string) (names []string, sizes []int64, err error) {
	all, err := files(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", dir, err)
	}
	for n, i := range all {
		names, sizes = append(names, n), append(sizes, i.Size())
	}
	return names, sizes, nil
}

// DiffError says where a copy is not exact.
type DiffError struct{ Path, What string }

func (e *DiffError) Error() string { return e.Path + " " + e.What }

// Compare reads source and copy and returns what the copy holds. The error is a *DiffError when it has not the same files
// with the same bytes; how much of them is allocated is left to the caller, because not every program keeps holes.
func Compare(ctx context.Context, source, copyDir string) (Facts, error) {
	want, err := files(source)
	if err != nil {
		return Facts{}, fmt.Errorf("compare with %s: %w", source, err)
	}
	got, err := files(copyDir)
	if err != nil {
		return Facts{}, fmt.Errorf("compare %s: %w", copyDir, err)
	}
	var jobs []func() error
	var alloc atomic.Int64
	facts := Facts{Files: len(got)}
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			return Facts{}, &DiffError{name, "is missing"}
		}
		delete(got, name)
		if g.Size() != w.Size() {
			return Facts{}, &DiffError{name, fmt.Sprintf("has %d bytes, not %d", g.Size(), w.Size())}
		}
		facts.Bytes += g.Size()
		alloc.Add(allocated(g))
		const piece = 64 << 20
		for off := int64(0); off < g.Size(); off += piece {
			jobs = append(jobs, func() error {
				return sameRange(filepath.Join(source, name), filepath.Join(copyDir, name), name, off, min(off+piece, g.Size()))
			})
		}
	}
	for name := range got {
		return Facts{}, &DiffError{name, "is not in the source"}
	}
	facts.Allocated = alloc.Load()
	return facts, each(ctx, jobs)
}

// sameRange compares two files from off to end. Where both have a hole nothing is read.
func sameRange(a, b, name string, off, end int64) error {
	f, err := os.Open(a)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return err
	}
	defer g.Close()
	x, y := make([]byte, min(unit, end-off)), make([]byte, min(unit, end-off)) // there may be very many small files
	for off < end {
		next := min(nextData(f, off), nextData(g, off), end)
		if next > off {
			off = next
			continue
		}
		n := int(min(end-off, unit))
		if err := errors.Join(full(f, x[:n], off), full(g, y[:n], off)); err != nil {
			return err
		}
		if !bytes.Equal(x[:n], y[:n]) {
			return &DiffError{name, fmt.Sprintf("differs within %d bytes from offset %d", n, off)}
		}
		off += int64(n)
	}
	return nil
}

func full(f *os.File, b []byte, off int64) error {
	_, err := f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// nextData is where data begin at or after off. A file system that does not tell has data everywhere.
func nextData(f *os.File, off int64) int64 {
	at, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return 1<<63 - 1
	case err != nil:
		return off
	}
	return at
}
