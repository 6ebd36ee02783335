package serveremul

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"trireme/engine/tree"
)

const (
	// PageBytes is the page size of the tablespaces of Fill.
	PageBytes = 16384
	// FakeLSN is the checkpoint of a datadir that Fill made; every page in it is older.
	FakeLSN = 1 << 20
)

// private are the files of Fill that belong to one node and must neither travel nor change.
var private = []string{"grastate.dat", "galera.cache", "auto.cnf", "server-key.pem"}

// Fill makes a small datadir of about 2.5 MB with files of most kinds. The content depends on seed alone. The tablespaces
// have page numbers and LSNs and the redo log a checkpoint, so that a program that looks there finds what a server that
// flushed everything leaves; no server could start on it.
func Fill(t testing.TB, dir string, seed uint64) {
	t.Helper()
	r := rand.NewChaCha8([32]byte{0: byte(seed), 1: byte(seed >> 8), 31: 1})
	noise := func(n int) []byte {
		b := make([]byte, n)
		_, _ = r.Read(b) // it never fails
		return b
	}
	for i, name := range []string{"ibdata1", "undo001", "shop/orders.ibd", "shop/items.ibd"} {
		var body []byte
		for no := range int64([]int{40, 20, 30, 20}[i]) {
			body = append(body, Page(no, uint64(i+1), FakeLSN-1000, noise(PageBytes))...)
		}
		Put(t, dir, name, body)
	}
	Put(t, dir, "ib_logfile0", append(redo(FakeLSN), noise(1<<18)...))
	Put(t, dir, "aria_log_control", noise(52))
	Put(t, dir, "aria_log.00000001", noise(PageBytes))
	Put(t, dir, "shop/note.MYD", noise(70001))
	Put(t, dir, "shop/note.MYI", noise(1024))
	Put(t, dir, "shop/db.opt", []byte("default-character-set=utf8mb4\n"))
	Put(t, dir, "shop/empty.MYD", nil)
	Put(t, dir, "mysql/proc.MAD", noise(65536))
	Put(t, dir, "mysql/proc.MAI", noise(8192))
	for i := range 12 {
		Put(t, dir, fmt.Sprintf("many/t%02d.MYD", i), noise(1000*i))
	}
	// Pages with holes behind them.
	f, err := os.Create(filepath.Join(dir, "shop/packed.ibd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for no := range int64(20) {
		if _, err := f.WriteAt(Page(no, 9, FakeLSN-1000, noise(PageBytes))[:4096], no*PageBytes); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(20 * PageBytes); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "nothing_here"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range private {
		Put(t, dir, name, noise(500))
	}
	PutGrastate(t, dir, "a5f2bd5a-0001-11ee-8d3c-0242ac120002", 17)
}

// Page dresses body up as page no of the tablespace, last changed at lsn. It changes and returns body.
func Page(no int64, space, lsn uint64, body []byte) []byte {
	binary.BigEndian.PutUint32(body[4:], uint32(no))
	binary.BigEndian.PutUint64(body[16:], lsn)
	binary.BigEndian.PutUint32(body[34:], uint32(space))
	if no == 0 {
		binary.BigEndian.PutUint32(body[38:], uint32(space))
		binary.BigEndian.PutUint32(body[54:], 1<<4|5) // full_crc32, pages of 16 KiB
	}
	return body
}

// redo is the head of a redo log, in the form of MariaDB 10.8 and later, whose two checkpoints say lsn.
func redo(lsn uint64) []byte {
	b := make([]byte, 12288)
	binary.BigEndian.PutUint32(b, 0x50687973)
	for _, at := range []int{4096, 8192} {
		slot := b[at : at+64]
		binary.BigEndian.PutUint64(slot, lsn)
		binary.BigEndian.PutUint64(slot[8:], lsn)
		binary.BigEndian.PutUint32(slot[60:], crc32.Checksum(slot[:60], crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

// Checkpoint moves the checkpoint of a datadir that Fill made.
func Checkpoint(t testing.TB, dir string, lsn uint64) {
	t.Helper()
	Patch(t, dir, "ib_logfile0", 0, redo(lsn))
}

// Put writes a file and the directories above it.
func Put(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o660); err != nil {
		t.Fatal(err)
	}
}

// Patch overwrites bytes of a file in place, as servers do.
func Patch(t testing.TB, dir, name string, offset int64, content []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(content, offset); err != nil {
		t.Fatal(err)
	}
}

// PutGrastate writes the provider's state in place, as the provider does.
func PutGrastate(t testing.TB, dir, uuid string, seqno int64) {
	t.Helper()
	text := fmt.Sprintf("# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   %d\nsafe_to_bootstrap: 0\n", uuid, seqno)
	f, err := os.OpenFile(filepath.Join(dir, "grastate.dat"), os.O_WRONLY|os.O_CREATE, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text + "\n\n\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		t.Fatal(err)
	}
}

// Tree is one line for each file and directory below dir, by name: mode, size and digest. Without the private files it is
// what a donor and a joiner must have in common. It may run in any goroutine, and files may go meanwhile.
func Tree(t testing.TB, dir string, withPrivate bool) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && path == dir {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if name == tree.StatusName || name == "."+tree.StatusName+".tmp" || name == tree.ManifestName {
			return nil // how a transfer stands; no part of the data
		}
		if err != nil || !withPrivate && slices.Contains(private, name) {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.IsDir() {
			all[name] = info.Mode().String()
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		all[name] = fmt.Sprintf("%v %d bytes %x", info.Mode(), len(content), sha256.Sum256(content))
		return nil
	})
	if err != nil {
		t.Errorf("serveremul: list %s: %v", dir, err)
	}
	return all
}

// Differences lists what differs between two trees, sorted.
func Differences(want, got map[string]string) []string {
	var diff []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch have, ok := got[name]; {
		case !ok:
			diff = append(diff, "missing: "+name)
		case have != want[name]:
			diff = append(diff, fmt.Sprintf("differs: %s is %s, not %s", name, have, want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			diff = append(diff, "too much: "+name)
		}
	}
	return diff
}
