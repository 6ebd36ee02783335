//go:build integration

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trireme/bench/cluster"
	"trireme/bench/zoo"
)

// systemPath spreads the system tablespace over two files.
const systemPath = "ibdata1:12M;ibdata2:8M:autoextend"

// roleDirs are the options that move a part of the data, with the name of the directory that the tests use.
var roleDirs = map[string]string{
	"innodb-data-home-dir": "home", "innodb-log-group-home-dir": "redo", "innodb-undo-directory": "undo", "aria-log-dir-path": "aria",
}

// empty makes a directory of the servers' user, or empties it.
func (r *pair) empty(dirs ...string) {
	r.Helper()
	for _, d := range dirs {
		r.must(os.RemoveAll(d))
		r.must(os.MkdirAll(d, 0o755))
		r.must(r.one.Give(d))
	}
}

// settle gives a stopped node empty directories below base for everything that can lie apart; base "" puts all into the datadir.
// What lies below the datadir is left for the program to make, except on a donor, whose server wants it.
func (r *pair) settle(n *cluster.Node, base string, donor bool) {
	r.Helper()
	for option, name := range roleDirs {
		n.Unset("mysqld", option)
		dir := filepath.Join(base, name)
		if base == "" {
			continue
		}
		if donor || !strings.HasPrefix(base, n.Datadir()) {
			r.empty(dir)
		}
		n.Set("mysqld", option, dir)
	}
	r.must(n.Wipe())
}

// located checks that the files of each role lie where the options say and nowhere else.
func (r *pair) located(n *cluster.Node, base string) {
	r.Helper()
	for option, files := range map[string][]string{
		"innodb-data-home-dir": {"ibdata1", "ibdata2"}, "innodb-log-group-home-dir": {"ib_logfile0"},
		"innodb-undo-directory": {"undo001", "undo002", "undo003"}, "aria-log-dir-path": {"aria_log_control", "aria_log.00000001"},
	} {
		for _, f := range files {
			dir := n.Datadir()
			if base != "" {
				dir = filepath.Join(base, roleDirs[option])
				if _, err := os.Lstat(filepath.Join(n.Datadir(), f)); err == nil {
					r.Errorf("%s lies in the datadir too", f)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, f)); err != nil {
				r.Errorf("%s of %s: %v", f, option, err)
			}
		}
	}
}

// binlogs are the names in SHOW BINARY LOGS; the server opens each file of its index for the answer.
func (r *pair) binlogs(n *cluster.Node) []string {
	r.Helper()
	rows, err := n.Query(r.ctx, "SHOW BINARY LOGS")
	r.must(err)
	var names []string
	for _, row := range rows {
		names = append(names, row[0])
	}
	return names
}

// zooPair is a pair with everything that the zoo needs, encrypted redo and Aria logs included.
func zooPair(t *testing.T, extra map[string]string) *pair {
	t.Helper()
	r := newPair(t, cluster.Config{})
	keys := filepath.Join(r.shared("keys"), "keys.txt")
	r.must(zoo.WriteKeyFile(keys))
	r.must(r.one.Give(keys))
	for _, n := range []*cluster.Node{r.one, r.two} {
		for k, v := range zoo.ServerOptions(keys) {
			n.Set("mysqld", k, v)
		}
		for k, v := range extra {
			n.Set("mysqld", k, v)
		}
	}
	return r
}

