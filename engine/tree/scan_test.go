package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func scan(t testing.TB, d *Dirs) *Tree {
	t.Helper()
	tr, err := d.Scan(t.Context())
	must(t, err)
	if !slices.IsSortedFunc(tr.Entries, func(a, b Entry) int { return compareEntries(&a, &b) }) {
		t.Error("entries are not sorted")
	}
	for i := 1; i < len(tr.Entries); i++ {
		if compareEntries(&tr.Entries[i-1], &tr.Entries[i]) == 0 {
			t.Errorf("%s is listed twice", tr.Entries[i].Path)
		}
	}
	return tr
}

// list writes entries as "role path class" with a slash behind directories and a star before parts.
func list(tr *Tree) []string {
	var out []string
	for _, e := range tr.Entries {
		s := e.Role.String() + " "
		if e.Part {
			s += "*"
		}
		s += e.Path
		if e.Dir {
			s += "/"
		}
		out = append(out, s+" "+e.Class.String())
	}
	return out
}

func wantList(t *testing.T, tr *Tree, want ...string) {
	t.Helper()
	got := list(tr)
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("unexpected entry %q", g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("entry %q is missing", w)
		}
	}
}

func wantLines[T any](t *testing.T, what string, got []T, patterns ...string) {
	t.Helper()
	if len(got) != len(patterns) {
		t.Errorf("%d %s, want %d: %v", len(got), what, len(patterns), got)
		return
	}
	for i, p := range patterns {
		if line := fmt.Sprint(got[i]); !regexp.MustCompile(p).MatchString(line) || strings.Contains(line, "\n") {
			t.Errorf("%s %q does not match %q", what, line, p)
		}
	}
}

func TestScanOneDirectory(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "ibdata1=i", "ib_logfile0=r", "ib_logfile0.sstpart=p", "undo001.sstpart=u", "aria_log_control=c", "grastate.dat=g", "d1/t.ibd=t",
		"d1/old.ibd.sstpart=x", "d1/sub/f=f", "empty/", "#innodb_temp/temp_1.ibt=x", ".hidden/x=x", "notes=n", "tc.log=t", "sst_in_progress=",
		"#innodb_redo/#ib_redo1.sstpart=r", "#innodb_redo/#ib_redo2=r")
	tr := scan(t, open(t, Layout{Data: data}))
	wantList(t, tr,
		"innodb-home ibdata1 system tablespace", "redo ib_logfile0 redo log", "redo *ib_logfile0 redo log", "undo *undo001 undo tablespace",
		"aria aria_log_control Aria control file", "data grastate.dat private file", "data d1/ database", "data d1/t.ibd tablespace",
		"data d1/old.ibd.sstpart stale file", "data d1/sub/ directory", "data d1/sub/f table file", "data empty/ database",
		"data #innodb_temp/ temporary file", "data .hidden/ private file", "data notes foreign file", "data tc.log stale file",
		"data sst_in_progress marker", "redo #innodb_redo/ redo log directory", "redo *#innodb_redo/#ib_redo1 redo log", "redo #innodb_redo/#ib_redo2 redo log")
	wantLines(t, "refusals", tr.Refusals)
	wantLines(t, "warnings", tr.Warnings, "unfinished.*undo001.sstpart")
	for _, r := range []Role{RoleData, RoleInnoDBHome, RoleRedo, RoleUndo, RoleAria} {
		if tr.FS[r].Name == "" || tr.FS[r].Total == 0 {
			t.Errorf("no file system for %v", r)
		}
	}
	if _, ok := tr.FS[RoleBinlog]; ok {
		t.Error("binary logging is off and has a file system")
	}
	for _, e := range tr.Entries {
		if e.Dir == (e.Size != 0) && e.Path != MarkerName || e.ID.Ino == 0 || e.Ctime == 0 || e.Mode == 0 || int(e.UID) != os.Geteuid() || int(e.GID) != os.Getegid() {
			t.Errorf("incomplete entry %+v", e)
		}
		if e.Suspect == e.Dir {
			t.Errorf("%s is small or a directory, suspect is %v", e.Path, e.Suspect)
		}
		if e.Part && e.Sent() {
			t.Errorf("part %s would be sent", e.Path)
		}
	}
}

