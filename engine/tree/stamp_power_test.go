package tree

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestStampAcrossPowerCut: after a power cut a file may have new bytes under its old times, so that a stat proves nothing about
// the time before; its stamp is another one. The power is cut by a copy of the image, which holds what has reached the disk.
func TestStampAcrossPowerCut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting an image needs root")
	}
	host, err := ThisHost()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mnt, image, after := filepath.Join(dir, "mnt"), filepath.Join(dir, "image"), filepath.Join(dir, "after")
	run := func(words ...string) {
		t.Helper()
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			for _, cannot := range []string{"loop device", "ermission denied", "not permitted", "executable file not found"} {
				if strings.Contains(string(out)+err.Error(), cannot) {
					t.Skipf("%s cannot be done here: %v: %s", strings.Join(words, " "), err, out)
				}
			}
			t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(mnt, 0o700))
	must(os.WriteFile(image, nil, 0o600))
	must(os.Truncate(image, 32<<20))
	run("mkfs.ext4", "-q", "-F", "-I", "256", image)
	mount := func(file string) { run("mount", "-o", "loop,commit=300", file, mnt) }
	t.Cleanup(func() { _ = unix.Unmount(mnt, unix.MNT_DETACH) })
	look := func() (e Entry, st Stamp) {
		t.Helper()
		d, err := Open(Layout{Data: mnt})
		must(err)
		defer d.Close()
		tr, err := d.Scan(t.Context())
		must(err)
		for _, e := range tr.Entries {
			if e.Path == "t.ibd" {
				st, _ := e.Stamp(&host, tr.Devs[e.ID.Dev])
				return e, st
			}
		}
		t.Fatal("the file is gone")
		return
	}

	mount(image)
	name := filepath.Join(mnt, "t.ibd")
	must(os.WriteFile(name, []byte(strings.Repeat("A", 1<<16)), 0o600))
	fs, err := os.Open(mnt)
	must(err)
	must(unix.Syncfs(int(fs.Fd())))
	must(fs.Close())
	before, stamp := look()
	if stamp == (Stamp{}) {
		t.Skip("files have no stamps here")
	}
	f, err := os.OpenFile(name, os.O_WRONLY|unix.O_DIRECT, 0)
	must(err)
	room := make([]byte, 2*4096)
	page := room[4096-uintptr(unsafe.Pointer(&room[0]))%4096:][:4096]
	for i := range page {
		page[i] = 'B'
	}
	_, err = f.WriteAt(page, 0)
	must(err)
	must(f.Close())
	if now, st := look(); now.Ctime == before.Ctime || st == stamp {
		t.Fatal("while the power lasts the write shows")
	}
	in, err := os.Open(image)
	must(err)
	out, err := os.Create(after)
	must(err)
	_, err = io.Copy(out, in)
	must(err)
	must(in.Close())
	must(out.Close())
	must(unix.Unmount(mnt, 0))

	mount(after)
	now, st := look()
	b, err := os.ReadFile(name)
	must(err)
	if b[0] != 'B' || !now.Same(&before) {
		t.Skip("the times reached the disk in time")
	}
	if st == stamp {
		t.Error("other bytes have the stamp of those before the power cut")
	}
}
