package ends

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/cmd/internal/settings"
)

// The server takes absolute names as they are; relative ones count from its InnoDB home and may hold directories.
func TestSystemFiles(t *testing.T) {
	for _, c := range []struct {
		home, path string
		dir        string
		shape      string
		err        string
	}{
		{"/d", "ibdata1:12M:autoextend", "/d", "ibdata1:autoextend", ""},
		{"/d/", "ibdata1:12M", "/d", "ibdata1:12M", ""},
		{"/d", "ibdata1:1G;more/ibdata2:2048k:autoextend:max:9G", "/d", "ibdata1:1024M;more/ibdata2:autoextend", ""},
		{"/i", "/i/ibdata1:12M;ibdata2:12M", "/i", "ibdata1:12M;ibdata2:12M", ""},
		{"/d", "/i/ibdata1:12M;/i/ibdata2:12M:autoextend", "/i", "ibdata1:12M;ibdata2:autoextend", ""},
		{"/d", "/i/ibdata1:12M;/j/ibdata2:12M", "", "", "/i/ibdata1 and /j/ibdata2 in different directories"},
		{"/d", "ibdata1:12M;/i/ibdata2:12M", "", "", "/i/ibdata2 and ibdata1 in different directories"},
		{"/d", "/d2/ibdata1:12M", "/d2", "ibdata1:12M", ""}, // no prefix of letters
		{"/d", "/dev/sdb1:3Graw", "", "", "raw device /dev/sdb1"},
	} {
		files, err := settings.ParseSystemFiles(c.path)
		if err != nil {
			t.Fatal(err)
		}
		dir, names, err := SystemFiles(&settings.Settings{InnoDBHome: c.home, SystemFiles: files})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.path, err, c.err)
			}
			continue
		}
		if err != nil || dir != c.dir || len(names) != len(files) {
			t.Errorf("%s below %s: %s %v, %v; want %s", c.path, c.home, dir, names, err, c.dir)
		}
		if got := SystemShape(dir, files); got != c.shape {
			t.Errorf("%s below %s has the shape %q, want %q", c.path, c.home, got, c.shape)
		}
	}
}

// TestTablespacesOutside: MySQL 8 has no file in the datadir that tells of a tablespace which lies elsewhere.
func TestTablespacesOutside(t *testing.T) {
	base := t.TempDir()
	for _, file := range []string{"data/shop/in.ibd", "more/redo/x.ibd", "empty/readme", "far/db/out.ibd"} {
		if err := os.MkdirAll(filepath.Join(base, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(base, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("data", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	for dirs, want := range map[string]string{
		"":                   "",
		"empty;missing;data": "",
		"data/shop":          "",
		"more":               "more/redo/x.ibd lies outside", // only logs are taken from there
		"empty;far":          "far/db/out.ibd lies outside the directories that are copied (innodb_directories, ",
	} {
		home := filepath.Join(base, "link")
		s := &settings.Settings{Datadir: home, InnoDBHome: home, RedoDir: filepath.Join(base, "more/redo")}
		for _, dir := range strings.Split(dirs, ";") {
			if dir != "" {
				s.InnoDBDirs = append(s.InnoDBDirs, filepath.Join(base, dir))
			}
		}
		lay, err := Layout(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := Outside(s, lay); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", dirs, err, want)
		}
	}
}
