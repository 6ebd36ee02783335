package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

// stampOf stands for the donor's stamp: here it is a digest of the content, so that a file taken on trust can be wrong.
func (it item) stampOf() tree.Stamp {
	if it.dir {
		return tree.Stamp{}
	}
	var s tree.Stamp
	copy(s[:], fmt.Sprintf("%016x", block.Tag(1, it.data)))
	return s
}

// trusting is a transfer that sends whole every file that the store does not vouch for. It returns how many those are not.
func trusting(ctx context.Context, s *Store, items []item) (trusted int, err error) {
	if err := s.Prepare(ctx); err != nil {
		return 0, err
	}
	for id, it := range items {
		if _, err := s.Upsert(it.spec(id)); err != nil {
			return 0, err
		}
		if s.Vouch(uint32(id), it.stampOf()) {
			trusted++
			continue
		}
		if len(it.data) == 0 {
			continue
		}
		if err := s.Apply(uint32(id), 0, []block.Run{{Len: len(it.data)}}, it.data); err != nil {
			return 0, err
		}
	}
	if err := s.EndPass(ctx); err != nil {
		return 0, err
	}
	if _, err := s.Seal(ctx); err != nil {
		return 0, err
	}
	return trusted, s.Commit(ctx)
}

// manifestRig is a joiner on a file system whose times can be trusted, which tmpfs is not.
func manifestRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, filepath.Join(t.TempDir(), "data"))
	if err := os.MkdirAll(r.layout.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	tr, err := r.dirs.Scan(t.Context())
	mustOK(t, err)
	if info := tr.FS[tree.RoleData]; !info.Trusted || info.Mount == 0 {
		t.Skipf("the temporary directory is on %s, mount %d, where no file has a stamp", info.Name, info.Mount)
	}
	return r
}

func (r *rig) trustingStore() *Store {
	s := r.store()
	s.cfg.Manifest = true
	return s
}

// withoutManifest is list without the file that is no part of the copy.
func (r *rig) withoutManifest() map[string]string {
	got := r.list()
	delete(got, filepath.Base(r.layout.Data)+":"+tree.ManifestName)
	return got
}

func filesOf(items []item) (n int) {
	for _, it := range items {
		if !it.dir {
			n++
		}
	}
	return n
}

// TestCrashManifest: wherever a transfer is cut off, be it while it writes its manifest, the next one takes no file on trust
// that is not what the donor has; and once anything has been changed there is no manifest of what was before.
func TestCrashManifest(t *testing.T) {
	before, after := donor(300), donor(300)
	after[0].data, after[9].data = noise(7, 20<<10), noise(8, 3*block.LeafPage) // the system tablespace and a table
	begin := func(g *tape) (*rig, int, error) {
		r := manifestRig(t)
		_, err := trusting(t.Context(), r.trustingStore(), before)
		mustOK(t, err)
		r.reopen()
		s := r.trustingStore()
		s.gate = g
		n, err := trusting(t.Context(), s, after)
		s.Abort()
		return r, n, err
	}
	whole := &tape{}
	r, n, err := begin(whole)
	mustOK(t, err)
	if want := filesOf(after) - 2; n != want {
		t.Fatalf("%d files were trusted, want %d", n, want)
	}
	if msg := diff(r.withoutManifest(), r.want(after)); msg != "" {
		t.Fatal(msg)
	}
	about := func(line string) bool {
		for _, name := range []string{tree.ManifestName, tree.ManifestPart, tree.MarkerName, tree.JournalName} {
			if strings.HasSuffix(line, " "+name) {
				return true
			}
		}
		return strings.HasPrefix(line, string(opSyncDir)+" ")
	}
	manifests := 0
	for k := 1; k <= whole.n; k++ {
		if line := whole.log[k-1]; strings.HasSuffix(line, tree.ManifestName) || strings.HasSuffix(line, tree.ManifestPart) || k == whole.n {
			manifests++
		} else if k%24 != 0 { // TestCrashEverywhere has them all
			continue
		}
		for _, crash := range []bool{true, false} {
			if !crash && k != whole.n {
				continue
			}
			g := &tape{at: k, crash: crash, err: errCrash}
			if !crash {
				g.err = unix.EIO
			}
			r, _, err := begin(g)
			where := fmt.Sprintf("crash=%v operation %d of %d, %s", crash, k, whole.n, whole.log[k-1])
			committed := err == nil // the manifest comes after
			if err != nil && !errors.Is(err, g.err) {
				t.Fatalf("%s: %v", where, err)
			}
			_, merr := os.Stat(filepath.Join(r.layout.Data, tree.ManifestName))
			changed := false
			for _, line := range whole.log[:k-1] {
				changed = changed || !about(line)
			}
			if merr == nil && changed && !committed {
				t.Fatalf("%s: a manifest of what is no more", where)
			}
			r.reopen()
			if _, err := trusting(t.Context(), r.trustingStore(), after); err != nil {
				t.Fatalf("%s: the next transfer: %v", where, err)
			}
			if msg := diff(r.withoutManifest(), r.want(after)); msg != "" {
				t.Fatalf("%s: after the next transfer: %s", where, msg)
			}
			_ = r.dirs.Close()
		}
	}
	if manifests < 6 {
		t.Errorf("only %d operations are about a manifest", manifests)
	}
}

