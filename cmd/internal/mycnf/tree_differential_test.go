package mycnf

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTreesAgainstMyPrintDefaults generates sets of files that include each other, in circles too, and directories of files with names
// that count and names that do not; some files are writable by everybody, and a suffix is in force in half of the cases.
func TestTreesAgainstMyPrintDefaults(t *testing.T) {
	const trees = 120
	seed := uint64(20261126)
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for i := range trees {
		dir := t.TempDir()
		root := generateTree(t, rng, dir)
		s, args := Source{DefaultsFile: root}, []string{"--defaults-file=" + root}
		if i%2 == 0 {
			s.GroupSuffix = "_b"
			args = append(args, "--defaults-group-suffix=_b")
		}
		compare(t, s, []string{"sst", "mysqld"}, nil, args...)
		if t.Failed() {
			t.Fatalf("tree %d:\n%s", i, dump(t, dir))
		}
	}
}

func generateTree(t *testing.T, rng *rand.Rand, dir string) (root string) {
	t.Helper()
	conf := filepath.Join(dir, "conf.d")
	if err := os.Mkdir(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"my.cnf", "a.cnf", "b.cnf", "conf.d/10.cnf", "conf.d/9.cnf", "conf.d/.hidden.cnf", "conf.d/z.cnf", "conf.d/old.cnf~", "conf.d/x.ini", "conf.d/CAPS.CNF"}
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	for n, name := range names {
		var b strings.Builder
		// Only the first file reads the directory: with all of them the number of readings would explode.
		fmt.Fprintf(&b, "[%s]\nfrom-%d=1\n", pick("sst", "mysqld", "sst_b", "mysqld_b", "other"), n)
		include := "!include " + filepath.Join(dir, pick(names...)) + pick("\n", " \n", "\t\n")
		if n == 0 {
			b.WriteString(pick("", "!includedir "+conf+"\n", "!includedir "+conf+"/\n", "! include "+filepath.Join(dir, "a.cnf")+"\n", "!includes "+conf+"\n"))
		}
		if rng.IntN(2) == 0 {
			b.WriteString(include)
		}
		fmt.Fprintf(&b, "after=%s\n[%s]\nlast-%d", pick(`"a b"`, `c\s`, "d # e", "; f", ""), pick("sst", "mysqld"), n)
		path := filepath.Join(dir, name)
		write(t, path, b.String())
		if n > 0 && rng.IntN(6) == 0 {
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return filepath.Join(dir, names[0])
}

// dump shows a tree that was read differently.
func dump(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		info, _ := d.Info()
		fmt.Fprintf(&b, "--- %s %v\n%s\n", path, info.Mode(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPermissionsAgainstMyPrintDefaults: a file that everybody may change is ignored, named directly or not.
func TestPermissionsAgainstMyPrintDefaults(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644, 0o664, 0o646, 0o666, 0o602} {
		name := filepath.Join(t.TempDir(), "my.cnf")
		write(t, name, "[sst]\nx=1\n")
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		compare(t, Source{DefaultsFile: name}, []string{"sst"}, nil, "--defaults-file="+name)
	}
}
