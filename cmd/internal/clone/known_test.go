package clone

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"trireme/engine/manifest"
	"trireme/engine/tree"
)

// foreign is the beginning of the definition of a table whose engine cannot be copied.
func foreign() []byte {
	b := make([]byte, 64)
	b[0], b[1], b[3] = 0xfe, 1, 43
	return b
}

// putManifest makes a manifest that says of definitions what no source has, and of files nothing.
func putManifest(t *testing.T, dir string) (definitions [16]byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, tree.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	definitions = [16]byte{1}
	w, err := manifest.NewWriter(f, manifest.Header{Definitions: definitions})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return definitions
}

// TestDefinitionsLater: where the target may know the definitions they are read when it has said which, and an engine that cannot be
// copied is refused all the same, with the target as it was. Where it knows none they are read first, and the ticket stays good.
func TestDefinitionsLater(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	left := mariadb(t, src)
	mustRun(t, "clone", src, dst)
	strange := filepath.Join(src, "shop", "strange.frm")
	if err := os.WriteFile(strange, foreign(), 0o660); err != nil {
		t.Fatal(err)
	}
	lay := tree.Layout{Data: dst}
	if got := definitionsIn(&lay, "auto"); got != [16]byte{} {
		t.Fatalf("known without a manifest: %x", got)
	}
	r := receive(t, t.Context(), "--listen", "127.0.0.1:0", "--into-existing", dst)
	if strings.Contains(r.ticket, capKnown) {
		t.Errorf("ticket %s", r.ticket)
	}
	refused := func(words ...string) {
		t.Helper()
		before := list(t, dst)
		code, _, errs := trireme(t.Context(), words...)
		if code != exitRefused || !strings.Contains(errs, "strange") {
			t.Errorf("exit code %d: %s", code, errs)
		}
		if now := list(t, dst); !reflect.DeepEqual(before, now) {
			t.Errorf("the target was %v, now %v", before, now)
		}
	}
	refused("send", src, r.ticket)
	refused("clone", "--into-existing", src, dst)
	if err := os.Rename(strange, strange+".away"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "send", src, r.ticket)
	r.end(t, 0)

	if got, want := definitionsIn(&lay, "auto"), putManifest(t, dst); got == want || definitionsIn(&lay, "auto") != want || definitionsIn(&lay, "off") != [16]byte{} {
		t.Errorf("%x before, %x wanted", got, want)
	}
	if err := os.Rename(strange+".away", strange); err != nil {
		t.Fatal(err)
	}
	r = receive(t, t.Context(), "--listen", "127.0.0.1:0", "--into-existing", dst)
	if !strings.HasSuffix(r.ticket, "."+capKnown) {
		t.Errorf("ticket %s", r.ticket)
	}
	refused("send", "--dry-run", src, r.ticket)
	refused("send", src, r.ticket)
	r.end(t, exitOther)
	refused("clone", "--into-existing", src, dst)
	refused("clone", "--dry-run", "--into-existing", src, dst)
	if err := os.Remove(strange); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "clone", "--into-existing", src, dst)
	for _, d := range compare(list(t, src), list(t, dst), left) {
		t.Error(d)
	}
}