// TestLayouts joins nodes whose directories and binary logs lie elsewhere than the donor's, in every combination, with every
// kind of table aboard.
func TestLayouts(t *testing.T) {
	elsewhere.take(t)
	r := zooPair(t, map[string]string{
		"innodb-data-file-path": systemPath, "innodb-encrypt-log": "ON", "aria-encrypt-tables": "ON", "encrypt-binlog": "ON",
	})
	apart := map[*cluster.Node]string{r.one: r.shared("apart1"), r.two: r.shared("apart2")}
	logs := map[*cluster.Node]string{r.one: r.shared("logs1"), r.two: r.shared("logs2")}
	r.one.Set("mysqld", "log-bin", filepath.Join(logs[r.one], "alpha"))
	r.settle(r.one, apart[r.one], true)
	r.boot()
	r.must(zoo.Build(r.ctx, r.one))
	r.exec(r.one, "FLUSH BINARY LOGS; FLUSH BINARY LOGS; CREATE DATABASE later; CREATE TABLE later.t (id INT PRIMARY KEY); INSERT INTO later.t VALUES (1)")
	r.located(r.one, apart[r.one])

	nested := filepath.Join(r.two.Datadir(), "in", "here")
	r.two.Set("mysqld", "ignore-db-dirs", "in") // or the server itself would show a database of that name
	for _, c := range []struct {
		name   string
		base   string
		wipe   bool
		logBin string
		most   int
		// logs are the base names in the joiner's list afterwards; the number counts how many of the donor's.
		donorLogs int
		// Every kind of table travels packed in one way or the other once.
		compress string
	}{
		{"flat, one log beside the tables", "", true, "beta", 1, 1, "zstd"},
		{"nested, all logs in a directory", nested, true, filepath.Join(r.two.Datadir(), "in", "logs", "beta"), -1, -1, "s2"},
		{"nested, over the old data, fewer logs elsewhere", nested, false, filepath.Join(logs[r.two], "gamma"), 2, 2, "zstd"},
		{"apart, no binary logs", apart[r.two], true, "", -1, 0, "off"},
		{"apart, over the old data, none sent", apart[r.two], false, filepath.Join(logs[r.two], "gamma"), 0, 0, "auto"},
	} {
		r.Run(c.name, func(t *testing.T) {
			r := r.in(t)
			r.must(r.two.Stop(r.ctx))
			r.two.Unset("mysqld", "log-bin")
			if c.logBin != "" {
				r.two.Set("mysqld", "log-bin", c.logBin)
			}
			if c.wipe {
				r.settle(r.two, c.base, false)
			}
			r.must(r.two.ForceFullSST())
			r.one.Set("sst", "sst-max-binlogs", fmt.Sprint(c.most))
			r.one.Set("trireme", "compress", c.compress)
			r.must(r.one.WriteOptions())
			r.join(r.two, r.one)
			if s := lastSummary(t, r.two); c.wipe && (s.BytesPacked < s.BytesSent) != (c.compress == "zstd" || c.compress == "s2") {
				t.Errorf("compress=%s: %d bytes travelled as %d", c.compress, s.BytesSent, s.BytesPacked)
			}
			r.located(r.two, c.base)
			r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
			r.sameLogs(c.logBin, c.donorLogs)
			// A server must also start again on what it has now.
			r.must(r.two.Stop(r.ctx))
			r.must(r.two.Start(r.ctx, false))
			r.must(r.two.WaitSynced(r.ctx))
		})
	}
	r.must(cluster.CheckTables(r.ctx, r.two))
	r.holes()

	// And back: the donor's directories nested in its datadir, the joiner's flat.
	r.must(r.two.Stop(r.ctx))
	r.two.Unset("mysqld", "log-bin")
	r.settle(r.two, nested, false)
	r.join(r.two, r.one)
	r.must(r.one.Stop(r.ctx))
	r.one.Unset("mysqld", "log-bin")
	r.settle(r.one, "", false)
	r.join(r.one, r.two)
	r.located(r.one, "")
	if _, err := os.Lstat(filepath.Join(r.one.Datadir(), "in")); err == nil {
		t.Error("the donor's directories came along as a database")
	}
	r.must(cluster.EqualNodes(r.ctx, r.two, r.one))
}

// sameLogs checks the joiner's list of binary logs: the newest of the donor's as they were sent, then its own.
func (r *pair) sameLogs(logBin string, count int) {
	r.Helper()
	if logBin == "" {
		return // SHOW BINARY LOGS is an error without them
	}
	mine := filepath.Base(logBin) + ".000001"
	got := r.binlogs(r.two)
	if len(got) == 0 || got[len(got)-1] != mine {
		r.Errorf("the joiner's logs are %v, want %s last", got, mine)
		return
	}
	sent := got[:len(got)-1]
	donor := r.binlogs(r.one)
	if len(sent) == 0 {
		if count != 0 {
			r.Errorf("no log was sent, want %d of %v", count, donor)
		}
		return
	}
	// The donor began its newest log under the lock, and begins none after.
	if count < 0 {
		count = len(donor)
	}
	if want := donor[len(donor)-count:]; !slices.Equal(sent, want) {
		r.Errorf("the joiner has the logs %v of the donor, want %v", sent, want)
	}
	for _, name := range sent {
		if !filepath.IsAbs(logBin) {
			logBin = filepath.Join(r.two.Datadir(), logBin)
		}
		info, err := os.Stat(filepath.Join(filepath.Dir(logBin), name))
		r.must(err)
		theirs, err := os.Stat(filepath.Join(r.c.Dir(), "logs1", name))
		r.must(err)
		if name != donor[len(donor)-1] && info.Size() != theirs.Size() {
			r.Errorf("%s has %d bytes, the donor's %d", name, info.Size(), theirs.Size())
		}
	}
}

