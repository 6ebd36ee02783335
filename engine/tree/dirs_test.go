package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// grow makes files in dir: "path=content", "path/" for a directory, "path->target" for a symbolic link.
func grow(t testing.TB, dir string, specs ...string) {
	t.Helper()
	for _, s := range specs {
		if name, target, ok := strings.Cut(s, "->"); ok {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			must(t, os.Symlink(target, filepath.Join(dir, name)))
			continue
		}
		name, content, _ := strings.Cut(s, "=")
		p := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(p, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, []byte(content), 0o660))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, l Layout) *Dirs {
	t.Helper()
	d, err := Open(l)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

func TestOpenFileStaysInside(t *testing.T) {
	t.Run("by components", func(t *testing.T) { staysInside(t, false) })
	t.Run("at once", func(t *testing.T) {
		if !canBeneath() {
			t.Skip("openat2 is not there")
		}
		staysInside(t, true)
	})
}

func staysInside(t *testing.T, beneath bool) {
	base := t.TempDir()
	data := filepath.Join(base, "data")
	grow(t, base, "secret=s", "data/d1/t.ibd=t", "data/d1/abs->"+filepath.Join(base, "secret"), "data/d1/rel->t.ibd",
		"data/d1/up->../../secret", "data/d2->d1", "data/d3/sub->../d1", "data/d1/dir.ibd/", "linked/t.ibd=l")
	must(t, os.Symlink(filepath.Join(base, "linked"), filepath.Join(data, "far")))
	must(t, unix.Mkfifo(filepath.Join(data, "d1/fifo"), 0o600))
	must(t, os.Symlink(filepath.Join(base, "linked"), filepath.Join(base, "linked/back")))
	d := open(t, Layout{Data: data})
	d.beneath = beneath

	for _, p := range []string{"../secret", "d1/../d1/t.ibd", "/etc/passwd", "", ".", "d1/abs", "d1/rel", "d1/up",
		"d2/t.ibd", "d3/sub/t.ibd", "far/t.ibd", "d1/fifo", "d1", "d1/dir.ibd", "d1/t.ibd/x", "d1/none", "none/t.ibd"} {
		f, err := d.OpenFile(RoleData, p, os.O_RDONLY, 0)
		if err == nil {
			f.Close()
			t.Errorf("OpenFile(%q) succeeds", p)
			continue
		}
		var pe *fs.PathError
		if !errors.As(err, &pe) {
			t.Errorf("OpenFile(%q): %v is no path error", p, err)
		}
		if none := strings.HasSuffix(p, "none") || strings.HasPrefix(p, "none"); errors.Is(err, fs.ErrNotExist) != none {
			t.Errorf("OpenFile(%q): %v, is it about a missing file?", p, err)
		}
	}
	for _, p := range []string{"d1/abs", "d1/new->"} {
		if f, err := d.OpenFile(RoleData, p, os.O_WRONLY|os.O_CREATE, 0o600); err == nil && p == "d1/abs" {
			f.Close()
			t.Errorf("%q was opened for writing", p)
		} else if err == nil {
			f.Close()
		}
	}
	// The administrator's link at the top counts as a directory once a scan has seen it, and only there.
	_, err := d.Scan(t.Context())
	must(t, err)
	for p, ok := range map[string]bool{"far/t.ibd": true, "d2/t.ibd": true, "d3/sub/t.ibd": false, "d1/rel": false, "far/back/t.ibd": false} {
		f, err := d.OpenFile(RoleData, p, os.O_RDONLY, 0)
		if (err == nil) != ok {
			t.Errorf("after a scan OpenFile(%q): %v", p, err)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := d.OpenFile(RoleBinlog, "x", os.O_RDONLY, 0); err == nil {
		t.Error("a role without a directory can be opened")
	}
	if _, err := d.OpenFile(Role(99), "x", os.O_RDONLY, 0); err == nil {
		t.Error("an undefined role can be opened")
	}
}

func TestEdits(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "d1/t.ibd=t", "full/a/b/c=x", "full/l->../d1")
	d := open(t, Layout{Data: data})
	old := unix.Umask(0o077)
	defer unix.Umask(old)

	must(t, d.Mkdir(RoleData, "d2", 0o2751))
	if e, err := d.Lstat(RoleData, "d2"); err != nil || !e.Dir || e.Mode != 0o751 {
		t.Errorf("Mkdir made %+v, %v, want mode 751 without setgid", e, err)
	}
	if err := d.Mkdir(RoleData, "d2", 0o700); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Mkdir: %v", err)
	}
	f, err := d.OpenFile(RoleData, "d2/n", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	must(t, err)
	must(t, d.Chmod(RoleData, "d2/n", 0o4644))
	e, gone, err := StatFile(f)
	if err != nil || gone || e.Mode != 0o644 {
		t.Errorf("after Chmod: %+v, gone %v, %v", e, gone, err)
	}
	listed, err := d.Lstat(RoleData, "d2/n")
	must(t, err)
	if !listed.Same(&e) {
		t.Errorf("Lstat %+v and StatFile %+v disagree", listed, e)
	}
	must(t, d.Rename(RoleData, "d2/n", "d1/t.ibd"))
	must(t, d.SyncDir(RoleData, "d1"))
	must(t, d.SyncDir(RoleData, "."))
	if e, err := d.Lstat(RoleData, "d1/t.ibd"); err != nil || e.ID != listed.ID {
		t.Errorf("Rename did not replace: %+v, %v", e, err)
	}
	must(t, d.Remove(RoleData, "d1/t.ibd"))
	if _, gone, err := StatFile(f); err != nil || !gone {
		t.Errorf("removed file counts as there (%v)", err)
	}
	f.Close()
	must(t, d.Remove(RoleData, "d2"))
	if err := d.Remove(RoleData, "full"); err == nil {
		t.Error("Remove took a full directory")
	}
	must(t, d.RemoveAll(RoleData, "full"))
	must(t, d.RemoveAll(RoleData, "full"))
	if _, err := os.Stat(filepath.Join(data, "d1")); err != nil {
		t.Errorf("RemoveAll followed a link: %v", err)
	}
	for _, err := range []error{
		d.Remove(RoleData, "../x"), d.RemoveAll(RoleData, ".."), d.Rename(RoleData, "d1", "../d9"), d.Mkdir(RoleData, "a/../b", 0o700),
		d.Chmod(RoleData, "/etc", 0o700), d.SyncDir(RoleData, "../"), d.SyncDir(RoleData, "none"), d.RemoveAll(RoleData, "."),
	} {
		if err == nil {
			t.Error("a path that leads outside was accepted")
		}
	}
	if got, want := d.Path(RoleRedo, "ib_logfile0"), filepath.Join(data, "ib_logfile0"); got != want {
		t.Errorf("Path = %q, want %q", got, want)
	}
}

func TestChmodOfUnreadableFile(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "d1/t=x", "d1/l->t")
	d := open(t, Layout{Data: data})
	must(t, os.Chmod(filepath.Join(data, "d1/t"), 0))
	if err := d.Chmod(RoleData, "d1/t", 0o600); err != nil {
		t.Errorf("Chmod: %v", err)
	}
	if err := d.Chmod(RoleData, "d1/l", 0o777); err == nil {
		t.Error("Chmod followed a link")
	}
}

func TestCreateAndClose(t *testing.T) {
	base := t.TempDir()
	l := Layout{Data: filepath.Join(base, "a/data"), Redo: filepath.Join(base, "redo"), Binlog: filepath.Join(base, "a/data/bin")}
	d, err := Open(l)
	must(t, err)
	if _, err := d.Scan(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Scan without a datadir: %v", err)
	}
	must(t, d.Create())
	must(t, d.Create())
	for _, dir := range []string{l.Data, l.Redo, l.Binlog} {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, st, err)
		}
	}
	files, err := d.OpenFilesystems()
	if err != nil || len(files) != 1 {
		t.Errorf("OpenFilesystems = %v, %v, want one", files, err)
	}
	for _, f := range files {
		f.Close()
	}
	must(t, d.Close())
	must(t, d.Close())
	if _, err := d.OpenFile(RoleData, "x", os.O_RDONLY, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("OpenFile after Close: %v", err)
	}
	if _, err := d.Scan(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Scan after Close: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "file=x")
	for name, l := range map[string]Layout{
		"no datadir":    {},
		"relative":      {Data: "data"},
		"relative redo": {Data: base, Redo: "redo"},
		"a file":        {Data: filepath.Join(base, "file")},
		"below a file":  {Data: base, Undo: filepath.Join(base, "file/x")},
	} {
		if d, err := Open(l); err == nil {
			d.Close()
			t.Errorf("%s: Open succeeds", name)
		}
	}
}

// Every method may run beside every other; the race detector looks on.
func TestDirsConcurrently(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "data/d1/t.ibd=t", "far/x.ibd=x")
	must(t, os.Symlink(filepath.Join(base, "far"), filepath.Join(base, "data/far")))
	d := open(t, Layout{Data: filepath.Join(base, "data")})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := d.Scan(t.Context()); err != nil {
					t.Error(err)
				}
				if f, err := d.OpenFile(RoleData, "far/x.ibd", os.O_RDONLY, 0); err != nil {
					t.Error(err)
				} else {
					f.Close()
				}
				name := string(rune('a' + i))
				if err := errors.Join(d.Mkdir(RoleData, name, 0o700), d.SyncDir(RoleData, "far"), d.Remove(RoleData, name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
