package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
)

// lockFiles are the files that a server locks as long as it runs: InnoDB those of the
// system tablespace, MySQL 8 its dictionary as well, Aria its control file.
func lockFiles(l *tree.Layout) []string {
	files := []string{filepath.Join(l.Dir(tree.RoleAria), "aria_log_control"), filepath.Join(l.Data, "mysql.ibd")}
	names := l.SystemFiles
	if names == nil {
		names = []string{"ibdata1"}
	}
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(l.Dir(tree.RoleInnoDBHome), name)
		}
		files = append(files, name)
	}
	return files
}

// hold keeps a datadir quiet: while it exists a server that starts cannot get its locks.
type hold struct{ files []*os.File }

// errInUse says that a server runs on a datadir.
var errInUse = errors.New("clone: datadir in use")

// inUse is errInUse with its story.
type inUse struct{ text string }

func (e *inUse) Error() string        { return e.text }
func (e *inUse) Is(target error) bool { return target == errInUse }

// holdStill takes the server's own locks, for reading, so that several copies can be
// made at once. It fails with errInUse when a server has them.
//
// The locks belong to the open file (Linux: F_OFD_SETLK) and not to the process: those
// of the process would be gone as soon as the copying itself closes one of these
// files. Both kinds keep each other out.
func holdStill(l *tree.Layout) (*hold, error) {
	if err := pidFiles(l.Data); err != nil {
		return nil, err
	}
	h := &hold{}
	for _, name := range lockFiles(l) {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("see whether a server runs: %w", err), h.release())
		}
		h.files = append(h.files, f)
		if info, err := f.Stat(); err == nil && info.IsDir() {
			continue // in the place of a file, so that no server starts
		}
		lock := unix.Flock_t{Type: unix.F_RDLCK}
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		if err == unix.EAGAIN || err == unix.EACCES {
			return nil, errors.Join(&inUse{fmt.Sprintf("a server%s runs on %s: it holds a lock on %s", holder(f), l.Data, name)}, h.release())
		}
		if err != nil && err != unix.ENOLCK && err != unix.EOPNOTSUPP && err != unix.EINVAL {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), h.release())
		}
		// A file system without locks has nobody who could hold one.
	}
	return h, nil
}

// release lets servers start again.
func (h *hold) release() error {
	var errs []error
	for _, f := range h.files {
		errs = append(errs, f.Close())
	}
	h.files = nil
	return errors.Join(errs...)
}

// holder names the process that keeps us from a lock, for a message.
func holder(f *os.File) string {
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK || lock.Pid <= 0 {
		return ""
	}
	return " (process " + strconv.Itoa(int(lock.Pid)) + ")"
}

// serverNames are what the kernel calls a server's process.
var serverNames = []string{"mariadbd", "mysqld"}

// pidFiles looks at the pid files in a datadir. Process numbers come round, and a snapshot holds
// the file of a server that works elsewhere, so what counts is a process of a server's name whose working directory this is.
func pidFiles(dir string) error {
	names, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.pid"))
	if err != nil {
		return fmt.Errorf("look for pid files: %w", err)
	}
	here, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it may go at any time, and the locks tell as well
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || pid <= 0 {
			continue
		}
		proc := "/proc/" + strconv.Itoa(pid)
		comm, err := os.ReadFile(proc + "/comm")
		if err != nil || !slices.Contains(serverNames, strings.TrimSpace(string(comm))) {
			continue
		}
		if there, err := os.Stat(proc + "/cwd"); err == nil && os.SameFile(here, there) {
			return &inUse{fmt.Sprintf("a server (process %d) runs on %s: %s names it", pid, dir, name)}
		}
	}
	return nil
}

// escapeGlob takes the meaning from characters of a directory's name.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
