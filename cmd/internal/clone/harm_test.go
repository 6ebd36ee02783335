package clone

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoHarm: what is no datadir, what a link leads to and files that are not ours stay what they are, whoever asks.
func TestNoHarm(t *testing.T) {
	src := t.TempDir()
	mariadb(t, src)
	refused := func(t *testing.T, code int, say string, words ...string) {
		t.Helper()
		got, _, errs := trireme(t.Context(), append([]string{"clone"}, words...)...)
		if got != code || !strings.Contains(errs, say) {
			t.Errorf("exit code %d, want %d and %q: %s", got, code, say, errs)
		}
	}
	untouched := func(t *testing.T, path, want string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	write := func(t *testing.T, dir, name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	t.Run("link in the target", func(t *testing.T) {
		dst, outside := filepath.Join(t.TempDir(), "dst"), t.TempDir()
		mustRun(t, "clone", src, dst)
		precious := write(t, outside, "precious", "mine")
		if err := os.Symlink(outside, filepath.Join(dst, "backup")); err != nil {
			t.Fatal(err)
		}
		refused(t, exitTarget, "dst/backup -> ", "--into-existing", src, dst)
		untouched(t, precious, "mine")
	})
	t.Run("a directory like /etc", func(t *testing.T) {
		etc := t.TempDir()
		key := write(t, etc, "ssh/key", "secret")
		write(t, etc, "mysql/my.cnf", "[mysqld]\n")
		refused(t, exitTarget, "not a datadir", "--into-existing", src, etc)
		untouched(t, key, "secret")
	})
	t.Run("status file", func(t *testing.T) {
		table := filepath.Join(src, "ibdata1")
		before, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		errs := mustRun(t, "clone", "--status-file", table, "--metrics-file", filepath.Join(src, "aria_log_control"), src, filepath.Join(t.TempDir(), "dst"))
		if strings.Count(errs, "not a file of this kind") != 2 {
			t.Errorf("said: %s", errs)
		}
		untouched(t, table, string(before))
	})
	t.Run("no redo log", func(t *testing.T) {
		refused(t, exitSource, "no redo log", "--innodb-log-group-home-dir", t.TempDir(), src, filepath.Join(t.TempDir(), "dst"))
	})
}