func TestScanSplitDirectories(t *testing.T) {
	base := t.TempDir()
	l := Layout{
		Data: base + "/data", InnoDBHome: base + "/home", Redo: base + "/data/redo", Undo: base + "/undo",
		Aria: base + "/link-to-undo", Binlog: base + "/data/log", BinlogBase: "bin", MaxBinlogs: -1,
		SystemFiles: []string{"ibdata1", "more/ibdata2"},
	}
	grow(t, base, "data/d1/t.ibd=t", "data/ib_logfile0=stray", "data/redo/ib_logfile0=r", "data/redo/notes=n", "data/log/bin.000001=b",
		"data/log/bin.index=./bin.000001\n", "home/ibdata1=1", "home/more/ibdata2=2", "home/more/x=x", "home/d1/t.ibd=not mine", "undo/undo001=u",
		"undo/aria_log.00000001=a", "link-to-undo->undo")
	tr := scan(t, open(t, l))
	wantList(t, tr, "data d1/ database", "data d1/t.ibd tablespace", "data ib_logfile0 foreign file", "data redo/ directory of another role",
		"data log/ directory of another role", "redo ib_logfile0 redo log", "binlog bin.000001 binary log", "binlog bin.index binary log index",
		"innodb-home ibdata1 system tablespace", "innodb-home more/ directory", "innodb-home more/ibdata2 system tablespace",
		"undo undo001 undo tablespace", "aria aria_log.00000001 Aria log")
	wantLines(t, "refusals", tr.Refusals)
	wantLines(t, "warnings", tr.Warnings, "log files outside.*data/ib_logfile0")

	// The same names with everything in one directory: the joiner needs the directory under the role of the file.
	one := t.TempDir()
	grow(t, one, "more/ibdata2=2", "more/ibdata2.sstpart=p")
	wantList(t, scan(t, open(t, Layout{Data: one, SystemFiles: []string{"more/ibdata2"}})), "data more/ database",
		"innodb-home more/ directory", "innodb-home more/ibdata2 system tablespace", "innodb-home *more/ibdata2 system tablespace")
}

func TestScanLinks(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "far/t.ibd=f", "far/db.opt=o", "data/d1/t.ibd=t", "data/far->../far", "data/loop->.", "data/up->..", "data/gone->nowhere",
		"data/d1/inner->../d1", "data/d1/t2.MYD->/x/t2.MYD", "data/ca.pem->/etc/ca.pem", "data/undo001->../far/t.ibd", "data/.h->../far", "data/red->../redo",
		"redo/ib_logfile0=r")
	must(t, unix.Mkfifo(base+"/data/d1/pipe", 0o600))
	must(t, unix.Mkfifo(base+"/data/mysql.sock", 0o600))
	d := open(t, Layout{Data: base + "/data", Redo: base + "/redo"})
	tr, err := d.Scan(t.Context())
	must(t, err)
	// A parent directory makes an odd database, but it is one: only what it says about itself is left out here.
	wantList(t, &Tree{Entries: slices.DeleteFunc(slices.Clone(tr.Entries), func(e Entry) bool { return strings.HasPrefix(e.Path, "up/") || e.Path == "up" })},
		"data d1/ database", "data d1/t.ibd tablespace", "data far/ database", "data far/t.ibd tablespace", "data far/db.opt table file",
		"data loop/ directory of another role", "data red/ directory of another role", "data d1/inner special file", "data d1/t2.MYD special file",
		"data d1/pipe special file", "undo undo001 special file", "redo ib_logfile0 redo log")
	var lines []string
	for _, r := range tr.Refusals {
		if !strings.Contains(r.Path, "/up/") {
			lines = append(lines, r.String())
		}
	}
	wantLines(t, "refusals", lines, "t2.MYD: a file of a table is a symbolic link", "undo001: the undo tablespace is a symbolic link.*innodb_undo_directory")

	// A directory in the place of a system tablespace is ours and says that no server may start; a link to one is somebody else's.
	must(t, os.Symlink("../far", base+"/data/ibdata1"))
	if tr := scan(t, d); !slices.Contains(list(tr), "innodb-home ibdata1 special file") {
		t.Errorf("a link to a directory for a system tablespace: %v", list(tr))
	} else if !slices.ContainsFunc(tr.Refusals, func(r Refusal) bool { return strings.HasSuffix(r.Path, "/ibdata1") }) {
		t.Errorf("it is not refused: %v", tr.Refusals)
	}
	must(t, os.Remove(base+"/data/ibdata1"))

	// A link that changes its target is followed to the new one.
	must(t, os.Remove(base+"/data/far"))
	grow(t, base, "far2/n.ibd=n", "data/far->../far2")
	if tr := scan(t, d); !slices.Contains(list(tr), "data far/n.ibd tablespace") || slices.Contains(list(tr), "data far/t.ibd tablespace") {
		t.Errorf("link to a new target: %v", list(tr))
	}
	if f, err := d.OpenFile(RoleData, "far/n.ibd", os.O_RDONLY, 0); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	must(t, os.Remove(base+"/data/far"))
	scan(t, d)
	if _, err := d.OpenFile(RoleData, "far/n.ibd", os.O_RDONLY, 0); err == nil {
		t.Error("a link that is gone is still followed")
	}
}

