package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"trireme/engine/block"
	"trireme/engine/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// item is a file or directory of a donor that exists in memory only.
type item struct {
	role   tree.Role
	path   string
	dir    bool
	mode   uint32
	data   []byte
	sparse bool
}

func d(p string) item { return item{role: tree.RoleData, path: p, dir: true, mode: 0o750} }

func f(p string, data []byte) item {
	return item{role: tree.RoleData, path: p, mode: 0o660, data: data}
}

func in(r tree.Role, it item) item { it.role = r; return it }

// noise is reproducible data without zero sectors.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 11))
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], r.Uint64()|1)
	}
	return p[:n:n]
}

// donor is a small datadir with one of everything that matters here.
func donor(seed uint64) []item {
	hole := noise(seed+50, 5*block.LeafPage+100)
	clear(hole[block.LeafPage : 3*block.LeafPage])
	clear(hole[4*block.LeafPage : 4*block.LeafPage+8<<10])
	return []item{
		in(tree.RoleInnoDBHome, f("ibdata1", noise(seed, 20<<10))),
		in(tree.RoleRedo, f("ib_logfile0", noise(seed+1, 12<<10))),
		in(tree.RoleUndo, f("undo001", noise(seed+2, 8<<10))),
		in(tree.RoleAria, f("aria_log_control", noise(seed+3, 52))),
		in(tree.RoleAria, f("aria_log.00000001", noise(seed+4, 4<<10))),
		d("mysql"), f("mysql/user.MAD", noise(seed+5, 9000)), f("mysql/user.frm", noise(seed+6, 700)),
		d("db1"), f("db1/t.ibd", noise(seed+7, 3*block.LeafPage)), f("db1/empty.MYD", nil),
		{role: tree.RoleData, path: "db1/holes.ibd", mode: 0o640, data: hole, sparse: true},
		d("emptydb"),
	}
}

// rig is a joiner's directory.
type rig struct {
	t      testing.TB
	layout tree.Layout
	dirs   *tree.Dirs
	block  bool // Config.Block
}

// memDir is a temporary directory on tmpfs where there is one: the tests that walk
// every operation would otherwise wait for the disk thousands of times.
func memDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "store-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newRig(t testing.TB, dir string) *rig {
	t.Helper()
	r := &rig{t: t, layout: tree.Layout{Data: dir, MaxBinlogs: -1}}
	r.reopen()
	t.Cleanup(func() { _ = r.dirs.Close() })
	return r
}

func (r *rig) reopen() {
	r.t.Helper()
	if r.dirs != nil {
		_ = r.dirs.Close()
	}
	dirs, err := tree.Open(r.layout)
	if err != nil {
		r.t.Fatal(err)
	}
	r.dirs = dirs
}

func (r *rig) store() *Store {
	s := Open(Config{Dirs: r.dirs, Layout: r.layout, TransferID: "t-1", DonorID: "donor\nline", CheckGrastate: true, GrastateWait: 1, Block: r.block})
	r.t.Cleanup(func() { _ = s.Close() })
	return s
}