// TestManifestOff: a store without it, as in the node of a cluster, neither believes a manifest nor leaves one.
func TestManifestOff(t *testing.T) {
	r := manifestRig(t)
	items := donor(310)
	_, err := trusting(t.Context(), r.trustingStore(), items)
	mustOK(t, err)
	r.reopen()
	n, err := trusting(t.Context(), r.store(), items)
	mustOK(t, err)
	if n != 0 {
		t.Errorf("%d files were trusted", n)
	}
	r.check(items) // no manifest either
}

// TestVouchOnlyUntouched: what this transfer itself has changed is vouched for no more, whatever stamp comes with it.
func TestVouchOnlyUntouched(t *testing.T) {
	r := manifestRig(t)
	items := []item{d("db1"), f("db1/t.ibd", noise(1, 3*block.LeafPage)), f("db1/u.ibd", noise(2, block.LeafPage))}
	_, err := trusting(t.Context(), r.trustingStore(), items)
	mustOK(t, err)
	r.reopen()
	s := r.trustingStore()
	mustOK(t, s.Prepare(t.Context()))
	for id, it := range items {
		_, err := s.Upsert(it.spec(id))
		mustOK(t, err)
	}
	if !s.Vouch(1, items[1].stampOf()) || !s.Vouch(2, items[2].stampOf()) {
		t.Fatal("untouched files are not vouched for")
	}
	if s.Vouch(1, items[2].stampOf()) || s.Vouch(1, tree.Stamp{}) || s.Vouch(0, items[1].stampOf()) || s.Vouch(99, items[1].stampOf()) {
		t.Error("vouched by another stamp, or for what is no file")
	}
	mustOK(t, s.Apply(1, 0, []block.Run{{Len: block.LeafPage}}, noise(3, block.LeafPage)))
	if s.Vouch(1, items[1].stampOf()) {
		t.Error("vouched for what was written to")
	}
	short := items[2].spec(2)
	short.Size--
	_, err = s.Upsert(short)
	mustOK(t, err)
	if s.Vouch(2, items[2].stampOf()) {
		t.Error("vouched for what was cut")
	}
	s = Open(s.cfg)
	defer s.Close()
	_, err = trusting(t.Context(), s, items)
	mustOK(t, err)
	r.reopen()
	s = r.trustingStore()
	mustOK(t, s.Prepare(t.Context()))
	for id, it := range items {
		spec := it.spec(id)
		spec.Size++
		_, err := s.Upsert(spec)
		mustOK(t, err)
		if s.Vouch(uint32(id), it.stampOf()) {
			t.Errorf("vouched for %s, which is longer at the donor", it.path)
		}
	}
}

