package tree

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStampFields: whatever a stat, a mount or a boot shows differently makes another stamp, and nothing else does.
func TestStampFields(t *testing.T) {
	host := Host{Boot: [16]byte{1}, Clock: 1_700_000_000e9}
	fs := FSInfo{Type: 0xef53, Dev: 7, ID: 8, Mount: 9, Trusted: true}
	file := Entry{Role: RoleData, Path: "shop/t.ibd", Mode: 0o660, Size: 1 << 20, Allocated: 1 << 20, ID: FileID{Dev: 7, Ino: 10, Birth: 11}, Mtime: 12, Ctime: 13}
	same, ok := file.Stamp(&host, fs)
	if !ok || same == (Stamp{}) {
		t.Fatal("no stamp")
	}
	for name, c := range map[string]struct {
		change func(h *Host, e *Entry, f *FSInfo)
		kept   bool // the stamp is the same
		none   bool // there is none
	}{
		"nothing":        {func(*Host, *Entry, *FSInfo) {}, true, false},
		"boot":           {func(h *Host, _ *Entry, _ *FSInfo) { h.Boot[15]++ }, false, false},
		"clock back":     {func(h *Host, _ *Entry, _ *FSInfo) { h.Clock -= int64(LongestWrite) }, false, false},
		"clock forward":  {func(h *Host, _ *Entry, _ *FSInfo) { h.Clock += int64(LongestWrite) }, false, false},
		"clock noise":    {func(h *Host, _ *Entry, _ *FSInfo) { h.Clock += 999 }, true, false},
		"device":         {func(_ *Host, e *Entry, f *FSInfo) { e.ID.Dev++; f.Dev++ }, false, false},
		"other device":   {func(_ *Host, e *Entry, _ *FSInfo) { e.ID.Dev++ }, false, true},
		"file system":    {func(_ *Host, _ *Entry, f *FSInfo) { f.ID++ }, false, false},
		"its type":       {func(_ *Host, _ *Entry, f *FSInfo) { f.Type++ }, false, false},
		"mount":          {func(_ *Host, _ *Entry, f *FSInfo) { f.Mount++ }, false, false},
		"no mount":       {func(_ *Host, _ *Entry, f *FSInfo) { f.Mount = 0 }, false, true},
		"untrusted":      {func(_ *Host, _ *Entry, f *FSInfo) { f.Trusted = false }, false, true},
		"inode":          {func(_ *Host, e *Entry, _ *FSInfo) { e.ID.Ino++ }, false, false},
		"birth":          {func(_ *Host, e *Entry, _ *FSInfo) { e.ID.Birth++ }, false, false},
		"no birth":       {func(_ *Host, e *Entry, _ *FSInfo) { e.ID.Birth = 0 }, false, true},
		"size":           {func(_ *Host, e *Entry, _ *FSInfo) { e.Size++ }, false, false},
		"mtime":          {func(_ *Host, e *Entry, _ *FSInfo) { e.Mtime++ }, false, false},
		"ctime":          {func(_ *Host, e *Entry, _ *FSInfo) { e.Ctime++ }, false, false},
		"swapped times":  {func(_ *Host, e *Entry, _ *FSInfo) { e.Mtime, e.Ctime = e.Ctime, e.Mtime }, false, false},
		"whole seconds":  {func(_ *Host, e *Entry, _ *FSInfo) { e.Mtime, e.Ctime = 2e9, 3e9 }, false, true},
		"directory":      {func(_ *Host, e *Entry, _ *FSInfo) { e.Dir = true }, false, true},
		"special":        {func(_ *Host, e *Entry, _ *FSInfo) { e.Irregular = true }, false, true},
		"unfinished":     {func(_ *Host, e *Entry, _ *FSInfo) { e.Part = true }, false, true},
		"direct access":  {func(_ *Host, e *Entry, _ *FSInfo) { e.Direct = true }, false, true},
		"name, and mode": {func(_ *Host, e *Entry, _ *FSInfo) { e.Path, e.Mode, e.Allocated = "shop/u.ibd", 0o600, 5 }, true, false},
	} {
		h, e, f := host, file, fs
		c.change(&h, &e, &f)
		got, ok := e.Stamp(&h, f)
		if ok == c.none || c.none != (got == Stamp{}) || !c.none && (got == same) != c.kept {
			t.Errorf("%s: stamp %x, %v", name, got, ok)
		}
	}
}

