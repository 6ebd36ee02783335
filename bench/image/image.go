package image

import (
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

// Mount makes a file system of the given kind and of size bytes, mounts it until the test ends, and returns its directory, which
// every user may enter. The image takes what is written to it, not its size. It skips the test where it cannot be done.
func Mount(t testing.TB, kind string, size int64) string {
	t.Helper()
	maker, ok := makers[kind]
	if !ok {
		t.Fatalf("image: internal error: no file system %q", kind)
	}
	if os.Geteuid() != 0 {
		t.Skipf("mounting an image of %s needs root", kind)
	}
	mkfs := program(maker.command[0])
	if mkfs == "" {
		t.Skipf("%s is not installed (package %s; make deps installs it)", maker.command[0], maker.pkg)
	}
	dir, err := os.MkdirTemp("", "image-"+kind+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(backing(size), filepath.Base(dir)+".img")
	defer os.Remove(file) // the loop device holds it
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	run(t, mkfs, append(slices.Clone(maker.command[1:]), file)...)
	if out, err := exec.Command(program("mount"), "-o", "loop", "-t", kind, file, dir).CombinedOutput(); err != nil {
		said := strings.TrimSpace(string(out))
		for _, cannot := range []string{"unknown filesystem type", "loop device", "ermission denied", "not permitted"} {
			if strings.Contains(said, cannot) {
				t.Skipf("this machine cannot mount an image of %s: %s", kind, said)
			}
		}
		t.Fatalf("mount an image of %s: %v: %s", kind, err, said)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(program("umount"), dir).CombinedOutput(); err != nil {
			t.Errorf("unmount the image of %s: %v: %s", kind, err, strings.TrimSpace(string(out)))
			_ = exec.Command(program("umount"), "-l", dir).Run()
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// backing is where the image lies: memory when it has room for all of it, so that tests do not wait for a disk that is shared with
// others each time something is made durable.
func backing(size int64) string {
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) == nil && int64(st.Bavail)*st.Bsize >= size {
		return shm
	}
	return os.TempDir()
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", filepath.Base(name), err, strings.TrimSpace(string(out)))
	}
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