// put writes files of an earlier life of the joiner; parents appear as needed.
func (r *rig) put(items ...item) {
	r.t.Helper()
	for _, it := range items {
		p := filepath.Join(r.layout.Dir(it.role), it.path)
		if it.dir {
			if err := os.MkdirAll(p, fs.FileMode(it.mode)); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(p, it.data, fs.FileMode(it.mode)); err != nil {
			r.t.Fatal(err)
		}
	}
	r.reopen() // a directory may have appeared
}

func (it item) spec(id int) Spec {
	return Spec{ID: uint32(id), Role: it.role, Path: it.path, Dir: it.dir, Mode: it.mode, Size: int64(len(it.data)), Sparse: it.sparse}
}

// send is what the conversation does for one pass: it takes the catalog in, compares
// digests where the joiner has something, and applies the leaves that differ.
func send(ctx context.Context, s *Store, items []item) error {
	h := block.NewHasher(block.Key{1})
	buf := make([]byte, block.Unit)
	for id, it := range items {
		have, err := s.Upsert(it.spec(id))
		if err != nil {
			return err
		}
		if it.dir {
			continue
		}
		_, class := s.dirs.Classify(it.role, it.path, false)
		leaf := class.Props().Leaf
		groups, leaves, err := s.Digests(ctx, h, uint32(id), 0, have, nil, nil, buf)
		if err != nil {
			return err
		}
		for off := 0; off < len(it.data); off += block.Unit {
			group := it.data[off:min(off+block.Unit, len(it.data))]
			mine := h.Leaves(nil, leaf, group)
			if g := off / block.Unit; g < len(groups) && int64(off+len(group)) <= have && groups[g] == h.Group(mine, len(group)) {
				continue
			}
			for i := range mine {
				at := off + i*leaf
				p := it.data[at:min(at+leaf, off+len(group))]
				n := off/leaf + i
				if n < len(leaves) && int64(at+len(p)) <= have && leaves[n] == mine[i] {
					continue
				}
				runs := block.SplitZero(nil, p, leaf)
				payload := p
				if runs[0].Zero {
					payload = nil
				}
				if err := s.Apply(uint32(id), int64(at), runs, payload); err != nil {
					return err
				}
			}
		}
	}
	return s.EndPass(ctx)
}

// transfer is a whole join.
func transfer(ctx context.Context, s *Store, items []item) error {
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	if err := send(ctx, s, items); err != nil {
		return err
	}
	if _, err := s.Seal(ctx); err != nil {
		return err
	}
	return s.Commit(ctx)
}

// list reads a joiner's directories independently of the code under test.
func (r *rig) list() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	seen := map[string]bool{}
	for _, role := range tree.Roles {
		root := r.layout.Dir(role)
		if root == "" || seen[root] {
			continue
		}
		seen[root] = true
		err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
			if err != nil || p == root {
				return err
			}
			rel, _ := filepath.Rel(root, p)
			info, err := e.Info()
			if err != nil {
				return err
			}
			what := fmt.Sprintf("%04o dir", info.Mode().Perm())
			switch {
			case info.Mode()&fs.ModeSymlink != 0:
				target, _ := os.Readlink(p)
				what = "link " + target
			case !e.IsDir():
				data, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				what = fmt.Sprintf("%04o %d %x", info.Mode().Perm(), len(data), block.Tag(0, data))
			}
			out[filepath.Base(root)+":"+rel] = what
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

// want is the list that a joiner with the given layout must have.
func (r *rig) want(items []item) map[string]string {
	out := map[string]string{}
	for _, it := range items {
		what := fmt.Sprintf("%04o %d %x", it.mode, len(it.data), block.Tag(0, it.data))
		if it.dir {
			what = fmt.Sprintf("%04o dir", it.mode)
		}
		out[filepath.Base(r.layout.Dir(it.role))+":"+it.path] = what
	}
	return out
}

func diff(got, want map[string]string) string {
	var lines []string
	for k, w := range want {
		switch g, ok := got[k]; {
		case !ok:
			lines = append(lines, "missing "+k)
		case g != w:
			lines = append(lines, fmt.Sprintf("differs %s: %q, want %q", k, g, w))
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			lines = append(lines, "too many "+k)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// check compares the joiner with the donor's items and whatever else must be there.
func (r *rig) check(items []item) {
	r.t.Helper()
	if msg := diff(r.list(), r.want(items)); msg != "" {
		r.t.Fatal(msg)
	}
}

// tape is a gate that records, fails once or crashes at operation number at (from 1).
type tape struct {
	mu    sync.Mutex
	log   []string
	at    int
	only  func(o op, name string) bool // counts only these, nil all
	err   error
	crash bool // nothing after at reaches the disk either
	n     int
}

var errCrash = errors.New("crashed by the test")

func (g *tape) pass(o op, r tree.Role, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log = append(g.log, string(o)+" "+name)
	if g.only != nil && !g.only(o, name) {
		return nil
	}
	g.n++
	if g.at > 0 && (g.n == g.at || g.crash && g.n > g.at) {
		return g.err
	}
	return nil
}

func mustOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustFail insists on an error that contains every word.
func mustFail(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("error %q lacks %q", err, w)
		}
	}
}

func blocks(t testing.TB, p string) int64 {
	t.Helper()
	var st unix.Stat_t
	mustOK(t, unix.Stat(p, &st))
	return st.Blocks * 512
}