func TestScanRefusals(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "data/#rocksdb/CURRENT=x", "data/d1/t.isl=/else/t.ibd", "data/d1/g.mrn=x", "data/tokudb.directory=x", "redo/t.frm=x", "redo/ib_logfile0=r")
	d := open(t, Layout{Data: base + "/data", Redo: base + "/redo", Undo: base + "/none", SystemFiles: []string{"/0/raw", "ibdata1"}})
	must(t, os.Symlink("/dev/null", base+"/data/ibdata1"))
	tr := scan(t, d)
	wantLines(t, "refusals", tr.Refusals, "^/0/raw: .*outside.*innodb_data_home_dir", "#rocksdb: .*MyRocks", "g.mrn: .*Mroonga", "t.isl: .*DATA DIRECTORY",
		"ibdata1: the system tablespace is a symbolic link", "tokudb.directory: .*TokuDB", "none: the undo directory does not exist.*innodb_undo_directory",
		"redo/t.frm: lies in the directory set by innodb_log_group_home_dir")
	for _, r := range tr.Refusals {
		if both := !strings.HasSuffix(r.Path, ".isl"); r.Joiner != both { // what is refused for the others stays beside new data
			t.Errorf("%v: forbids receiving is %v", r, r.Joiner)
		}
	}
}

func TestScanBinlogs(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "bin.000001=1", "bin.000002=2", "bin.000003=3", "donor.000009=9", "dump.20240101=mine", "bin.state=s",
		"bin.index=/old/place/bin.000001\n./bin.000002\n\nbin.000003\n./donor.000009\n./grastate.dat\n", "grastate.dat=g")
	for _, c := range []struct {
		limit int
		sent  string
	}{
		{0, ""}, {1, "donor.000009"}, {2, "donor.000009 bin.000003"},
		{3, "donor.000009 bin.000003 bin.000002"}, {9, "donor.000009 bin.000003 bin.000002 bin.000001"},
		{-1, "donor.000009 bin.000003 bin.000002 bin.000001"},
	} {
		tr := scan(t, open(t, Layout{Data: data, Binlog: data, BinlogBase: "bin", MaxBinlogs: c.limit}))
		var sent []string
		for _, e := range tr.Entries {
			if e.Sent() {
				sent = append(sent, e.Path)
			} else if strings.HasPrefix(e.Path, "bin.") && e.Class.Props().Joiner == Keep {
				t.Errorf("limit %d: %s is kept on a joiner", c.limit, e.Path)
			} else if !strings.Contains(e.Path, "bin.") && e.Path != "donor.000009" && e.Class.Props().Joiner != Keep {
				t.Errorf("limit %d: %s is removed on a joiner", c.limit, e.Path)
			}
		}
		want := strings.Fields(c.sent)
		slices.Sort(sent)
		slices.Sort(want)
		if !slices.Equal(sent, want) {
			t.Errorf("limit %d: sent %v, want %v", c.limit, sent, want)
		}
	}
	if got := ParseIndex([]byte("./a.000001\r\n\n/x/y/a.000002\n..\n/\na.000003")); !slices.Equal(got, []string{"a.000001", "a.000002", "a.000003"}) {
		t.Errorf("ParseIndex = %q", got)
	}
}

