package tree

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

// believable makes of a scan one whose directories are believed on every file system, and as if they had rested before it.
func believable(then *Tree) *Tree {
	t := *then
	t.At += int64(time.Hour)
	t.Devs = maps.Clone(then.Devs)
	for dev, info := range t.Devs {
		info.Trusted = true
		t.Devs[dev] = info
	}
	return &t
}

// again compares Again and WalkAgain with what Scan finds at that moment.
func again(t *testing.T, d *Dirs, then *Tree) (now *Tree, same bool) {
	t.Helper()
	want := scan(t, d)
	now, same, err := d.Again(t.Context(), then)
	must(t, err)
	if !slices.Equal(now.Entries, want.Entries) {
		t.Errorf("found\n%q, want\n%q", list(now), list(want))
	}
	if !reflect.DeepEqual(now.Refusals, want.Refusals) {
		t.Errorf("refused %v, want %v", now.Refusals, want.Refusals)
	}
	if same != slices.Equal(want.Entries, then.Entries) {
		t.Errorf("same is %v", same)
	}
	var walked []Entry
	must(t, d.WalkAgain(t.Context(), then, func(_ *Tree, e *Entry, was int) error {
		if was >= 0 && then.Entries[was] != *e {
			t.Errorf("%+v is no longer entry %d, %+v", *e, was, then.Entries[was])
		}
		walked = append(walked, *e)
		return nil
	}))
	slices.SortFunc(walked, byKey)
	if !slices.Equal(walked, want.Entries) {
		t.Errorf("walked %d entries, want %d", len(walked), len(want.Entries))
	}
	return now, same
}

// TestAgain: whatever has been done to a datadir since the first look, the second finds what a fresh scan does.
func TestAgain(t *testing.T) {
	for what, change := range map[string]func(data string) error{
		"nothing":                  func(string) error { return nil },
		"content":                  func(d string) error { return os.WriteFile(d+"/db/t0100.ibd", []byte("u"), 0o600) },
		"time":                     func(d string) error { return os.Chtimes(d+"/db/t0100.ibd", time.Now(), time.Unix(1, 1)) },
		"mode":                     func(d string) error { return os.Chmod(d+"/db/t0100.ibd", 0o640) },
		"content below":            func(d string) error { return os.WriteFile(d+"/db/sub/f", []byte("two"), 0o600) },
		"new":                      func(d string) error { return os.WriteFile(d+"/db/new.ibd", nil, 0o600) },
		"new below":                func(d string) error { return os.WriteFile(d+"/db/sub/new", nil, 0o600) },
		"new at the top":           func(d string) error { return os.WriteFile(d+"/undo002", nil, 0o600) },
		"new database":             func(d string) error { return os.Mkdir(d+"/db3", 0o700) },
		"gone":                     func(d string) error { return os.Remove(d + "/db/t0100.ibd") },
		"database gone":            func(d string) error { return os.RemoveAll(d + "/db") },
		"another name":             func(d string) error { return os.Rename(d+"/db/t0100.ibd", d+"/db/t0100.frm") },
		"database of another name": func(d string) error { return os.Rename(d+"/db", d+"/db4") },
		"two names swapped":        func(d string) error { return swap(d+"/db/t0100.ibd", d+"/db/t0101.ibd") },
		"two databases swapped":    func(d string) error { return swap(d+"/db", d+"/db-2") },
		"another of that name": func(d string) error {
			return errors.Join(os.WriteFile(d+"/x", nil, 0o600), os.Rename(d+"/x", d+"/db/t0100.ibd"))
		},
		"a directory for a file": func(d string) error {
			return errors.Join(os.Remove(d+"/db/t0100.ibd"), os.Mkdir(d+"/db/t0100.ibd", 0o700))
		},
		"a link for a file": func(d string) error {
			return errors.Join(os.Remove(d+"/db/t0100.ibd"), os.Symlink("t0101.ibd", d+"/db/t0100.ibd"))
		},
		"a link elsewhere":          func(d string) error { return errors.Join(os.Remove(d+"/linked"), os.Symlink(d+"/db-2", d+"/linked")) },
		"new behind a link":         func(d string) error { return os.WriteFile(filepath.Dir(d)+"/elsewhere/n.ibd", nil, 0o600) },
		"system tablespace changed": func(d string) error { return os.WriteFile(d+"/sys/ibdata2", []byte("more"), 0o600) },
		"a strange file":            func(d string) error { return os.WriteFile(d+"/db/t.tokudb", nil, 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			base := t.TempDir()
			data := base + "/data"
			names := []string{"ibdata1=i", "ib_logfile0=r", "db-2/u.ibd=u", "db/sub/f=f", "sys/ibdata2=s", "mysql/user.frm=m", "../elsewhere/e.ibd=e"}
			many := 3
			if what == "nothing" || what == "content" || what == "gone" {
				many = statAlone
			}
			for i := range many {
				names = append(names, fmt.Sprintf("db/t%04d.ibd=t", 100+i))
			}
			must(t, os.Mkdir(data, 0o700))
			grow(t, data, names...)
			must(t, os.Symlink(base+"/elsewhere", data+"/linked"))
			d := open(t, Layout{Data: data, SystemFiles: []string{"ibdata1", "sys/ibdata2"}})
			then := believable(scan(t, d))
			time.Sleep(Granule) // the change is of another tick
			must(t, change(data))
			if _, same := again(t, d, then); same != (what == "nothing") {
				t.Errorf("same is %v", same)
			}
		})
	}
}

