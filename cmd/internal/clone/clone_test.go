package clone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

func commands() []*cobra.Command {
	return []*cobra.Command{Receive("trireme test"), Send("trireme test"), Clone("trireme test")}
}

// TestLayouts copies stopped datadirs with files of all classes and compares every byte, mode and hole; then once more over a
// copy that has aged.
func TestLayouts(t *testing.T) {
	for name, build := range map[string]func(*testing.T, string) []string{"MariaDB": mariadb, "MySQL 8": mysql8} {
		t.Run(name, func(t *testing.T) {
			src, dst := t.TempDir(), filepath.Join(t.TempDir(), "new", "dst")
			left := build(t, src)
			mustRun(t, "clone", src, dst)
			for _, d := range compare(list(t, src), list(t, dst), left) {
				t.Error(d)
			}
			for dir, want := range map[string]os.FileMode{dst: 0o700, filepath.Dir(dst): 0o755} {
				if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, want mode %o", dir, info.Mode(), want)
				}
			}
			put(t, src, "shop/orders.ibd", data(900), 0o660)
			put(t, src, "shop/packed.ibd", strings.Repeat("..xx", 260), 0o640)
			put(t, src, "later/t.ibd", data(10), 0o660)
			for _, gone := range []string{"sys", "empty_db", "undo002", "undo_002"} {
				if err := os.RemoveAll(filepath.Join(src, gone)); err != nil {
					t.Fatal(err)
				}
			}
			mustRun(t, "clone", "--into-existing", src, dst)
			for _, d := range compare(list(t, src), list(t, dst), left) {
				t.Error("again: ", d)
			}
		})
	}
}

// TestIdentity: auto.cnf goes along when asked for, and a target that has one keeps it otherwise.
func TestIdentity(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	mysql8(t, src)
	read := func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, "auto.cnf"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(b)
	}
	mustRun(t, "clone", src, dst)
	if read(dst) != "" {
		t.Error("a clone has the identity of its source")
	}
	if err := os.WriteFile(filepath.Join(dst, "auto.cnf"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "clone", "--into-existing", src, dst)
	if read(dst) != "mine" {
		t.Error("a target has lost its identity")
	}
	mustRun(t, "clone", "--into-existing", "--keep-identity", src, dst)
	if read(dst) != read(src) {
		t.Error("a server that moves has lost its identity")
	}
}

