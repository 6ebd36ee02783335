package proto

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"trireme/engine/manifest"
	"trireme/engine/tree"
)

// resting is a rig of two datadirs at rest, as transfers by hand find them.
type resting struct {
	*rig
	notes []string // of the joiner, in its last transfer
	deaf  bool     // the donor is without manifest

	margin time.Duration // how long files must have rested
	states [16]byte      // what the joiner says of definitions
}

// newResting fills a donor; its files have rested after two ticks of the clock.
func newResting(t *testing.T) *resting {
	t.Parallel() // most of it is waiting
	r := &resting{rig: newRig(t)}
	needTrusted(t, r.donor)
	r.manifest = true
	small(t, r.donor)
	r.margin = tree.Granule
	return r
}

// small fills a datadir with a few files of several classes; items.ibd and twin.ibd have one length.
func small(t testing.TB, dir string) {
	t.Helper()
	for i, f := range []struct {
		name string
		size int
	}{
		{"ibdata1", 1 << 16}, {"undo001", 1 << 16}, {"ib_logfile0", 1 << 16}, {"aria_log_control", 52}, {"aria_log.00000001", 16384},
		{"shop/items.ibd", 49152}, {"shop/twin.ibd", 49152}, {"shop/note.MYD", 70001}, {"shop/note.MYI", 1024}, {"shop/empty.MYD", 0},
		{"shop/db.opt", 67}, {"mysql/proc.MAD", 8192}, {"shop/long.ibd", 3<<20 + 16384},
	} {
		write(t, dir, f.name, random(f.size, byte(i)))
	}
}

// prepare sets up the next transfer as the face does; then, if not nil, comes between its look at the source and its call.
func (r *resting) prepare(then func()) {
	r.t.Helper()
	time.Sleep(2 * tree.Granule)
	dirs, err := tree.Open(tree.Layout{Data: r.donor})
	if err != nil {
		r.t.Fatal(err)
	}
	defer dirs.Close()
	quiet, err := dirs.Scan(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	if then != nil {
		then()
	}
	r.notes = nil
	r.tweakDonor = func(c *DonorConfig) { c.Quiet, c.Manifest, c.Passes, c.testOnlyMargin = quiet, !r.deaf, 1, r.margin }
	r.tweakJoiner = func(c *JoinerConfig) {
		c.Definitions = r.states
		c.Note = func(format string, args ...any) { r.notes = append(r.notes, fmt.Sprintf(format, args...)) }
	}
}

// copies makes a transfer and says how many files both ends took on trust.
func (r *resting) copies(then func()) int {
	r.t.Helper()
	r.prepare(then)
	r.mustRun()
	a, b := r.progress[0].Snapshot(), r.progress[1].Snapshot()
	if a.TrustedFiles != b.TrustedFiles || a.Trusted != b.Trusted {
		r.t.Errorf("the donor trusted %d files, %d bytes, the joiner %d, %d", a.TrustedFiles, a.Trusted, b.TrustedFiles, b.Trusted)
	}
	return int(a.TrustedFiles)
}

// files counts those of a directory that travel.
func (r *resting) files() (n int) {
	r.t.Helper()
	err := filepath.WalkDir(r.donor, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *resting) manifestName() string { return filepath.Join(r.joiner, tree.ManifestName) }

// rows are those of the joiner's manifest.
func (r *resting) rows() (h manifest.Header, rows []manifest.Row) {
	r.t.Helper()
	b, err := os.ReadFile(r.manifestName())
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := manifest.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		row, more := m.Next()
		if !more {
			break
		}
		row.Path = bytes.Clone(row.Path)
		rows = append(rows, row)
	}
	if err := m.Close(); err != nil {
		r.t.Fatal(err)
	}
	return m.Header, rows
}

// rewrite replaces the manifest by one with another header.
func (r *resting) rewrite(change func(h *manifest.Header)) {
	r.t.Helper()
	h, rows := r.rows()
	change(&h)
	var b bytes.Buffer
	w, err := manifest.NewWriter(&b, h)
	for _, row := range rows {
		if err == nil {
			err = w.Add(row)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = os.WriteFile(r.manifestName(), b.Bytes(), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// opened watches directories and returns the names of the files in them that have been opened since.
func opened(t *testing.T, roots ...string) func() []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				_, err = unix.InotifyAddWatch(fd, path, unix.IN_OPEN)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return func() (names []string) {
		buf := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buf)
			if err == unix.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				return names
			}
			for at := 0; at < n; {
				ev := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at])) // the kernel aligns them
				if ev.Mask&unix.IN_Q_OVERFLOW != 0 {
					t.Fatal("more files were opened than could be counted")
				}
				at += unix.SizeofInotifyEvent
				if ev.Mask&unix.IN_ISDIR == 0 && ev.Len > 0 {
					names = append(names, string(bytes.TrimRight(buf[at:at+int(ev.Len)], "\x00")))
				}
				at += int(ev.Len)
			}
		}
	}
}

