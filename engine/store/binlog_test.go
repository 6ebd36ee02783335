package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trireme/engine/tree"
)

// begun is a binary log whose first event has the given time.
func begun(name string, at byte) item {
	return in(tree.RoleBinlog, f(name, []byte{0xfe, 'b', 'i', 'n', at, 0, 0, 0, 15, 1, 2, 3}))
}

// The joiner's index names what was received under the joiner's own directory, in the order in which it was written.
func TestBinlogIndex(t *testing.T) {
	for _, c := range []struct {
		name, dir, base, index string
		logs                   []item
		want                   string // DIR stands for the binlog directory
	}{
		{"in the datadir", "data", "mine", "", []item{begun("donor.000002", 5)}, "./donor.000002\n"},
		{"nested", "data/logs", "mine", "", []item{begun("donor.000002", 5)}, "./logs/donor.000002\n"},
		{"elsewhere, own index name", "logs", "mine", "list.index", []item{begun("donor.000002", 5)}, "DIR/donor.000002\n"},
		{"by number", "logs", "mine", "", []item{begun("donor.000009", 5), begun("donor.000010", 5), begun("donor.999999", 5), begun("donor.1000000", 5)},
			"DIR/donor.000009\nDIR/donor.000010\nDIR/donor.999999\nDIR/donor.1000000\n"},
		{"two sets", "logs", "mine", "", []item{begun("a.000001", 9), begun("z.000007", 5), begun("z.000008", 8)}, "DIR/z.000007\nDIR/z.000008\nDIR/a.000001\n"},
		{"no magic", "logs", "mine", "", []item{begun("a.000001", 9), in(tree.RoleBinlog, f("z.000007", []byte("xx")))}, "DIR/z.000007\nDIR/a.000001\n"},
		{"none", "logs", "mine", "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := memDir(t)
			r := newRig(t, filepath.Join(base, "data"))
			r.layout.Binlog, r.layout.BinlogBase, r.layout.BinlogIndex = filepath.Join(base, c.dir), c.base, c.index
			r.reopen()
			name := c.index
			if name == "" {
				name = c.base + ".index"
			}
			// An older life left logs and an index, which must not survive.
			r.put(begun("mine.000001", 1), begun("older.000004", 1), in(tree.RoleBinlog, f(name, []byte("./older.000004\n./mine.000001\n"))))
			s := r.store()
			mustOK(t, transfer(t.Context(), s, append(donor(1), c.logs...)))
			got, err := os.ReadFile(filepath.Join(base, c.dir, name))
			if want := strings.ReplaceAll(c.want, "DIR", filepath.Join(base, c.dir)); string(got) != want {
				t.Errorf("index %q (%v), want %q", got, err, want)
			}
			for _, old := range []string{"mine.000001", "older.000004"} {
				if _, err := os.Lstat(filepath.Join(base, c.dir, old)); err == nil {
					t.Errorf("%s is still there", old)
				}
			}
			// The next transfer takes the foreign names for what they are.
			mustOK(t, s.Close())
			r.reopen()
			mustOK(t, transfer(t.Context(), r.store(), donor(1)))
			if left, err := filepath.Glob(filepath.Join(base, c.dir, "*.[0-9][0-9][0-9][0-9][0-9][0-9]*")); len(left) > 0 && !strings.Contains(fmt.Sprint(left), "aria_log") || err != nil {
				t.Errorf("after a transfer without logs %v are left (%v)", left, err)
			}
		})
	}
}

// Data of an engine that is not copied would stay beside the new data.
func TestPrepareRefusesForeignEngines(t *testing.T) {
	r := newRig(t, memDir(t))
	items := append(donor(1), f("#rocksdb/000001.sst", noise(1, 10)))
	r.put(items...)
	before := r.list()
	var refused *RefusedError
	s := r.store()
	if err := s.Prepare(t.Context()); s.Touched() || !errors.As(err, &refused) || !strings.Contains(err.Error(), "#rocksdb") {
		t.Fatalf("Prepare = %v", err)
	}
	if msg := diff(r.list(), before); msg != "" {
		t.Fatal(msg)
	}
}
