//go:build integration

package main

import (
	"bytes"
	le "encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"trireme/bench/cluster"
	"trireme/bench/zoo"
)

// TestRefusals makes one thing at a time impossible to copy. Each must be refused before anything is touched, with one line in
// both logs that names the file or the option, and the donor must go on (R-META-1, R-META-3, tests T-14, T-27).
func TestRefusals(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	r.boot()
	r.exec(r.one, "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t SELECT seq, SHA2(seq, 512) FROM seq_1_to_3000; CREATE TABLE a (id INT) ENGINE=MyISAM")
	r.join(r.two, r.one)
	r.must(r.two.Stop(r.ctx))
	r.must(r.two.ForceFullSST())
	t.Run("donor's data", func(t *testing.T) { r.in(t).refusedData() })
	t.Run("settings", func(t *testing.T) { r.in(t).refusedSettings() })
	t.Run("joiner's data", func(t *testing.T) {
		r := r.in(t)
		dir := filepath.Join(r.two.Datadir(), "#rocksdb")
		r.empty(dir)
		defer os.RemoveAll(dir)
		want := []string{dir, "MyRocks", "nothing has been changed"}
		r.refuses(nil, nil, want, want)
	})
	// All of it was taken away again, so the node heals by itself.
	r.join(r.two, r.one)
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
}

// refusedData plants in the donor's datadir what cannot be copied as files.
func (r *pair) refusedData() {
	far := r.shared("far")
	donor := func(name string) string { return filepath.Join(r.one.Datadir(), name) }
	plant := func(name, content string) func() {
		return func() { r.put(donor(name), content, 0o660) }
	}
	remove := func(names ...string) func() {
		return func() {
			for _, name := range names {
				r.must(os.RemoveAll(donor(name)))
			}
		}
	}
	sql := func(statements string) func() { return func() { r.exec(r.one, statements) } }
	for _, c := range []struct {
		name       string
		make, undo func()
		want       []string
	}{
		{"DATA DIRECTORY", sql("CREATE TABLE d.away (id INT PRIMARY KEY) ENGINE=InnoDB DATA DIRECTORY='" + far + "'"), sql("DROP TABLE d.away"),
			[]string{donor("d/away.isl"), "DATA DIRECTORY"}},
		{"MyISAM DATA DIRECTORY", sql("CREATE TABLE d.gone (id INT) ENGINE=MyISAM DATA DIRECTORY='" + far + "' INDEX DIRECTORY='" + far + "'"), sql("DROP TABLE d.gone"),
			[]string{donor("d/gone.MYD"), donor("d/gone.MYI"), "symbolic link"}},
		{"MyRocks", func() { r.empty(donor("#rocksdb")) }, remove("#rocksdb"), []string{donor("#rocksdb"), "MyRocks"}},
		{"TokuDB", plant("tokudb.directory", "x"), remove("tokudb.directory"), []string{donor("tokudb.directory"), "TokuDB"}},
		{"ColumnStore table", func() { r.plantEngine(donor("d/a.frm"), donor("d/cs.frm"), "Columnstore") }, remove("d/cs.frm"),
			[]string{donor("d/cs.frm"), "Columnstore", "cannot be copied as files"}},
		{"unknown engine", func() { r.plantEngine(donor("d/a.frm"), donor("d/odd.frm"), "Oddity") }, remove("d/odd.frm"),
			[]string{donor("d/odd.frm"), "Oddity"}},
		{"damaged definition", plant("d/broken.frm", "this is no table definition"), remove("d/broken.frm"), []string{donor("d/broken.frm"), "cannot be told"}},
		{"linked undo tablespace", func() {
			r.must(os.Symlink(filepath.Join(far, "undo009"), donor("undo009")))
		}, remove("undo009"), []string{donor("undo009"), "symbolic link", "innodb_undo_directory"}},
	} {
		r.Run(c.name, func(t *testing.T) {
			r := r.in(t)
			c.make()
			defer c.undo()
			r.refuses(nil, nil, c.want, c.want)
		})
	}
}

// plantEngine copies the definition of a MyISAM table and writes another engine into it.
func (r *pair) plantEngine(from, to, engine string) {
	r.Helper()
	frm, err := os.ReadFile(from)
	r.must(err)
	// The name stands behind its length in the extra segment, whose own length is in the header.
	at := bytes.LastIndex(frm, []byte("\x06\x00MyISAM"))
	if at < 0 {
		r.Fatalf("%s names no engine", from)
	}
	name := le.LittleEndian.AppendUint16(nil, uint16(len(engine)))
	frm = append(append(append(bytes.Clone(frm[:at]), name...), engine...), frm[at+8:]...)
	extra := le.LittleEndian.Uint32(frm[55:])
	le.LittleEndian.PutUint32(frm[55:], extra+uint32(len(engine))-6)
	frm[3] = 50 // an engine without a number of its own
	r.put(to, string(frm), 0o660)
}