func swap(a, b string) error {
	return errors.Join(os.Rename(a, a+"x"), os.Rename(b, a), os.Rename(a+"x", b))
}

// TestAgainBelieves shows when the names in a directory are not read, by a name that it hides: what the first look says about the
// directory is made what it is with that name.
func TestAgainBelieves(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(then *Tree)
		hides bool
	}{
		"at rest":              {func(*Tree) {}, true},
		"changed a moment ago": {func(then *Tree) { then.At = time.Now().UnixNano() }, false},
		"clock stepped back":   {func(then *Tree) { then.clock += int64(2 * clockStep) }, false},
		"clock stepped on":     {func(then *Tree) { then.clock -= int64(2 * clockStep) }, false},
		"times prove nothing":  {func(then *Tree) { clear(then.Devs) }, false},
		"refusals":             {func(then *Tree) { then.Refusals = []Refusal{{Path: "x"}} }, false},
		"another inode":        {func(then *Tree) { entry(then, "db").ID.Ino++ }, false},
		"another time":         {func(then *Tree) { entry(then, "db").Ctime-- }, false},
	} {
		t.Run(what, func(t *testing.T) {
			data := t.TempDir()
			grow(t, data, "ibdata1=i", "db/t.ibd=t", "sys/ibdata2=s")
			d := open(t, Layout{Data: data, SystemFiles: []string{"ibdata1", "sys/ibdata2"}})
			then := believable(scan(t, d))
			grow(t, data, "db/hidden.ibd=h", "sys/hidden.ibd=h")
			for _, dir := range []string{"db", "sys"} {
				now, err := d.Lstat(RoleData, dir)
				must(t, err)
				now.Class = Database
				*entry(then, dir) = now
			}
			c.spoil(then)
			now, same, err := d.Again(t.Context(), then)
			must(t, err)
			if hidden := entry(now, "db/hidden.ibd") == nil; hidden != c.hides || same {
				t.Errorf("hidden %v, same %v", hidden, same)
			}
			if entry(now, "sys/hidden.ibd") == nil {
				t.Error("the directory of a system tablespace was believed")
			}
		})
	}
}

func entry(tr *Tree, path string) *Entry {
	for i := range tr.Entries {
		if e := &tr.Entries[i]; e.Path == path && e.Role == RoleData {
			return e
		}
	}
	return nil
}

// TestAgainSeconds: a file system that keeps times in seconds, or no time of birth, proves no names.
func TestAgainSeconds(t *testing.T) {
	second := int64(time.Second)
	e := Entry{Role: RoleData, Path: "db", Dir: true, Class: Database, ID: FileID{Dev: 1, Ino: 2, Birth: 3}, Mtime: 5*second + 1, Ctime: 6 * second}
	whole, newborn := e, e
	whole.Mtime--
	newborn.ID.Birth = 0
	for want, entries := range map[bool][]Entry{true: {e}, false: {whole, newborn}} {
		for _, e := range entries {
			then := &Tree{At: 7 * second, Devs: map[uint64]FSInfo{1: {Trusted: true}}, Entries: []Entry{e}}
			s := &scanner{then: then, tree: &Tree{}, rules: &rules{}}
			if _, _, ok := s.believed(RoleData, &e); ok != want {
				t.Errorf("%+v is believed: %v", e, ok)
			}
		}
	}
}

// TestAgainMounts: what the kernel calls the file system belongs to what has not changed.
func TestAgainMounts(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "ibdata1=i", "db/t.ibd=t")
	d := open(t, Layout{Data: data})
	for what, change := range map[string]func(*FSInfo){
		"mount": func(i *FSInfo) { i.Mount++ }, "id": func(i *FSInfo) { i.ID++ }, "type": func(i *FSInfo) { i.Type++ },
	} {
		then := believable(scan(t, d))
		for dev, info := range then.Devs {
			change(&info)
			then.Devs[dev] = info
		}
		if _, same, err := d.Again(t.Context(), then); err != nil || same {
			t.Errorf("another %s: same %v, %v", what, same, err)
		}
	}
}

// BenchmarkAgain is the second look at a tree that has not changed.
func BenchmarkAgain(b *testing.B) {
	data := b.TempDir()
	const files = 20000
	var names []string
	for i := range files {
		names = append(names, fmt.Sprintf("db%02d/table_%05d.ibd=", i/1000, i))
	}
	grow(b, data, names...)
	d, err := Open(Layout{Data: data})
	must(b, err)
	defer d.Close()
	then := believable(scan(b, d))
	b.ReportAllocs()
	for b.Loop() {
		if _, same, err := d.Again(b.Context(), then); err != nil || !same {
			b.Fatal(same, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/file")
}
