package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Kinds are the file systems that a test can ask for: those that can share extents between files.
var Kinds = []string{"xfs", "btrfs"}

// makers are how each kind is made, and the Debian package that has the program.
var makers = map[string]struct {
	command []string
	pkg     string
}{
	"xfs":   {[]string{"mkfs.xfs", "-q", "-m", "reflink=1"}, "xfsprogs"},
	"btrfs": {[]string{"mkfs.btrfs", "-q"}, "btrfs-progs"},
}

// ErrCannot means that this machine cannot mount such an image, for a reason that the error names.
var ErrCannot = errors.New("this machine cannot mount such an image")

// Image is a mounted file system. Close ends it.
type Image struct {
	Dir  string // where it is mounted; every user may enter it
	kind string
}

// New makes a file system of the given kind and of size bytes in a file below the directory parent, and mounts it. The file has no name by
// then and takes what is written to it, not its size; it goes with the mount. Errors that are ErrCannot say what the machine lacks.
func New(ctx context.Context, kind, parent string, size int64) (_ *Image, err error) {
	maker, ok := makers[kind]
	if !ok {
		return nil, fmt.Errorf("make an image: no file system %q, expected one of %s", kind, strings.Join(Kinds, ", "))
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("mounting an image of %s needs root: %w", kind, ErrCannot)
	}
	mkfs := program(maker.command[0])
	if mkfs == "" {
		return nil, fmt.Errorf("%s is not installed (package %s; make deps installs it): %w", maker.command[0], maker.pkg, ErrCannot)
	}
	dir, err := os.MkdirTemp("", "image-"+kind+"-")
	if err != nil {
		return nil, fmt.Errorf("make an image of %s: %w", kind, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(dir)
		}
	}()
	file := filepath.Join(parent, filepath.Base(dir)+".img")
	defer os.Remove(file) // the loop device holds it
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		return nil, fmt.Errorf("make an image of %s: %w", kind, err)
	}
	if err := run(ctx, mkfs, append(slices.Clone(maker.command[1:]), file)...); err != nil {
		return nil, fmt.Errorf("make an image of %s: %w", kind, err)
	}
	// What is removed from it goes from the image as well, which may lie in memory.
	if err := run(ctx, program("mount"), "-o", "loop,discard", "-t", kind, file, dir); err != nil {
		for _, cannot := range []string{"unknown filesystem type", "loop device", "ermission denied", "not permitted"} {
			if strings.Contains(err.Error(), cannot) {
				return nil, fmt.Errorf("mount an image of %s: %w: %w", kind, err, ErrCannot)
			}
		}
		return nil, fmt.Errorf("mount an image of %s: %w", kind, err)
	}
	m := &Image{Dir: dir, kind: kind}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Close unmounts the image, and with that frees its file and its loop device. Nothing below it may be in use; if something is, the
// error says so, and the mount ends with that.
func (m *Image) Close() error {
	// Not bound to a context: it belongs to the end of everything.
	err := run(context.Background(), program("umount"), m.Dir)
	if err != nil {
		_ = run(context.Background(), program("umount"), "-l", m.Dir)
		err = fmt.Errorf("unmount the image of %s: %w", m.kind, err)
	}
	return errors.Join(err, os.Remove(m.Dir))
}

// Mount is New for a test, until its end. It skips the test, with the reason, where that cannot be done.
func Mount(t testing.TB, kind string, size int64) string {
	t.Helper()
	m, err := New(t.Context(), kind, backing(size), size)
	if errors.Is(err, ErrCannot) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m.Dir
}

// backing is where a test's image lies: memory when it has room for all of it, so that tests do not wait for a disk that is shared with
// others each time something is made durable.
func backing(size int64) string {
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) == nil && int64(st.Bavail)*st.Bsize >= size {
		return shm
	}
	return os.TempDir()
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// program finds a program also where an ordinary user's PATH does not look; empty when it is not there.
func program(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil && st.Mode()&0o111 != 0 {
			return filepath.Join(dir, name)
		}
	}
	return ""
}