// refusedSettings lets the joiner differ from the donor in what must be equal.
func (r *pair) refusedSettings() {
	keys := filepath.Join(r.shared("keys"), "keys.txt")
	r.must(zoo.WriteKeyFile(keys))
	r.must(r.one.Give(keys))
	cnf := r.two.OptionFile()
	for _, c := range []struct {
		name    string
		set     map[string]string
		want    []string
		oneSide bool // the joiner sees it before anybody was called
	}{
		{"page size", map[string]string{"innodb-page-size": "4k"}, []string{"page-size is 16384 at the donor", "and 4096 at the joiner (" + cnf, filepath.Join(r.one.Datadir(), "ibdata1")}, false},
		{"lower case", map[string]string{"lower-case-table-names": "1"}, []string{"lower-case-table-names is 0 at the donor (" + r.one.OptionFile(), "and 1 at the joiner (" + cnf}, false},
		{"system files", map[string]string{"innodb-data-file-path": "ibdata1:12M;ibdata2:12M:autoextend"},
			[]string{"data-file-path is ibdata1:autoextend at the donor", "and ibdata1:12M;ibdata2:autoextend at the joiner (" + cnf}, false},
		{"size of system file", map[string]string{"innodb-data-file-path": "ibdata1:12M"}, []string{"data-file-path is ibdata1:autoextend at the donor", "and ibdata1:12M at the joiner"}, false},
		{"encryption", map[string]string{"plugin-load-add": "file_key_management", "file-key-management-filename": keys},
			[]string{"encryption is none at the donor", "and file_key_management at the joiner (" + cnf}, false},
		{"raw device", map[string]string{"innodb-data-file-path": "/dev/sdz9:12Mraw"}, []string{"innodb-data-file-path", cnf, "/dev/sdz9", "raw device"}, true},
		{"two directories", map[string]string{"innodb-data-file-path": "/srv/a/ibdata1:12M;/srv/b/ibdata2:12M:autoextend"},
			[]string{"innodb_data_file_path (" + cnf, "/srv/a/ibdata1", "/srv/b/ibdata2", "put the system tablespace files into one"}, true},
		{"index elsewhere", map[string]string{"log-bin": "bin", "log-bin-index": filepath.Join(r.shared("far"), "list.index")},
			[]string{"log_bin_index", "list.index", "put the index into the directory of the logs"}, true},
	} {
		r.Run(c.name, func(t *testing.T) {
			r := r.in(t)
			for k, v := range c.set {
				r.two.Set("mysqld", k, v)
				defer r.two.Unset("mysqld", k)
			}
			donor := c.want
			if c.oneSide {
				donor = nil
			}
			r.refuses(nil, nil, c.want, donor)
		})
	}
}

// small puts node two's datadir on a file system of its own with the given size. Only root may do that.
func (r *pair) small(bytes string) {
	r.Helper()
	if os.Geteuid() != 0 {
		r.Skip("mounting a small file system needs root")
	}
	dir := r.two.Datadir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes+",mode=0755"); err != nil {
		r.Skipf("mounting a small file system: %v", err)
	}
	r.Cleanup(func() {
		r.two.KillAll()
		// The directory must be free before the cluster removes it; whoever still looks at it loses it later.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			r.Errorf("unmount %s: %v", dir, err)
		}
	})
	r.must(r.one.Give(dir))
}

// TestNoRoom has too little room at the joiner: foreseen, where nothing may be touched, and not foreseen, where the copy must
// fail on both ends, leave nothing startable, and let the donor go (test T-25).
func TestNoRoom(t *testing.T) {
	elsewhere.take(t)
	load := func(r *pair) {
		r.boot()
		r.must(zoo.Fill(r.ctx, r.one, 100<<20))
	}
	t.Run("foreseen", func(t *testing.T) {
		r := newPair(t, cluster.Config{Provider: map[string]string{"gcache.size": "1M"}})
		load(r)
		r.small("80M")
		old := filepath.Join(r.two.Datadir(), "old")
		r.empty(old)
		r.put(filepath.Join(old, "t.frm"), "of an earlier life", 0o660)
		want := []string{r.two.Datadir(), "has no room", "MiB are free", "nothing was changed"}
		r.refuses(nil, nil, want, want)
	})
	t.Run("in the middle", func(t *testing.T) {
		r := newPair(t, cluster.Config{Provider: map[string]string{"gcache.size": "1M"}})
		load(r)
		r.writable()
		r.exec(r.one, "CREATE TABLE rig.late (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB")
		r.small("320M")
		path := r.hold("flush tables")
		mark := len(r.one.ErrorLog())
		r.start()
		held(r.T, r.ctx, r.two, path)
		// The copy has been going on; what is still missing when the donor is locked does not fit any more. The rows are not
		// replicated, or the joiner's own queue would be what fills its disk.
		r.exec(r.one, "USE rig; SET SESSION wsrep_on=OFF; INSERT INTO late SELECT seq, REPEAT(SHA2(seq, 512), 8) FROM seq_1_to_40000; SET SESSION wsrep_on=ON")
		r.stuff(filepath.Join(r.two.Datadir(), "stuffing.log"), 8<<20)
		r.must(cluster.Release(path))
		r.ended()
		r.writable()
		r.idle(r.one)
		r.idle(r.two)
		want := []string{r.two.Datadir(), "no space left on device", "free space on this file system"}
		r.expectOne("joiner", r.two.ScriptLog(), want)
		r.expectOne("donor", scriptLines(r.one.ErrorLog()[mark:]), want)
		for _, key := range []string{"ibdata1", "ib_logfile0", "undo001", "aria_log_control"} {
			if _, err := os.Lstat(filepath.Join(r.two.Datadir(), key)); err == nil {
				t.Errorf("%s has its name although the copy is not complete", key)
			}
		}
		// With room again the next attempt heals it.
		r.must(os.Remove(filepath.Join(r.two.Datadir(), "stuffing.log")))
		r.must(r.one.WaitSynced(r.ctx))
		r.join(r.two, r.one)
		r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
	})
}

// stuff fills a file system except for some bytes.
func (r *pair) stuff(path string, leave int64) {
	r.Helper()
	var st syscall.Statfs_t
	r.must(syscall.Statfs(filepath.Dir(path), &st))
	f, err := os.Create(path)
	r.must(err)
	defer f.Close()
	r.must(syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave))
	r.must(r.one.Give(path))
}