// TestManifestEqual: when nobody has touched anything since the last transfer no file is opened at either end, again and again.
func TestManifestEqual(t *testing.T) {
	r := newResting(t)
	if n := r.copies(nil); n != 0 {
		t.Fatalf("%d files were trusted in the first transfer", n)
	}
	if info, err := os.Stat(r.manifestName()); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("manifest: %v, %v", info, err)
	}
	all := r.files()
	// The donor looks at the heads of these, to know whether a server writes.
	looked := []string{"ib_logfile0", "ibdata1", tree.ManifestName, tree.ManifestPart, tree.MarkerName, tree.JournalName}
	for i := range 3 {
		seen := func() []string { return nil }
		r.prepare(func() { seen = opened(t, r.donor, r.joiner) })
		_, _, derr, jerr := r.run()
		names := seen()
		if derr != nil || jerr != nil {
			t.Fatalf("donor: %v; joiner: %v", derr, jerr)
		}
		if got := int(r.progress[0].Snapshot().TrustedFiles); got != all {
			t.Fatalf("transfer %d: %d of %d files were trusted: %q", i, got, all, r.notes)
		}
		for i := range r.progress {
			if s := r.progress[i].Snapshot(); s.Read != 0 || s.Sent != 0 || s.Trusted != s.Bytes {
				t.Errorf("transfer %d: read %d, sent %d, trusted %d of %d bytes", i, s.Read, s.Sent, s.Trusted, s.Bytes)
			}
		}
		if !slices.Contains(names, tree.ManifestName) {
			t.Fatalf("the watch does not see opens: %q", names)
		}
		for _, name := range names {
			if !slices.Contains(looked, name) {
				t.Errorf("transfer %d opened %s", i, name)
			}
		}
		r.equal()
	}
}