// TestElsewhere: the parts of a datadir lie in directories of their own, at either end, by flag and by option file.
func TestElsewhere(t *testing.T) {
	src, all, dst := t.TempDir(), t.TempDir(), t.TempDir()
	left := mariadb(t, all)
	if err := os.CopyFS(src, os.DirFS(all)); err != nil {
		t.Fatal(err)
	}
	dirs := map[string][]string{"home": {"ibdata1"}, "redo": {"ib_logfile0"}, "undo": {"undo001", "undo002"}, "aria": {"aria_log_control", "aria_log.00000001"}}
	from, to := t.TempDir(), t.TempDir()
	for dir, files := range dirs {
		if err := os.Mkdir(filepath.Join(from, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Rename(filepath.Join(src, f), filepath.Join(from, dir, f)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flags := []string{"--innodb-data-home-dir", from + "/home", "--innodb-log-group-home-dir", from + "/redo", "--innodb-undo-directory", from + "/undo", "--aria-log-dir-path", from + "/aria"}
	mustRun(t, append([]string{"clone", src, dst}, flags...)...)
	want, got := list(t, all), list(t, dst)
	for _, d := range compare(want, got, left) {
		if !strings.Contains(d, "mode") { // CopyFS has its own
			t.Error("into one directory: ", d)
		}
	}
	cnf := filepath.Join(t.TempDir(), "target.cnf")
	text := "[mysqld]\ninnodb_data_home_dir=" + to + "/home\ninnodb_log_group_home_dir=" + to + "/redo\ninnodb_undo_directory=" + to + "/undo\naria_log_dir_path=" + to + "/aria\n"
	if err := os.WriteFile(cnf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	apart := filepath.Join(t.TempDir(), "apart")
	mustRun(t, append([]string{"clone", "--target-defaults-file", cnf, src, apart}, flags...)...)
	for dir, files := range dirs {
		for _, f := range files {
			a, aerr := os.ReadFile(filepath.Join(from, dir, f))
			b, berr := os.ReadFile(filepath.Join(to, dir, f))
			if aerr != nil || berr != nil || string(a) != string(b) {
				t.Errorf("%s/%s differs: %v, %v", dir, f, aerr, berr)
			}
		}
	}
}

// slow starts a clone that takes a while and returns when data move. The result comes from the channel.
func slow(t *testing.T, ctx context.Context, src, dst string, flags ...string) <-chan [2]any {
	t.Helper()
	result := make(chan [2]any, 1)
	go func() {
		code, _, errs := trireme(ctx, append([]string{"clone", "--rate-limit", "16m", src, dst}, flags...)...)
		result <- [2]any{code, errs}
	}()
	awaitJournal(t, dst)
	return result
}

// awaitJournal returns when a transfer has begun to write into dst.
func awaitJournal(t *testing.T, dst string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dst, tree.JournalName)); err == nil {
			return
		}
	}
	t.Error("no transfer has begun")
}

// TestServerCannotStart: while a source is read, a server does not get its locks, though the copying itself opens and closes the
// very files; afterwards it does.
func TestServerCannotStart(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	mariadb(t, src)
	start := func() error {
		f, err := os.OpenFile(filepath.Join(src, "ibdata1"), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	}
	result := slow(t, t.Context(), src, dst)
	refused := 0
	for {
		select {
		case r := <-result:
			if r[0] != 0 || refused < 10 {
				t.Fatalf("%v; the server was refused %d times", r, refused)
			}
			if err := start(); err != nil {
				t.Errorf("after the copy the server does not start: %v", err)
			}
			return
		default:
			if start() == nil {
				// The copy may have ended since the last look.
				if r := <-result; r[0] != 0 || refused < 10 {
					t.Fatalf("a server got its lock while the source was read; %v, refused %d times", r, refused)
				}
				return
			}
			refused++
			time.Sleep(time.Millisecond)
		}
	}
}

// TestSourceChanges: a source that is written to while it is read makes no copy, and the next one has what was written.
func TestSourceChanges(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	left := mariadb(t, src)
	result := slow(t, t.Context(), src, dst)
	put(t, src, "shop/notes.MYD", data(60), 0o660)
	put(t, src, "ibdata1", data(800), 0o660)
	r := <-result
	errs, _ := r[1].(string)
	if r[0] != exitSource || !strings.Contains(errs, "the source changed while it was read (") || !strings.Contains(errs, "ibdata1, "+src+"/shop/notes.MYD)") {
		t.Fatal(r)
	}
	if info, err := os.Stat(filepath.Join(dst, "ibdata1")); err != nil || !info.IsDir() {
		t.Errorf("a server could start on the copy: %v", err)
	}
	mustRun(t, "clone", src, dst)
	for _, d := range compare(list(t, src), list(t, dst), left) {
		t.Error(d)
	}
}

// TestSourceNeverStill: a source that goes on changing is noticed, and no server can start on what was copied.
func TestSourceNeverStill(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	put(t, src, "ibdata1", data(64), 0o660)
	put(t, src, "ib_logfile0", data(64), 0o660)
	put(t, src, "shop/t.MYD", data(64), 0o660)
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		f, err := os.OpenFile(filepath.Join(src, "shop/t.MYD"), os.O_RDWR, 0)
		if err != nil {
			ended <- err
			return
		}
		defer f.Close()
		for n := 0; ; n++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
				if _, err := f.WriteAt([]byte{byte(n), byte(n >> 8)}, int64(n%64)*4096); err != nil {
					ended <- err
					return
				}
			}
		}
	}()
	code, _, errs := trireme(t.Context(), "clone", src, dst)
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if code != exitSource || !strings.Contains(errs, "did not hold still") && !strings.Contains(errs, "changed while it was read ("+src+"/shop/t.MYD)") {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if info, err := os.Stat(filepath.Join(dst, "ibdata1")); err != nil || !info.IsDir() {
		t.Errorf("a server could start on the copy: %v", err)
	}
}

// TestInterrupt: a signal ends both ends with its name, nothing can start on the rest, and the next run completes it.
func TestInterrupt(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	left := mariadb(t, src)
	result := slow(t, t.Context(), src, dst)
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	r := <-result
	errs, _ := r[1].(string)
	if r[0] != exitInterrupt || !strings.HasSuffix(errs, "trireme clone: stopped by signal interrupt; the same command again goes on from what has been copied\n") {
		t.Fatalf("%v: %s", r[0], errs)
	}
	for _, name := range []string{"ibdata1", "ib_logfile0", "aria_log_control", "undo001"} {
		if info, err := os.Stat(filepath.Join(dst, name)); err == nil && info.Mode().IsRegular() {
			t.Errorf("%s is there after a transfer that was stopped", name)
		}
	}
	if errs := mustRun(t, "clone", src, dst); !strings.Contains(errs, "holds what an earlier transfer left") {
		t.Error(errs)
	}
	for _, d := range compare(list(t, src), list(t, dst), left) {
		t.Error(d)
	}
}

// TestOwnerDoubts: a copy that root makes for nobody in particular would keep the server out. That is said before, for clone where
// the source says otherwise, and nothing is said of an owner who was named or fits.
func TestOwnerDoubts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	src := t.TempDir()
	mariadb(t, src)
	if err := os.Chown(src, 12345, 54321); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"clone", "--dry-run", src, t.TempDir()}, "will belong to root, who has the directory, and not to user 12345, as the source does; --owner"},
		{[]string{"clone", "--dry-run", src, filepath.Join(t.TempDir(), "new")}, ""},
		{[]string{"clone", "--dry-run", "--owner", "0:0", src, t.TempDir()}, ""},
		{[]string{"receive", "--dry-run", t.TempDir()}, "will belong to root, and servers run as another user; --owner"},
		{[]string{"receive", "--dry-run", "--owner", "0:0", t.TempDir()}, ""},
	} {
		errs := mustRun(t, c.words...)
		if c.want == "" && strings.Contains(errs, "will belong") || !strings.Contains(errs, c.want) {
			t.Errorf("%q: want %q: %s", c.words, c.want, errs)
		}
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, 54321); err != nil {
		t.Fatal(err)
	}
	if errs := mustRun(t, "receive", "--dry-run", dir); strings.Contains(errs, "will belong") {
		t.Error(errs)
	}
}

