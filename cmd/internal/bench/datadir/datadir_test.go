package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"trireme/engine/innodb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func make1(t *testing.T, c Config) *Dir {
	t.Helper()
	d, err := Make(t.Context(), filepath.Join(t.TempDir(), "d"), c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func copyOf(t *testing.T, d *Dir) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(d.Path)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestPages: what InnoDB's own rules read from a page is what was meant.
func TestPages(t *testing.T) {
	d := make1(t, Config{Size: 1 << 20, Tables: 1})
	b, err := os.ReadFile(filepath.Join(d.Path, "shop00/orders000.ibd"))
	if err != nil {
		t.Fatal(err)
	}
	logical, physical, full, err := innodb.PageSize(b)
	if err != nil || logical != PageSize || physical != PageSize || !full || innodb.Packed(b) {
		t.Errorf("%d, %d, %v, %v", logical, physical, full, err)
	}
	for at := 0; at < len(b); at += PageSize {
		if p := b[at:][:PageSize]; !innodb.Whole(p) || innodb.PageLSN(p) == 0 || innodb.Opaque(p) {
			t.Errorf("page at %d: whole %v, LSN %d", at, innodb.Whole(p), innodb.PageLSN(p))
		}
	}
	packed := make1(t, Config{Size: 1 << 20, Tables: 1, Packed: true})
	name := filepath.Join(packed.Path, "shop00/orders000.ibd")
	if b, err = os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	if !innodb.Packed(b) || !innodb.Opaque(b[PageSize:]) {
		t.Error("the packed table does not look like one")
	}
	f, err := Measure(packed.Path)
	if err != nil || f.Bytes-f.Allocated < 700<<10 {
		t.Errorf("%+v, %v: three quarters of a MiB should be holes", f, err)
	}
}

// TestSameBytes: the same Config gives the same directory.
func TestSameBytes(t *testing.T) {
	c := Config{Size: 2 << 20, Tables: 2, Small: 7, SmallSize: 100}
	a, b := make1(t, c), make1(t, c)
	facts, err := Compare(t.Context(), a.Path, b.Path)
	if err != nil || facts.Files != 6+2*2+7+1 {
		t.Errorf("%+v, %v", facts, err)
	}
}

// TestChange counts the pages that differ afterwards.
func TestChange(t *testing.T) {
	for _, runs := range []bool{false, true} {
		d := make1(t, Config{Size: 8 << 20, Tables: 2})
		old := copyOf(t, d)
		n, err := d.Change(t.Context(), 0.1, runs)
		if err != nil {
			t.Fatal(err)
		}
		differ := 0
		for _, name := range []string{"shop00/orders000.ibd", "shop00/orders001.ibd"} {
			a, err1 := os.ReadFile(filepath.Join(old, name))
			b, err2 := os.ReadFile(filepath.Join(d.Path, name))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(a); at += PageSize {
				if string(a[at:at+PageSize]) != string(b[at:at+PageSize]) {
					differ++
				}
			}
		}
		if differ != n || n < 40 || n > 60 {
			t.Errorf("runs %v: said %d pages, %d differ", runs, n, differ)
		}
	}
}

// TestTimes: no two changes leave the same second, whatever the clock says.
func TestTimes(t *testing.T) {
	d := make1(t, Config{Size: 1 << 20, Tables: 1})
	name := filepath.Join(d.Path, "shop00/orders000.ibd")
	seen := map[int64]bool{}
	change := func() error {
		_, err := d.Change(t.Context(), 0.1, false)
		return err
	}
	for _, f := range []func() error{change, change, d.Touch, change, d.Touch, d.Touch} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		i, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if seen[i.ModTime().Unix()] {
			t.Error("a time came twice")
		}
		seen[i.ModTime().Unix()] = true
	}
}

func TestGrow(t *testing.T) {
	d := make1(t, Config{Size: 4 << 20, Tables: 1})
	to := copyOf(t, d)
	n, err := d.Grow(t.Context(), 0.25)
	if err != nil || n != 1<<20 {
		t.Fatal(n, err)
	}
	var diff *DiffError
	if _, err := Compare(t.Context(), d.Path, to); !errors.As(err, &diff) {
		t.Errorf("grown, and the old copy: %v", err)
	}
	if err := d.Ungrow(to); err != nil {
		t.Fatal(err)
	}
	if f, err := Measure(d.Path); err != nil || f.Bytes != mustMeasure(t, to).Bytes {
		t.Errorf("%+v, %v", f, err)
	}
}

func mustMeasure(t *testing.T, dir string) Facts {
	t.Helper()
	f, err := Measure(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCompare finds every way in which a copy can be wrong.
func TestCompare(t *testing.T) {
	d := make1(t, Config{Size: 2 << 20, Tables: 1})
	const name = "shop00/orders000.ibd"
	for what, harm := range map[string]func(path string) error{
		"": func(string) error { return nil },
		"differs": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte{0xff}, 1<<20+12345)
			return errors.Join(err, f.Close())
		},
		"bytes":             func(path string) error { return os.Truncate(path, 100) },
		"is missing":        os.Remove,
		"not in the source": func(path string) error { return os.WriteFile(path+".x", nil, 0o600) },
		"hole":              func(path string) error { return errors.Join(os.Truncate(path, 0), os.Truncate(path, 2<<20)) },
	} {
		to := copyOf(t, d)
		if err := harm(filepath.Join(to, name)); err != nil {
			t.Fatal(err)
		}
		_, err := Compare(t.Context(), d.Path, to)
		var diff *DiffError
		if (err != nil) != (what != "") || err != nil && !errors.As(err, &diff) {
			t.Errorf("%q: %v", what, err)
		}
	}
}
