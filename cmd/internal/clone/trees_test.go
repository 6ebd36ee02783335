package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/cli"
	"trireme/engine/tree"
)

// trireme runs a command line as people do and returns its exit code and what it said on both streams.
func trireme(ctx context.Context, words ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	root := cli.Root(cli.Config{Program: "trireme test", Commands: commands(), Out: &o, Err: &e})
	code = cli.Run(ctx, root, words)
	return code, o.String(), e.String()
}

// mustRun is trireme for a command that has to work.
func mustRun(t *testing.T, words ...string) (errs string) {
	t.Helper()
	code, _, errs := trireme(t.Context(), words...)
	if code != 0 {
		t.Fatalf("trireme %s: exit code %d: %s", strings.Join(words, " "), code, errs)
	}
	return errs
}

// put makes a file of random content with holes where layout has a dot: each letter is a block of 4 KiB.
func put(t *testing.T, dir, name, layout string, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seed := [32]byte{}
	copy(seed[:], name)
	random := rand.NewChaCha8(seed)
	page := make([]byte, 4096)
	for i, c := range layout {
		if c == '.' {
			continue
		}
		_, _ = random.Read(page) // never fails
		if _, err := f.WriteAt(page, int64(i)*4096); err != nil {
			t.Fatal(err)
		}
	}
	if name == "ibdata1" && layout != "" {
		if _, err := f.WriteAt(firstPage(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(int64(len(layout))*4096), f.Chmod(mode)); err != nil {
		t.Fatal(err)
	}
}

// firstPage is how a system tablespace of pages of 16 KiB begins.
func firstPage() []byte {
	b := make([]byte, 58)
	b[49], b[57] = 64, 0x15 // its pages, and the format
	return b
}

// tail cuts a file, so that it ends within a block.
func tail(t *testing.T, dir, name string, size int64) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, name), size); err != nil {
		t.Fatal(err)
	}
}

func data(blocks int) string { return strings.Repeat("x", blocks) }

// mariadb makes a stopped datadir of MariaDB with files of all classes. left are the names that must not travel.
func mariadb(t *testing.T, dir string) (left []string) {
	t.Helper()
	put(t, dir, "ibdata1", data(768), 0o660)
	put(t, dir, "undo001", data(300), 0o660)
	put(t, dir, "undo002", data(300), 0o660)
	put(t, dir, "ib_logfile0", data(64)+strings.Repeat(".", 900), 0o660)
	put(t, dir, "aria_log_control", data(1), 0o660)
	tail(t, dir, "aria_log_control", 52)
	put(t, dir, "aria_log.00000001", data(4), 0o660)
	put(t, dir, "mysql/user.MAD", data(4), 0o660)
	put(t, dir, "mysql/user.MAI", data(2), 0o660)
	put(t, dir, "shop/orders.ibd", data(1000), 0o640)
	put(t, dir, "shop/packed.ibd", strings.Repeat("x...", 250), 0o660) // page compressed
	put(t, dir, "shop/zeroes.ibd", strings.Repeat(".", 256)+"x", 0o660)
	put(t, dir, "shop/notes.MYD", data(33), 0o660)
	tail(t, dir, "shop/notes.MYD", 33*4096-1000)
	put(t, dir, "shop/notes.MYI", data(1), 0o600)
	put(t, dir, "shop/list.CSV", data(2), 0o660)
	put(t, dir, "shop/list.CSM", "", 0o660)
	put(t, dir, "shop/old.ARZ", data(5), 0o660)
	put(t, dir, "shop/db.opt", data(1), 0o660)
	tail(t, dir, "shop/db.opt", 67)
	put(t, dir, "tbl@0023one/t.ibd", data(16), 0o660)
	put(t, dir, "mysql_upgrade_info", data(1), 0o660)
	if err := os.MkdirAll(filepath.Join(dir, "empty_db"), 0o700); err != nil {
		t.Fatal(err)
	}
	left = []string{"grastate.dat", "gvwstate.dat", "galera.cache", "gcache.page.000000", "ib_buffer_pool", "tc.log", "ddl_recovery.log",
		"host.err", "host.pid", "server-key.pem", "ibtmp1", "master.info", "host-relay-bin.000001", "notes.txt", "mysql_upgrade_info"}
	for _, name := range left {
		put(t, dir, name, data(1), 0o660)
	}
	return left
}