// overwrite changes a byte in place and puts the old time of modification back, as only ctime tells.
func overwrite(t *testing.T, dir, name string, off int64) {
	t.Helper()
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.ReadAt(b, off)
		b[0] ^= 1
	}
	if err == nil {
		_, err = f.WriteAt(b, off)
	}
	if err == nil {
		err = errors.Join(f.Close(), os.Chtimes(path, info.ModTime(), info.ModTime()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// swap lets two files change their names.
func swap(t *testing.T, dir, a, b string) {
	t.Helper()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Rename(path(a), path("swap")), os.Rename(path(b), path(a)), os.Rename(path("swap"), path(b))); err != nil {
		t.Fatal(err)
	}
}

// TestManifestChanges: what moved at either end since the last transfer is compared, and nothing else is; the copy is exact
// in any case, and the transfer after that trusts everything again.
func TestManifestChanges(t *testing.T) {
	r := newResting(t)
	r.copies(nil)
	now := time.Now()
	for _, c := range []struct {
		name   string
		change func()
		moved  int // files that cannot be trusted; -1: none can
		note   string
	}{
		{"nothing", func() {}, 0, "13 of them, 3.4 MiB, are as they were then"},
		{"donor's file touched", func() { chtimes(t, r.donor, "shop/items.ibd", now) }, 1, ""},
		{"joiner's file touched", func() { chtimes(t, r.joiner, "shop/items.ibd", now) }, 1, ""},
		{"byte at the donor, old time", func() { overwrite(t, r.donor, "shop/items.ibd", 9000) }, 1, ""},
		{"byte at the joiner, old time", func() { overwrite(t, r.joiner, "shop/items.ibd", 9000) }, 1, ""},
		{"donor's names swapped", func() { swap(t, r.donor, "shop/items.ibd", "shop/twin.ibd") }, 2, ""},
		{"joiner's names swapped", func() { swap(t, r.joiner, "shop/items.ibd", "shop/twin.ibd") }, 2, ""},
		{"donor's file made anew", func() {
			remove(t, r.donor, "shop/note.MYD")
			write(t, r.donor, "shop/note.MYD", random(70001, 3))
		}, 1, ""},
		{"joiner's file gone", func() { remove(t, r.joiner, "shop/note.MYD") }, 1, ""},
		{"mode at the donor", func() {
			if err := os.Chmod(filepath.Join(r.donor, "shop/note.MYI"), 0o640); err != nil {
				t.Fatal(err)
			}
		}, 1, ""},
		{"a server has run on the joiner", func() {
			for _, name := range []string{"ibdata1", "ib_logfile0", "undo001", "aria_log_control", "mysql/proc.MAD"} {
				overwrite(t, r.joiner, name, 20)
			}
			write(t, r.joiner, "shop/new.ibd", random(16384, 9))
			write(t, r.joiner, "tc.log", random(100, 9))
		}, 5, ""},
		{"manifest gone", func() { remove(t, r.joiner, tree.ManifestName) }, -1, ""},
		{"manifest mangled", func() { overwrite(t, r.joiner, tree.ManifestName, 500) }, -1, "ignored"},
		{"manifest cut", func() {
			if err := os.Truncate(r.manifestName(), 300); err != nil {
				t.Fatal(err)
			}
		}, -1, "do not fit"},
		{"manifest of another version", func() { overwrite(t, r.joiner, tree.ManifestName, 9) }, -1, "version"},
		{"manifest of another boot", func() { r.rewrite(func(h *manifest.Header) { h.Host.Boot[3]++ }) }, -1, "before this host was started, or on another host"},
		{"clock was put back", func() { r.rewrite(func(h *manifest.Header) { h.Host.Clock += int64(time.Hour) }) }, -1, "clock was stepped by -"},
		{"clock was put forward", func() { r.rewrite(func(h *manifest.Header) { h.Host.Clock -= int64(50 * time.Millisecond) }) }, -1, "clock was stepped"},
		{"clock moved a little", func() { r.rewrite(func(h *manifest.Header) { h.Host.Clock += int64(time.Millisecond) }) }, 0, ""},
		{"a transfer was cut off by another program", func() { write(t, r.joiner, tree.MarkerName, nil) }, -1, "cut off since"},
		{"joiner without manifest", func() { r.manifest = false }, -1, ""},
		{"donor without manifest", func() { r.deaf = true }, -1, ""},
	} {
		c.change()
		want := r.files() - c.moved
		if c.moved < 0 {
			want = 0
		}
		if n := r.copies(nil); n != want { // compares both trees
			t.Errorf("%s: %d files were trusted, want %d", c.name, n, want)
		}
		if !strings.Contains(strings.Join(r.notes, "\n"), c.note) {
			t.Errorf("%s: the joiner's log lacks %q: %q", c.name, c.note, r.notes)
		}
		if _, err := os.Stat(r.manifestName()); (err == nil) != (r.manifest && !r.deaf) {
			t.Errorf("%s: manifest afterwards: %v", c.name, err)
		}
		if !r.manifest || r.deaf {
			r.manifest, r.deaf = true, false
			r.copies(nil)
		}
	}
}

func chtimes(t *testing.T, dir, name string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
		t.Fatal(err)
	}
}

// TestManifestOfAnotherCopy: the manifest of one copy says nothing about another, though both are of one donor.
func TestManifestOfAnotherCopy(t *testing.T) {
	r := newResting(t)
	r.copies(nil)
	stolen, err := os.ReadFile(r.manifestName())
	if err != nil {
		t.Fatal(err)
	}
	r.joiner = t.TempDir()
	r.copies(nil)
	if err := os.WriteFile(r.manifestName(), stolen, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := r.copies(nil); n != 0 {
		t.Errorf("%d files were trusted by the manifest of another copy", n)
	}
}

// TestManifestOfAnotherDonor: neither does what was copied from one donor say anything about another one, though the files
// have one content and one time.
func TestManifestOfAnotherDonor(t *testing.T) {
	r := newResting(t)
	r.copies(nil)
	other := t.TempDir()
	small(t, other)
	now := time.Now()
	for _, dir := range []string{r.donor, other} {
		chtimes(t, dir, "shop/items.ibd", now)
	}
	r.donor = other
	if n := r.copies(nil); n != 0 {
		t.Errorf("%d files of another donor were trusted", n)
	}
}

// TestManifestFresh: what has not rested long enough at the donor may be written to without another time, and is not listed.
func TestManifestFresh(t *testing.T) {
	r := newResting(t)
	r.margin = time.Hour
	for range 3 {
		if n := r.copies(nil); n != 0 {
			t.Fatalf("%d files were trusted", n)
		}
	}
	if _, err := os.Stat(r.manifestName()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a manifest without files: %v", err)
	}
	r.margin = tree.Granule
	r.copies(nil)
	overwrite(t, r.donor, "shop/items.ibd", 5)
	r.margin = time.Minute // more than the file has rested, and the others too
	r.prepare(nil)
	r.mustRun()
	if n := r.progress[0].Snapshot().TrustedFiles; n != 0 {
		t.Errorf("%d files that have not rested were trusted", n)
	}
}

// TestManifestMoved: a file that moves between the donor's look at it and its reading is copied as it is then, and what was
// copied is not remembered for what was looked at.
func TestManifestMoved(t *testing.T) {
	r := newResting(t)
	r.copies(nil)
	// Vouched for when it moves, and then compared all the same.
	r.prepare(func() { overwrite(t, r.donor, "shop/items.ibd", 11000) })
	r.mustRun()
	_, rows := r.rows()
	if len(rows) != r.files()-1 {
		t.Errorf("%d rows, want all but one of %d", len(rows), r.files())
	}
	for _, row := range rows {
		if string(row.Path) == "shop/items.ibd" {
			t.Error("the manifest says of what was read that it was looked at before")
		}
	}
	// Not known yet when it moves.
	r.joiner = t.TempDir()
	r.copies(func() { overwrite(t, r.donor, "shop/items.ibd", 12000) })
	if _, rows := r.rows(); len(rows) != r.files()-1 {
		t.Errorf("%d rows, want all but one of %d", len(rows), r.files())
	}
}
