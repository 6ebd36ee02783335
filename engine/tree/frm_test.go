package tree

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The definitions in testdata/frm were made by MariaDB 10.11.
var frmFixtures = map[string]string{
	"t_innodb": "InnoDB", "t_aria": "Aria", "t_myisam": "MyISAM", "t_csv": "CSV", "t_memory": "MEMORY",
	"t_merge": "MRG_MyISAM", "t_blackhole": "BLACKHOLE", "t_part": "InnoDB", "t_partmy": "MyISAM",
	"t_conn": "InnoDB", "v": "VIEW", "s": "InnoDB", "s2": "MyISAM", "t_wide": "MyISAM",
}

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "frm", name+".frm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEngineOfFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/frm/*.frm")
	if err != nil || len(files) != len(frmFixtures) {
		t.Fatalf("found %d definitions (%v), expected %d", len(files), err, len(frmFixtures))
	}
	for name, want := range frmFixtures {
		t.Run(name, func(t *testing.T) {
			b := readFixture(t, name)
			if got, err := Engine(b); got != want || err != nil {
				t.Errorf("Engine = %q, %v, want %q", got, err, want)
			}
			if name == "v" || strings.HasPrefix(name, "t_part") {
				return
			}
			if got := frmExtraName(b); got != want {
				t.Errorf("name in the extra segment = %q, want %q", got, want)
			}
		})
	}
}

func TestEngineOfDamagedDefinitions(t *testing.T) {
	innodb := readFixture(t, "t_innodb")
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(innodb)
		f(b)
		return b
	}
	name := bytes.LastIndex(innodb, []byte("InnoDB"))
	for _, c := range []struct {
		what, want string
		frm        []byte
	}{
		{"empty", "", nil},
		{"no magic", "", edit(func(b []byte) { b[0] = 0 })},
		{"header only, fixed number", "InnoDB", innodb[:frmHead]},
		{"header cut", "", innodb[:frmHead-1]},
		{"dynamic number with a name", "ROCKSD", edit(func(b []byte) { b[3] = 45; copy(b[name:], "ROCKSD") })},
		{"dynamic number without a name", "", edit(func(b []byte) { b[3] = 45; b[name-2] = 0 })},
		{"noise for a name", "InnoDB", edit(func(b []byte) { b[name] = 7 })},
		{"partitions of an unknown engine", "", edit(func(b []byte) { b[61] = 200 })},
		{"partitions of partitions", "", edit(func(b []byte) { b[61] = 20 })},
		{"named partitions' engine", "ROCKS", edit(func(b []byte) {
			b[3], b[61] = 20, 200
			b[4], b[5] = 7, 0
			copy(b[frmHead:], "\x01\x05ROCKS")
		})},
		{"huge lengths", "InnoDB", edit(func(b []byte) {
			for _, i := range []int{6, 7, 14, 15, 16, 17, 47, 48, 49, 50, 55, 56, 57, 58} {
				b[i] = 0xff
			}
		})},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := Engine(c.frm)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("Engine = %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func FuzzEngine(f *testing.F) {
	for name := range frmFixtures {
		if b := readFixture(f, name); len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Add([]byte("TYPE=VIEW\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, err := Engine(b)
		if (err == nil) == (name == "") {
			t.Fatalf("Engine = %q, %v: exactly one of both must be set", name, err)
		}
		if len(name) > 64 {
			t.Fatalf("name of %d bytes", len(name))
		}
	})
}
