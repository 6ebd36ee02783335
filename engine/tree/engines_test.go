package tree

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// putFrm writes a definition whose engine has the given name, of six bytes like InnoDB.
func putFrm(t testing.TB, path, engine string) {
	t.Helper()
	b := bytes.Clone(readFixture(t, "t_innodb"))
	if engine != "" {
		b[3] = 45
		copy(b[bytes.LastIndex(b, []byte("InnoDB")):], engine)
	}
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, b, 0o600))
}

func TestCheckEngines(t *testing.T) {
	data := t.TempDir()
	putFrm(t, data+"/d1/good.frm", "")
	putFrm(t, data+"/d1/spider.frm", "SPIDER")
	putFrm(t, data+"/d1/bad.frm", "ROCKSD")
	putFrm(t, data+"/d1/#sql-1.frm", "ROCKSD")
	grow(t, data, "d1/noise.frm=x", "d1/empty.frm=", "d1/#sql-2.frm=half", "d1/.snapshot/x.frm=x", "top.frm=x")
	wide := readFixture(t, "t_wide") // its name lies far behind what is read at first, and its number means nothing
	wide[3] = 45
	copy(wide[bytes.LastIndex(wide, []byte("MyISAM")):], "SPIDER")
	must(t, os.WriteFile(data+"/d1/wide.frm", wide, 0o600))
	d := open(t, Layout{Data: data})
	want := []string{"#sql-1.frm: .*ROCKSD.*cannot be copied as files", "bad.frm: .*table bad .*ROCKSD.*InnoDB", "empty.frm: .*cannot be told", "noise.frm: .*cannot be told: not a table definition"}
	refusals := CheckEngines(t.Context(), d, scan(t, d))
	wantLines(t, "refusals", refusals, want...)
	for i, r := range refusals {
		if unsure := i >= 2; r.Unsure != unsure {
			t.Errorf("%s: unsure is %v", r, r.Unsure)
		}
	}

	// The second run believes what the first one read, unless the file is another one since.
	for id, seen := range d.engines {
		seen.engine, seen.err = "Poison", ""
		d.engines[id] = seen
	}
	tr := scan(t, d)
	for _, e := range tr.Entries {
		if e.Path == "d1/good.frm" && e.ID.Birth == 0 {
			t.Skip("this file system has no birth times: definitions are read every time")
		}
	}
	// Of the seven files that are looked at five said something and are remembered; the two others are read again.
	if got := CheckEngines(t.Context(), d, tr); len(got) != 7 {
		t.Errorf("%d refusals from a cache that was poisoned, want 5 poisoned ones and 2 unsure: %v", len(got), got)
	}
	must(t, os.Remove(data+"/d1/good.frm"))
	putFrm(t, data+"/d1/good.frm", "")
	must(t, os.Chmod(data+"/d1/bad.frm", 0o640))
	must(t, os.Remove(data+"/d1/noise.frm"))
	got := CheckEngines(t.Context(), d, scan(t, d))
	if len(got) != 5 || len(d.engines) != 5 {
		t.Errorf("after changes: %d refusals, %d remembered, want 5 of 5: %v", len(got), len(d.engines), got)
	}
	wantLines(t, "refusals of the changed file", got[1:2], "bad.frm: .*ROCKSD")
}

// A definition that was read half is asked again even when its time stamps did not move.
func TestCheckEnginesForgetsHalfDefinitions(t *testing.T) {
	data := t.TempDir()
	putFrm(t, data+"/d1/a.frm", "")
	whole, err := os.ReadFile(data + "/d1/a.frm")
	must(t, err)
	must(t, os.WriteFile(data+"/d1/a.frm", whole[:40], 0o600))
	d := open(t, Layout{Data: data})
	tr := scan(t, d)
	wantLines(t, "refusals", CheckEngines(t.Context(), d, tr), "a.frm: .*cannot be told")
	must(t, os.WriteFile(data+"/d1/a.frm", whole, 0o600))
	wantLines(t, "refusals", CheckEngines(t.Context(), d, tr)) // the old list: as if within one tick
}

func TestCheckEnginesSkipsVanishedFiles(t *testing.T) {
	data := t.TempDir()
	putFrm(t, data+"/d1/a.frm", "ROCKSD")
	d := open(t, Layout{Data: data})
	tr := scan(t, d)
	must(t, os.RemoveAll(data+"/d1"))
	wantLines(t, "refusals", CheckEngines(t.Context(), d, tr))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	CheckEngines(ctx, d, tr) // must come back
}

func BenchmarkCheckEngines(b *testing.B) {
	data := b.TempDir()
	const files = 2000
	for i := range files {
		putFrm(b, filepath.Join(data, "d1", string(rune('a'+i%26))+string(rune('a'+i/26))+".frm"), "")
	}
	d := open(b, Layout{Data: data})
	tr := scan(b, d)
	for _, cached := range []bool{false, true} {
		name := "cached=no"
		if cached {
			name = "cached=yes"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !cached {
					clear(d.engines)
				}
				if r := CheckEngines(b.Context(), d, tr); len(r) != 0 {
					b.Fatal(r)
				}
			}
		})
	}
}