func TestRested(t *testing.T) {
	e := Entry{Ctime: 1000}
	for at, want := range map[int64]bool{999: false, 1000: false, 1010: false, 1011: true} {
		if e.Rested(at, 10) != want {
			t.Errorf("at %d: %v", at, !want)
		}
	}
}

// TestStampReal: on a real file, what a server could do to it changes the stamp, and time alone does not. tmpfs has none.
func TestStampReal(t *testing.T) {
	host, err := ThisHost()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ThisHost()
	if err != nil || again.Boot != host.Boot || time.Duration(again.Clock-host.Clock).Abs() > time.Millisecond {
		t.Fatalf("%+v, then %+v, %v", host, again, err)
	}
	dir := t.TempDir()
	look := func() (Stamp, bool) {
		t.Helper()
		d, err := Open(Layout{Data: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		tr, err := d.Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if fs := tr.FS[RoleData]; !fs.Trusted || fs.Mount == 0 {
			t.Skipf("files on %s, mount %d, have no stamps here", fs.Name, fs.Mount)
		}
		for i := range tr.Entries {
			if e := &tr.Entries[i]; e.Path == "db/t.ibd" {
				return e.Stamp(&host, tr.FSOf(e))
			}
		}
		return Stamp{}, false
	}
	name := filepath.Join(dir, "db", "t.ibd")
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func() error { return os.WriteFile(name, []byte("twelve bytes"), 0o600) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	before, ok := look()
	if !ok {
		t.Fatal("no stamp")
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := look(); now != before {
		t.Error("another stamp though nothing happened")
	}
	for what, do := range map[string]func() error{
		"touched, with its old time": func() error { return os.Chtimes(name, info.ModTime(), info.ModTime()) },
		"written, with its old time": func() error {
			if err := write(); err != nil {
				return err
			}
			return os.Chtimes(name, info.ModTime(), info.ModTime())
		},
		"renamed and back": func() error {
			if err := os.Rename(name, name+"2"); err != nil {
				return err
			}
			return os.Rename(name+"2", name)
		},
		"made anew": func() error {
			if err := os.Remove(name); err != nil {
				return err
			}
			return write()
		},
	} {
		time.Sleep(Granule) // another tick of the clock in inodes
		was, _ := look()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if now, ok := look(); !ok || now == was {
			t.Errorf("%s: the stamp is the same", what)
		}
	}
}

// TestNoStampOnTmpfs: a store through a mapping that was read before moves no time there, and so nothing on it has a stamp.
func TestNoStampOnTmpfs(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "tree-test-")
	if err != nil {
		t.Skipf("no place on tmpfs: %v", err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "ib_logfile0")
	if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(Layout{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	host, err := ThisHost()
	if err != nil {
		t.Fatal(err)
	}
	look := func() Entry {
		tr, err := d.Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if tr.FS[RoleData].Name != "tmpfs" {
			t.Skipf("/dev/shm is %s", tr.FS[RoleData].Name)
		}
		e := tr.Entries[0]
		if _, ok := e.Stamp(&host, tr.Devs[e.ID.Dev]); ok {
			t.Error("a file on tmpfs has a stamp")
		}
		return e
	}
	before := look()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(Granule)
	m[1] = m[0] + 1
	if err := unix.Munmap(m); err != nil {
		t.Fatal(err)
	}
	if now := look(); !now.Same(&before) {
		t.Log("this kernel moves the times at such a store")
	}
	if b, err := os.ReadFile(name); err != nil || b[1] != 1 {
		t.Errorf("the store is not in the file: %v", err)
	}
}
