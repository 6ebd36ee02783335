package proto

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"

	"trireme/engine/share"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

// TestManifestFailed: a transfer that fails leaves no manifest, not even the one that was there.
func TestManifestFailed(t *testing.T) {
	r := newResting(t)
	r.copies(nil)
	r.prepare(nil)
	tweak := r.tweakJoiner
	r.tweakJoiner = func(c *JoinerConfig) {
		tweak(c)
		c.BeforeCommit = func(context.Context) error { return errors.New("pulled the plug") }
	}
	if _, _, derr, jerr := r.run(); derr == nil || jerr == nil {
		t.Fatalf("donor: %v; joiner: %v", derr, jerr)
	}
	if _, err := os.Stat(r.manifestName()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("manifest after a failure: %v", err)
	}
	if n := r.copies(nil); n != 0 {
		t.Errorf("%d files were trusted after a failure", n)
	}
	if n := r.copies(nil); n != r.files() {
		t.Errorf("%d of %d files are trusted again", n, r.files())
	}
}

// TestStampsUnasked: neither end takes from the other what it has not agreed to.
func TestStampsUnasked(t *testing.T) {
	d := &donor{cat: newCatalogue()}
	d.cat.update(&tree.Tree{Entries: []tree.Entry{
		{Role: tree.RoleData, Path: "shop", Dir: true, Class: tree.Database},
		{Role: tree.RoleData, Path: "shop/t.ibd", Size: 5, Class: tree.Tablespace},
	}}, true, false)
	if err := d.believe(1, 5); CodeOf(err) != CodeProtocol {
		t.Errorf("vouched for without stamps: %v", err)
	}
	d.stamps = &stamps{of: make([]tree.Stamp, 2), vouched: make([]bool, 2)}
	if err := d.believe(1, 5); CodeOf(err) != CodeProtocol {
		t.Errorf("vouched for without a stamp: %v", err)
	}
	d.stamps.of[1] = tree.Stamp{1}
	if err := d.believe(1, 4); CodeOf(err) != CodeProtocol || d.stamps.vouched[1] {
		t.Errorf("vouched for with another length: %v", err)
	}
	if err := d.believe(1, 5); err != nil || !d.stamps.vouched[1] {
		t.Errorf("not believed: %v", err)
	}
	j := &joiner{}
	if err := j.vouch(&msg.Have{Sizes: []int64{5}}, 0, &msg.Entry{Path: "shop/t.ibd", Size: 5, Stamp: tree.Stamp{1}}); CodeOf(err) != CodeProtocol {
		t.Errorf("a stamp that was not asked for: %v", err)
	}
}

// TestStampsOnlyAtRest: whatever else is asked of a donor, only a datadir at rest that goes to one joiner with a manifest has stamps.
func TestStampsOnlyAtRest(t *testing.T) {
	yes := stampsFacts(true, [16]byte{})
	for name, c := range map[string]struct {
		change func(c *DonorConfig)
		joiner []msg.Fact
		want   bool
	}{
		"at rest":         {func(*DonorConfig) {}, yes, true},
		"off":             {func(c *DonorConfig) { c.Manifest = false }, yes, false},
		"joiner without":  {func(*DonorConfig) {}, stampsFacts(false, [16]byte{}), false},
		"not known quiet": {func(c *DonorConfig) { c.Quiet = nil }, yes, false},
		"basis":           {func(c *DonorConfig) { c.Basis = true }, yes, false},
		"server":          {func(c *DonorConfig) { c.Locker = lockFunc{} }, yes, false},
		"paranoid":        {func(c *DonorConfig) { c.VerifyAll = true }, yes, false},
		"without delta":   {func(c *DonorConfig) { c.NoDelta = true }, yes, false},
		"several joiners": {func(c *DonorConfig) { c.Share = new(share.Reader) }, yes, false},
	} {
		d := &donor{c: DonorConfig{Manifest: true, Quiet: new(tree.Tree), Note: func(string, ...any) {}}}
		c.change(&d.c)
		d.openStamps(c.joiner)
		if (d.stamps != nil) != c.want {
			t.Errorf("%s: stamps %v", name, !c.want)
		}
	}
}
