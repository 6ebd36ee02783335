package proto

import (
	"os"
	"path/filepath"
	"testing"

	"trireme/engine/block"
)

// mosaic writes a table whose units are holes or data, by a letter each.
func mosaic(t *testing.T, dir, name, units string, seed byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(units)) * block.Unit); err != nil {
		t.Fatal(err)
	}
	for i, u := range units {
		if u != 'd' {
			continue
		}
		if _, err := f.WriteAt(random(block.Unit, seed+byte(i)), int64(i)*block.Unit); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHolesAgainstData: what one end need not read because it is a hole is compared with what the other end has there.
func TestHolesAgainstData(t *testing.T) {
	r := newRig(t)
	fill(t, r.donor, 1)
	mosaic(t, r.donor, "shop/mosaic.ibd", "dhdhhdh", 1)
	r.mustRun()
	r.equal()
	mosaic(t, r.donor, "shop/mosaic.ibd", "ddhhhhd", 1)
	sent, _ := r.mustRun()
	r.equal()
	var content, holes int64
	for _, p := range sent.Passes {
		content, holes = content+p.Sent, holes+p.Holes
	}
	if content < 2<<20 || holes < 2<<20 || holes > 4<<20 {
		t.Errorf("%d bytes sent, %d as holes; two units became data and two became holes", content, holes)
	}
}