// TestOwner: everything that was copied belongs to the user who was named, before a server could see it.
func TestOwner(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "dst")
	mariadb(t, src)
	if os.Geteuid() != 0 {
		code, _, errs := trireme(t.Context(), "clone", "--owner", "0:0", src, dst)
		if code != exitTarget || !strings.Contains(errs, "root only") {
			t.Fatalf("%d %s", code, errs)
		}
		return
	}
	mustRun(t, "clone", "--owner", "12345:54321", src, dst)
	var names []string
	err := filepath.WalkDir(dst, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 12345 || st.Gid != 54321 {
			names = append(names, path)
		}
		return nil
	})
	if err != nil || len(names) > 0 {
		t.Errorf("not given away: %q, %v", names, err)
	}
	// A database behind a link is given away as well, and the link stays.
	elsewhere := filepath.Join(t.TempDir(), "shop")
	if err := errors.Join(os.Rename(filepath.Join(dst, "shop"), elsewhere), os.Symlink(elsewhere, filepath.Join(dst, "shop"))); err != nil {
		t.Fatal(err)
	}
	// Without the flag whoever owns the target goes on owning it.
	put(t, src, "shop/new.ibd", data(4), 0o660)
	mustRun(t, "clone", "--into-existing", src, dst)
	info, err := os.Stat(filepath.Join(elsewhere, "new.ibd"))
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 12345 {
		t.Errorf("a new file of the owner's datadir belongs to %v", info.Sys())
	}
	// What a sender writes into the source's directory belongs to whom that belongs.
	if err := os.Chown(src, 12345, 54321); err != nil {
		t.Fatal(err)
	}
	r := receive(t, t.Context(), "--listen", "127.0.0.1:0", filepath.Join(t.TempDir(), "dst"))
	mustRun(t, "send", src, r.ticket)
	r.end(t, 0)
	if info, err := os.Stat(filepath.Join(src, tree.StatusName)); err != nil {
		t.Error(err)
	} else if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 12345 || st.Gid != 54321 {
		t.Errorf("the status file in the source belongs to %v", info.Sys())
	}
	if _, err := parseOwner("no-such-user"); err == nil {
		t.Error("an unknown user was taken")
	}
	if o, err := parseOwner("7:8"); err != nil || o.uid != 7 || o.gid != 8 {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestNoRoom: what does not fit is refused before anything is changed.
func TestNoRoom(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a file system of a known size can be mounted by root only")
	}
	small := t.TempDir()
	if err := unix.Mount("none", small, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no file system of a known size can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	src := t.TempDir()
	mariadb(t, src)
	code, _, errs := trireme(t.Context(), "clone", src, filepath.Join(small, "dst"))
	if code != exitSpace || !strings.Contains(errs, "has no room") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if names, err := content(small); err != nil || len(names) > 0 {
		t.Errorf("left behind: %q, %v", names, err)
	}
}

// TestCompletion: directories complete, and words of flags.
func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"__complete", "clone", ""}, ":16"}, // directories
		{[]string{"__complete", "send", "a", ""}, ":4"},
		{[]string{"__complete", "send", "a", "ticket", ""}, ":4"},
		{[]string{"__complete", "clone", "--progress", ""}, "auto\nbar\nlog\nnone\n"},
		{[]string{"__complete", "send", "--delta", ""}, "auto\non\noff\n"},
	} {
		code, out, errs := trireme(t.Context(), c.words...)
		if code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%q: %d %q %s", c.words, code, out, errs)
		}
	}
}

// TestHelp: every flag has a text, and the commands have the flags of their ends only.
func TestHelp(t *testing.T) {
	has := func(cmd *cobra.Command, name string) bool { return cmd.Flags().Lookup(name) != nil }
	for _, cmd := range commands() {
		source, target := cmd.Name() != "receive", cmd.Name() != "send"
		for name, want := range map[string]bool{
			"live-basis": source, "rate-limit": source, "delta": source, "into-existing": target, "keep-identity": target, "owner": target,
			"dry-run": true, "progress": true, "quiet": true, "json": true, "status-file": true, "metrics-file": true, "defaults-file": true,
			"cert": cmd.Name() != "clone", "listen": cmd.Name() == "receive",
		} {
			if has(cmd, name) != want {
				t.Errorf("%s --%s: %v", cmd.Name(), name, !want)
			}
		}
		if !slices.Contains([]string{"receive", "send", "clone"}, cmd.Name()) || cmd.Long == "" || cmd.Short == "" {
			t.Errorf("%s is not explained", cmd.Name())
		}
	}
}