// mysql8 is the same for MySQL 8.
func mysql8(t *testing.T, dir string) (left []string) {
	t.Helper()
	put(t, dir, "ibdata1", data(768), 0o640)
	put(t, dir, "mysql.ibd", data(512), 0o640)
	put(t, dir, "undo_001", data(400), 0o640)
	put(t, dir, "undo_002", data(400), 0o640)
	put(t, dir, "more.ibu", data(40), 0o640)
	put(t, dir, "#innodb_redo/#ib_redo5", data(128), 0o640)
	put(t, dir, "#innodb_redo/#ib_redo6", data(64)+strings.Repeat(".", 64), 0o640)
	put(t, dir, "#ib_16384_0.dblwr", data(48), 0o640)
	put(t, dir, "#ib_16384_1.dblwr", strings.Repeat(".", 512), 0o640)
	put(t, dir, "general.ibd", data(28), 0o640)
	put(t, dir, "shop/orders.ibd", data(700), 0o640)
	put(t, dir, "shop/packed.ibd", strings.Repeat("xx..", 200), 0o640)
	put(t, dir, "shop/logged_360.sdi", data(1), 0o640)
	put(t, dir, "shop/logged.MYD", data(9), 0o640)
	put(t, dir, "shop/logged.MYI", data(1), 0o640)
	put(t, dir, "sys/sys_config.ibd", data(28), 0o640)
	put(t, dir, "mysql/general_log_213.sdi", data(1), 0o640)
	put(t, dir, "mysql/general_log.CSM", data(1), 0o640)
	put(t, dir, "mysql/general_log.CSV", "", 0o640)
	put(t, dir, "performance_schema/threads_123.sdi", data(1), 0o640)
	left = []string{"auto.cnf", "mysqld-auto.cnf", "ca.pem", "ca-key.pem", "server-cert.pem", "private_key.pem", "ib_buffer_pool", "ibtmp1",
		"#innodb_temp/temp_1.ibt", "#innodb_redo/#ib_redo7_tmp", "binlog.000001", "binlog.index", "mysql.sock.lock", "keyring"}
	for _, name := range left {
		put(t, dir, name, data(1), 0o640)
	}
	return left
}

// file is what a copy must have of a file.
type file struct {
	mode  fs.FileMode
	size  int64
	bytes string
	holes []int64 // begins and ends of data, where the file system tells
}

func list(t *testing.T, dir string) map[string]file {
	t.Helper()
	all := map[string]file{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir || e.Name() == tree.StatusName {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path) // path is below dir
		f := file{mode: info.Mode()}
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f.size, f.bytes, f.holes = info.Size(), string(b), extents(t, path)
		}
		all[rel] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// extents lists where data begin and end.
func extents(t *testing.T, path string) (at []int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for pos, whence := int64(0), unix.SEEK_DATA; ; {
		pos, err = f.Seek(pos, whence)
		if errors.Is(err, unix.ENXIO) {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, pos)
		if whence == unix.SEEK_DATA {
			whence = unix.SEEK_HOLE
		} else {
			whence = unix.SEEK_DATA
		}
	}
}

// allocated tells the files that are never sparse in a copy (R-HOLE-2).
func allocated(name string) bool {
	for _, part := range []string{"ibdata", "ib_logfile", "undo", "ib_redo", ".ibu"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// compare says in which way got is not a copy of want, of which left must be missing.
func compare(want, got map[string]file, left []string) (diff []string) {
	for name, w := range want {
		g, there := got[name]
		stays := slices.Contains(left, name) || name == "#innodb_temp"
		switch {
		case stays && there:
			diff = append(diff, name+" has travelled")
		case stays:
		case !there:
			diff = append(diff, name+" is missing")
		case w.mode != g.mode:
			diff = append(diff, fmt.Sprintf("%s has the mode %v, want %v", name, g.mode, w.mode))
		case w.size != g.size || w.bytes != g.bytes:
			diff = append(diff, fmt.Sprintf("%s differs (%d and %d bytes)", name, g.size, w.size))
		case allocated(name):
		case !slices.Equal(w.holes, g.holes):
			diff = append(diff, fmt.Sprintf("%s has data at %v, want %v", name, g.holes, w.holes))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			diff = append(diff, name+" is too much")
		}
	}
	slices.Sort(diff)
	return diff
}