func TestScanSuspects(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "d1/", "mysql/")
	for _, name := range []string{"d1/big.ibd", "mysql/big.ibd", "ibdata1"} {
		must(t, os.WriteFile(filepath.Join(data, name), nil, 0o600))
		must(t, os.Truncate(filepath.Join(data, name), SmallFile))
	}
	tr := scan(t, open(t, Layout{Data: data}))
	trusted := tr.FS[RoleData].Trusted
	for _, e := range tr.Entries {
		want := !e.Dir && (e.Path != "d1/big.ibd" || !trusted)
		if e.Suspect != want {
			t.Errorf("%s on %s: suspect is %v", e.Path, tr.FS[RoleData].Name, e.Suspect)
		}
		if trusted && e.ID.Birth == 0 {
			t.Errorf("%s has no birth time on %s", e.Path, tr.FS[RoleData].Name)
		}
		if sparse := e.Path == "d1/big.ibd" || e.Path == "mysql/big.ibd"; e.Sparse() != sparse {
			t.Errorf("%s with %d of %d bytes allocated: sparse is %v", e.Path, e.Allocated, e.Size, e.Sparse())
		}
	}
}

// A server drops and creates tables while the scan runs; the scan must neither fail nor list nonsense.
func TestScanDuringChurn(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "steady/t.ibd=t")
	d := open(t, Layout{Data: data})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			dir := filepath.Join(data, fmt.Sprintf("d%d", i%3))
			err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(dir+"/t.ibd", nil, 0o600), os.Rename(dir+"/t.ibd", dir+"/u.ibd"), os.RemoveAll(dir))
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 300 {
		if tr := scan(t, d); !slices.Contains(list(tr), "data steady/t.ibd tablespace") {
			t.Error("a file that was always there is missing")
		}
	}
	stop()
	must(t, <-done)
}

func TestScanErrors(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "d1/t.ibd=t")
	d := open(t, Layout{Data: data})
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the joiner is gone")
	cancel(cause)
	for i := range checkEvery {
		grow(t, data, fmt.Sprintf("d1/t%d=x", i))
	}
	if _, err := d.Scan(ctx); !errors.Is(err, cause) {
		t.Errorf("cancelled scan: %v", err)
	}
	must(t, os.Chmod(data+"/d1", 0))
	defer os.Chmod(data+"/d1", 0o700)
	must(t, os.Chmod(data, 0o755))
	err := asNobody(t, func() error { _, err := d.Scan(t.Context()); return err })
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), data+"/d1") {
		t.Errorf("scan without permission: %v, want an error that names %s/d1", err, data)
	}
}

// asNobody runs f without root's right to read everything; the thread is thrown away afterwards.
func asNobody(t *testing.T, f func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return f()
	}
	out := make(chan error)
	go func() {
		runtime.LockOSThread()
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); e != 0 {
			out <- e
			return
		}
		out <- f()
	}()
	return <-out
}

func TestScanWarnsAboutOwnerAndHardLinks(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "d1/a.ibd=a", "#sql-temptable-1.MAI=x", "ibdata7=x")
	for i := range 4 {
		must(t, os.Link(data+"/d1/a.ibd", fmt.Sprintf("%s/d1/b%d.ibd", data, i)))
	}
	want := []string{"temporary tables in the datadir.*sql-temptable-1", "innodb_data_file_path does not name.*ibdata7", "hard links.*a.ibd, .*b0.ibd, .*b1.ibd and 2 more"}
	if os.Geteuid() == 0 {
		must(t, os.Chown(data, 65534, 65534))
		want = append(want, "datadir belongs to user 65534, this program runs as user 0")
	}
	tr := scan(t, open(t, Layout{Data: data}))
	slices.Sort(tr.Warnings)
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(first(tr.Warnings, a), first(tr.Warnings, b)) })
	wantLines(t, "warnings", tr.Warnings, want...)
}

func first(lines []string, pattern string) string {
	for _, l := range lines {
		if regexp.MustCompile(pattern).MatchString(l) {
			return l
		}
	}
	return ""
}

