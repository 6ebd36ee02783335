package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/engine/tree"
)

// vouching prepares a store over an old copy in which every file is vouched for, and one that the donor does not have.
func vouching(t *testing.T, r *rig, items []item) *Store {
	t.Helper()
	_, err := trusting(t.Context(), r.trustingStore(), items)
	mustOK(t, err)
	mustOK(t, os.WriteFile(filepath.Join(r.layout.Data, "db1/extra.ibd"), []byte("not the donor's"), 0o660))
	rested(t, r)
	r.reopen()
	s := r.trustingStore()
	mustOK(t, s.Prepare(t.Context()))
	for id, it := range items {
		_, err := s.Upsert(it.spec(id))
		mustOK(t, err)
		if !it.dir && !s.Vouch(uint32(id), it.stampOf()) {
			t.Fatalf("%s is not vouched for", it.path)
		}
	}
	return s
}

// rested waits until the next scan of r believes its directories.
func rested(t *testing.T, r *rig) {
	t.Helper()
	tr, err := r.dirs.Scan(t.Context())
	mustOK(t, err)
	var newest int64
	for i := range tr.Entries {
		newest = max(newest, tr.Entries[i].Ctime)
	}
	time.Sleep(time.Until(time.Unix(0, newest)) + 2*tree.Granule)
}

// TestSealFindsChangesOfTrusted: whatever somebody else does to a copy that was found equal and is not read, between the first look and the
// last: the transfer fails, or the copy is exact.
func TestSealFindsChangesOfTrusted(t *testing.T) {
	r := manifestRig(t)
	items := donor(340)
	name := func(p string) string { return filepath.Join(r.layout.Data, p) }
	same := noise(77, len(items[9].data))
	for what, c := range map[string]struct {
		change func()
		fails  string // "": the copy is exact
	}{
		"nothing":                    {func() {}, ""},
		"bytes of the same length":   {func() { mustOK(t, os.WriteFile(name("db1/t.ibd"), same, 0o660)) }, "has been written to since"},
		"a longer file":              {func() { mustOK(t, os.Truncate(name("db1/t.ibd"), 1<<20)) }, "has 1048576 bytes here"},
		"another file of that name":  {func() { replace(t, name("db1/t.ibd"), same) }, "has been written to since"},
		"a file gone":                {func() { mustOK(t, os.Remove(name("db1/t.ibd"))) }, "is missing here"},
		"a file under another name":  {func() { mustOK(t, os.Rename(name("db1/t.ibd"), name("db1/z.ibd"))) }, "is missing here"},
		"a new file":                 {func() { mustOK(t, os.WriteFile(name("db1/new.ibd"), same, 0o660)) }, ""},
		"another mode":               {func() { mustOK(t, os.Chmod(name("db1/t.ibd"), 0o640)) }, "has mode 0640 here"},
		"a directory for a file":     {func() { mustOK(t, os.Remove(name("db1/t.ibd"))); mustOK(t, os.Mkdir(name("db1/t.ibd"), 0o750)) }, "is missing here"},
		"a directory gone":           {func() { mustOK(t, os.Rename(name("db1"), name("db9"))) }, "is missing here"},
		"a hidden keystone":          {func() { mustOK(t, os.WriteFile(name("ibdata1.sstpart"), same[:20<<10], 0o660)) }, "has been written to since"},
		"a new file in another name": {func() { mustOK(t, os.WriteFile(name("mysql/x.frm"), same, 0o660)) }, ""},
	} {
		t.Run(what, func(t *testing.T) {
			r.reopen()
			s := vouching(t, r, items)
			defer s.Close()
			c.change()
			_, err := s.Seal(t.Context())
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("sealed: %v, want %q", err, c.fails)
				}
				return
			}
			mustOK(t, err)
			mustOK(t, s.Commit(t.Context()))
			if msg := diff(r.withoutManifest(), r.want(items)); msg != "" {
				t.Error(msg)
			}
		})
	}
}

func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	mustOK(t, os.WriteFile(path+".new", data, 0o660))
	st, err := os.Stat(path)
	mustOK(t, err)
	mustOK(t, os.Chtimes(path+".new", st.ModTime(), st.ModTime()))
	mustOK(t, os.Chmod(path+".new", 0o660))
	mustOK(t, os.Rename(path+".new", path))
}
