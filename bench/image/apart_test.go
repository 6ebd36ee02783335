package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets a test start this program as one that mounts an image and is killed over it.
func TestMain(m *testing.M) {
	if os.Getenv("IMAGE_TEST") != "killed" {
		os.Exit(m.Run())
	}
	again, code, err := Apart()
	if again {
		if err != nil {
			fmt.Println("cannot:", err)
		}
		os.Exit(code)
	}
	const size = 400 << 20
	img, err := New(context.Background(), "xfs", backing(size), size)
	switch {
	case errors.Is(err, ErrCannot):
		fmt.Println("cannot:", err)
		os.Exit(0)
	case err != nil:
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(img.Dir)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// TestNothingStaysBehind kills a program with a mounted image: neither mount nor loop device nor file may be left.
func TestNothingStaysBehind(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "IMAGE_TEST=killed")
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if reason, cannot := strings.CutPrefix(dir, "cannot: "); cannot {
		t.Skip(reason)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !filepath.IsAbs(dir) {
		t.Fatalf("it said %q and ended with %v, want a directory and a failure", dir, err)
	}
	defer os.Remove(dir) // the one thing that a namespace does not take along
	end := time.Now().Add(20 * time.Second)
	for {
		left := traces(t, filepath.Base(dir))
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %q", left)
		}
		time.Sleep(10 * time.Millisecond) // the kernel takes namespaces apart behind the last process
	}
}

// traces are the places where an image is still known.
func traces(t *testing.T, name string) (found []string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), name) {
		found = append(found, "mount")
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, l := range loops {
		if file, err := os.ReadFile(l); err == nil && strings.Contains(string(file), name) {
			found = append(found, l)
		}
	}
	for _, parent := range []string{"/dev/shm", os.TempDir()} {
		if _, err := os.Stat(filepath.Join(parent, name+".img")); err == nil {
			found = append(found, parent)
		}
	}
	return found
}

func TestUnknownKind(t *testing.T) {
	if _, err := New(t.Context(), "fat", t.TempDir(), 1<<20); err == nil || errors.Is(err, ErrCannot) || !strings.Contains(err.Error(), "xfs") {
		t.Errorf("error %v", err)
	}
}