// holes compares what the page compressed tables occupy on both nodes (test T-13).
func (r *pair) holes() {
	r.Helper()
	for _, name := range []string{"zoo/page_compressed.ibd", "zoo/page_compressed_encrypted.ibd"} {
		var blocks [2]int64
		var size int64
		for i, n := range []*cluster.Node{r.one, r.two} {
			info, err := os.Stat(filepath.Join(n.Datadir(), name))
			r.must(err)
			blocks[i], size = info.Sys().(*syscall.Stat_t).Blocks*512, info.Size()
		}
		r.Logf("%s: %d bytes long, %d occupied at the donor, %d at the joiner", name, size, blocks[0], blocks[1])
		if d := blocks[1] - blocks[0]; d*10 > blocks[0] || -d*10 > blocks[0] {
			r.Errorf("%s occupies %d bytes at the joiner and %d at the donor", name, blocks[1], blocks[0])
		}
	}
}

// TestLinkedDatabase has a database behind a symbolic link on the donor, on the joiner, and on both.
func TestLinkedDatabase(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{})
	r.boot()
	r.exec(r.one, "CREATE DATABASE linked; CREATE DATABASE plain")
	far := map[*cluster.Node]string{r.one: r.shared("far1"), r.two: r.shared("far2")}
	move := func(n *cluster.Node, db string) {
		t.Helper()
		from, to := filepath.Join(n.Datadir(), db), filepath.Join(far[n], db)
		r.must(os.Rename(from, to))
		r.must(os.Symlink(to, from))
	}
	isLink := func(n *cluster.Node, db string) bool {
		info, err := os.Lstat(filepath.Join(n.Datadir(), db))
		return err == nil && info.Mode()&os.ModeSymlink != 0
	}
	move(r.one, "linked")
	fill := "CREATE TABLE %[1]s.i (id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB; CREATE TABLE %[1]s.m (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO %[1]s.m VALUES (1), (2); USE %[1]s; INSERT INTO i SELECT seq, SHA2(seq, 512) FROM seq_1_to_3000"
	r.exec(r.one, fmt.Sprintf(fill, "linked"))
	r.exec(r.one, fmt.Sprintf(fill, "plain"))
	r.join(r.two, r.one)
	if isLink(r.two, "linked") || !isLink(r.one, "linked") {
		t.Error("the donor's link was not made a directory at the joiner, or is gone at the donor")
	}
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))

	// The joiner's own links are kept, whatever the donor has there.
	r.must(r.two.Stop(r.ctx))
	move(r.two, "linked")
	move(r.two, "plain")
	r.exec(r.one, "INSERT INTO linked.i VALUES (0, 'more'); INSERT INTO plain.i VALUES (0, 'more'); CREATE TABLE plain.fresh (id INT PRIMARY KEY)")
	r.must(r.two.ForceFullSST())
	r.join(r.two, r.one)
	for _, db := range []string{"linked", "plain"} {
		if !isLink(r.two, db) {
			t.Errorf("the joiner's link %s was replaced", db)
		}
	}
	if _, err := os.Stat(filepath.Join(far[r.two], "plain", "fresh.ibd")); err != nil {
		t.Error(err)
	}
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))

	// A database that is gone takes the link along, not what it led to by another way.
	r.must(r.two.Stop(r.ctx))
	r.exec(r.one, "DROP DATABASE plain")
	r.must(r.two.ForceFullSST())
	r.join(r.two, r.one)
	if _, err := os.Lstat(filepath.Join(r.two.Datadir(), "plain")); err == nil {
		t.Error("the link of a dropped database is still there")
	}
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
}

// TestSmallPages joins with pages of 4 KiB, where a leaf of the comparison is four of them.
func TestSmallPages(t *testing.T) {
	elsewhere.take(t)
	r := newPair(t, cluster.Config{Extra: map[string]string{"innodb-page-size": "4k", "innodb-undo-tablespaces": "2"}})
	r.boot()
	r.exec(r.one, `CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB; INSERT INTO t SELECT seq, SHA2(seq, 512) FROM seq_1_to_20000;
		CREATE TABLE c (id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=2; INSERT INTO c SELECT * FROM t LIMIT 3000`)
	r.join(r.two, r.one)
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
	r.exec(r.one, "UPDATE d.t SET v = 'changed' WHERE id % 500 = 0")
	r.rejoin()
	r.must(cluster.EqualNodes(r.ctx, r.one, r.two))
	r.must(cluster.CheckTables(r.ctx, r.two))
}