// TestFreshWaits: what was written a moment before the end is listed too, with a time that no later write can have.
func TestFreshWaits(t *testing.T) {
	r := manifestRig(t)
	items := donor(320)
	_, err := trusting(t.Context(), r.trustingStore(), items)
	mustOK(t, err)
	ended := time.Now()
	tr, err := r.dirs.Scan(t.Context())
	mustOK(t, err)
	for i := range tr.Entries {
		e := &tr.Entries[i]
		if e.Sent() && !e.Dir && !e.Rested(ended.UnixNano(), resting) {
			t.Errorf("%s changed %v before the end", e.Path, ended.Sub(time.Unix(0, e.Ctime)))
		}
	}
	r.reopen()
	n, err := trusting(t.Context(), r.trustingStore(), items)
	mustOK(t, err)
	if n != filesOf(items) {
		t.Errorf("%d of %d files are trusted", n, filesOf(items))
	}
}

// TestUntouchedNeedsNoSync: where nothing was changed nobody waits for what others have written to the file system, and after
// the smallest change somebody does.
func TestUntouchedNeedsNoSync(t *testing.T) {
	r := manifestRig(t)
	items := donor(330)
	name := func(p string) string { return filepath.Join(r.layout.Data, p) }
	for _, c := range []struct {
		what   string
		change func()
		sync   bool
	}{
		{"first copy", func() {}, true},
		{"nothing", func() {}, false},
		{"a byte", func() { mustOK(t, os.WriteFile(name("db1/t.ibd"), noise(9, 3*block.LeafPage), 0o660)) }, true},
		{"a file gone", func() { mustOK(t, os.Remove(name("mysql/user.frm"))) }, true},
		{"the mode of a file", func() { mustOK(t, os.Chmod(name("db1/t.ibd"), 0o600)) }, true},
		{"the mode of a directory", func() { mustOK(t, os.Chmod(name("db1"), 0o700)) }, true},
		{"a directory gone", func() { mustOK(t, os.Remove(name("emptydb"))) }, true},
		{"nothing again", func() {}, false},
	} {
		c.change()
		r.reopen()
		s := r.trustingStore()
		g := &tape{}
		s.gate = g
		_, err := trusting(t.Context(), s, items)
		mustOK(t, err)
		synced := strings.Contains(strings.Join(g.log, "\n"), string(opSyncFS)+" ")
		if all := s.fsyncAll.Load(); synced != c.sync && !all {
			t.Errorf("%s: syncfs %v", c.what, synced)
		}
		if msg := diff(r.withoutManifest(), r.want(items)); msg != "" {
			t.Errorf("%s: %s", c.what, msg)
		}
	}
	// An inode that somebody else has changed after the look that vouched for it, or equal by its digests alone, as what a transfer
	// that was cut off has left: its bytes may be on no disk yet.
	for what, c := range map[string]struct {
		stamp  tree.Stamp
		change func()
	}{
		"changed from outside": {items[9].stampOf(), func() { mustOK(t, os.Chmod(name("db1/t.ibd"), os.FileMode(items[9].mode))) }},
		"found equal":          {tree.Stamp{7}, func() {}},
	} {
		r.reopen()
		_, err := trusting(t.Context(), r.trustingStore(), items)
		mustOK(t, err)
		r.reopen()
		s := r.trustingStore()
		g := &tape{}
		s.gate = g
		mustOK(t, s.Prepare(t.Context()))
		for id, it := range items {
			_, err := s.Upsert(it.spec(id))
			mustOK(t, err)
			stamp := it.stampOf()
			if it.path == "db1/t.ibd" {
				stamp = c.stamp
			}
			s.Vouch(uint32(id), stamp)
		}
		c.change()
		_, err = s.Seal(t.Context())
		mustOK(t, err)
		mustOK(t, s.Commit(t.Context()))
		if !strings.Contains(strings.Join(g.log, "\n"), string(opSyncFS)+" ") && !s.fsyncAll.Load() {
			t.Errorf("%s: no syncfs", what)
		}
	}
}