// TestScanOfManyNames has a directory whose names are asked for at the same time: each must be described as when asked alone.
func TestScanOfManyNames(t *testing.T) {
	data := t.TempDir()
	for i := range 2*statAlone + 7 {
		grow(t, data, fmt.Sprintf("shop/t%d.MYD=%s", i, strings.Repeat("x", i)))
	}
	grow(t, data, "shop/l.MYD->t1.MYD", "shop/d.MYD/")
	d := open(t, Layout{Data: data})
	files := 0
	for _, e := range scan(t, d).Entries {
		if e.Dir || e.Irregular {
			continue
		}
		files++
		alone, err := d.Lstat(e.Role, e.Path)
		must(t, err)
		var n int64
		if _, err := fmt.Sscanf(e.Path, "shop/t%d.MYD", &n); err != nil || n != e.Size || alone.ID != e.ID || alone.Size != e.Size {
			t.Fatalf("%+v, alone %+v", e, alone)
		}
	}
	if want := 2*statAlone + 7; files != want {
		t.Errorf("%d files, want %d", files, want)
	}
}

func BenchmarkScan(b *testing.B) {
	for _, files := range []int{2000, 20000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			data := b.TempDir()
			for i := range files / 2 {
				grow(b, data, fmt.Sprintf("d%d/t%d.ibd=x", i%20, i), fmt.Sprintf("d%d/t%d.frm=x", i%20, i))
			}
			d := open(b, Layout{Data: data})
			b.ReportAllocs()
			for b.Loop() {
				if tr, err := d.Scan(b.Context()); err != nil || len(tr.Entries) != files+20 {
					b.Fatalf("%v, %v", tr, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
		})
	}
}

// A directory that cannot be a database is left alone with a word, and one that is a database all the same is no small matter.
func TestScanReservedDirectories(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "grastate.dat/x=x", "back.up/t.ibd=t", "tables_flushed/db.opt=o", "certs/server-key.pem=k", "certs/readme=r")
	tr := scan(t, open(t, Layout{Data: data}))
	wantList(t, tr, "data grastate.dat/ foreign file", "data back.up/ foreign file", "data tables_flushed/ foreign file",
		"data certs/ database", "data certs/server-key.pem private file", "data certs/readme table file")
	wantLines(t, "refusals", tr.Refusals, "tables_flushed: .*database of another name")
	wantLines(t, "warnings", tr.Warnings, "cannot be databases, not copied: .*back.up, .*grastate.dat")
	if tr.Refusals[0].Joiner {
		t.Error("what is only not sent stops a joiner")
	}
}

func TestFSOf(t *testing.T) {
	data := t.TempDir()
	far, err := os.MkdirTemp("/dev/shm", "tree-test-")
	if err != nil {
		t.Skip("no second file system to put a database on: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(far) })
	grow(t, data, "d1/t.ibd=t", "far->"+far)
	grow(t, far, "t.ibd=t")
	tr := scan(t, open(t, Layout{Data: data}))
	for i := range tr.Entries {
		e := &tr.Entries[i]
		want := data
		if strings.HasPrefix(e.Path, "far") {
			want = far
		}
		var st unix.Stat_t
		must(t, unix.Stat(want, &st))
		if got := tr.FSOf(e); got.Dev != st.Dev || got.Name == "" {
			t.Errorf("%s lies on %+v, want device %d", e.Path, got, st.Dev)
		}
	}
	if got := tr.FSOf(&Entry{Role: RoleUndo, ID: FileID{Dev: 1 << 60}}); got != tr.FS[RoleUndo] || got.Name == "" {
		t.Errorf("an unknown device gives %+v, want the role's", got)
	}
}

// Control characters are in no name that a server makes; they would spoil messages and lists.
func TestScanControlCharacters(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "d1/no\nte=x", "d1/\x1b[2J/x=x", "d1/caf\xe9.txt=x", "d\x7f/t.ibd=x", "d1/a\tb.ibd=x")
	tr := scan(t, open(t, Layout{Data: data}))
	wantList(t, tr, "data d1/ database", "data d1/no\nte foreign file", "data d1/\x1b[2J/ foreign file", "data d1/caf\xe9.txt table file",
		"data d\x7f/ foreign file", "data d1/a\tb.ibd foreign file")
	wantLines(t, "refusals", tr.Refusals, `a\\tb.ibd.*: .*control characters`)
	wantLines(t, "warnings", tr.Warnings, `control characters in their names, not copied: .*x1b\[2J.*no\\nte.*x7f`)
}
