package proto

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak" // every goroutine must have been waited for

	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/wire"
	"trireme/wire/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a donor's and a joiner's datadir with everything needed for a transfer.
type rig struct {
	t             testing.TB
	donor, joiner string
	plain         bool
	donorWire     *wire.Config // nil: the joiner's key is pinned, no certificates
	joinerWire    *wire.Config
	transport     wire.Transport
	mmap          bool            // the donor's server maps MyISAM data files
	donorCtx      context.Context // nil: the test's
	lock          Locker
	manifest      bool // the joiner keeps one
	tweakDonor    func(*DonorConfig)
	tweakJoiner   func(*JoinerConfig)
	progress      [2]Progress // donor, joiner
}

func newRig(t testing.TB) *rig {
	return &rig{t: t, donor: t.TempDir(), joiner: t.TempDir()}
}

// fill makes a small datadir with files of most classes. The content comes from the
// seed.
func fill(t testing.TB, dir string, seed uint64) {
	r := mrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	put := func(name string, n int) {
		b := make([]byte, n)
		r.Read(b)
		write(t, dir, name, b)
	}
	put("ibdata1", 3<<20)
	put("undo001", 2<<20+4096)
	put("ib_logfile0", 1<<20)
	put("aria_log_control", 52)
	put("aria_log.00000001", 16384)
	put("shop/orders.ibd", 5<<20+16384)
	put("shop/items.ibd", 20<<20)
	put("shop/note.MYD", 70001)
	put("shop/note.MYI", 1024)
	put("shop/db.opt", 67)
	put("mysql/proc.MAD", 65536)
	put("mysql/proc.MAI", 8192)
	for i := range 40 {
		put(fmt.Sprintf("many/t%02d.ibd", i), 16384*(i%3+1))
	}
	write(t, dir, "shop/empty.MYD", nil)
	write(t, dir, "shop/zeroes.ibd", make([]byte, 2<<20))
	if err := os.MkdirAll(filepath.Join(dir, "nothing_here"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A page-compressed table: a quarter of every page, the rest a hole.
	f, err := os.Create(filepath.Join(dir, "shop/packed.ibd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for i := range 128 {
		r.Read(page)
		if _, err := f.WriteAt(page, int64(i)*16384); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(129 * 16384); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o660); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// patch overwrites bytes of a file in place.
func patch(t testing.TB, dir, name string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// run makes one transfer. Errors of both ends come back separately.
func (r *rig) run() (sent, got Summary, donorErr, joinerErr error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	jc := wire.Config{Plain: r.plain, Transport: r.transport, MinVersion: 1, MaxVersion: 1}
	if !r.plain {
		m, err := identity.Ephemeral(time.Now())
		if err != nil {
			r.t.Fatal(err)
		}
		jc.Material = m
	}
	dc := wire.Config{Plain: r.plain, MinVersion: 1, MaxVersion: 1}
	if r.donorWire != nil {
		dc, jc = *r.donorWire, *r.joinerWire
	}
	rand.Read(jc.Nonce[:])
	ln, err := wire.Listen(ctx, "127.0.0.1:0", jc)
	if err != nil {
		r.t.Fatal(err)
	}
	defer ln.Close()
	ddirs, err := tree.Open(tree.Layout{Data: r.donor, MyISAMMmap: r.mmap})
	if err != nil {
		r.t.Fatal(err)
	}
	defer ddirs.Close()
	jdirs, err := tree.Open(tree.Layout{Data: r.joiner, MaxBinlogs: -1})
	if err != nil {
		r.t.Fatal(err)
	}
	defer jdirs.Close()

	dcfg := DonorConfig{
		Ticket: ln.Ticket("127.0.0.1"), Wire: dc,
		Dirs: ddirs, Locker: r.lock, State: "here:1", Software: "test", Node: "d", Streams: 3, Progress: &r.progress[0],
	}
	jcfg := JoinerConfig{
		Listener: ln, Manifest: r.manifest, Software: "test", Node: "j", FirstContact: 20 * time.Second, Progress: &r.progress[1],
		Store: func(o Offer) (*store.Store, error) {
			return store.Open(store.Config{Dirs: jdirs, Layout: *jdirs.Layout(), TransferID: o.ID, DonorID: o.Node, Manifest: r.manifest}), nil
		},
	}
	if r.tweakDonor != nil {
		r.tweakDonor(&dcfg)
	}
	if r.tweakJoiner != nil {
		r.tweakJoiner(&jcfg)
	}
	r.progress = [2]Progress{}
	var wg sync.WaitGroup
	wg.Go(func() { got, joinerErr = Receive(ctx, jcfg) })
	dctx := ctx
	if r.donorCtx != nil {
		dctx = r.donorCtx
	}
	sent, donorErr = Send(dctx, dcfg)
	wg.Wait()
	return sent, got, donorErr, joinerErr
}

// mustRun fails the test unless both ends succeed and both trees are equal.
func (r *rig) mustRun() (sent, got Summary) {
	r.t.Helper()
	sent, got, derr, jerr := r.run()
	if derr != nil || jerr != nil {
		r.t.Fatalf("donor: %v; joiner: %v", derr, jerr)
	}
	r.equal()
	return sent, got
}

// equal compares both trees file by file, holes included.
func (r *rig) equal() {
	r.t.Helper()
	a, b := listing(r.t, r.donor), listing(r.t, r.joiner)
	if a != b {
		r.t.Fatalf("trees differ:\n--- donor\n%s\n--- joiner\n%s", onlyIn(a, b), onlyIn(b, a))
	}
}

func onlyIn(a, b string) string {
	var out []string
	for _, line := range strings.Split(a, "\n") {
		if !strings.Contains(b, line) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// listing is one line for each file: mode, size, whether it has holes, digest, name.
func listing(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if rel == tree.ManifestName {
			return nil // the joiner's own
		}
		if e.IsDir() {
			lines = append(lines, "dir "+rel)
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		lines = append(lines, fmt.Sprintf("%v %d %s %s", info.Mode(), len(b), hex.EncodeToString(sum[:8]), rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func random(n int, seed byte) []byte {
	b := make([]byte, n)
	mrand.NewChaCha8([32]byte{seed, 99}).Read(b)
	return b
}
