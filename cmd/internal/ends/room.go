package ends

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"trireme/engine/tree"
	"trireme/proto"
)

// Writable finds out, before the address is given away, whether the directories
// can be written; nothing is created.
func Writable(l tree.Layout) error {
	for _, dir := range []string{l.Data, l.InnoDBHome, l.Redo, l.Undo, l.Aria, l.Binlog} {
		if dir == "" {
			continue
		}
		// A missing directory is made later, so its parent must be writable.
		at := existing(dir)
		if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("directory %s cannot be written by user %d: %w; check owner, mode and SELinux or AppArmor rules", at, os.Geteuid(), err)
		}
	}
	return nil
}

// existing is dir, or the nearest directory above it that is there.
func existing(dir string) string {
	at := filepath.Clean(dir)
	for ; at != "/"; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return at
}

// Room compares what the donor's files take, in bytes, with what is free at the joiner plus
// what its old copy occupies. It is an estimate: files of other roles on other file
// systems are counted against the datadir's.
func Room(l tree.Layout, donor int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(existing(l.Data), &st); err != nil {
		return fmt.Errorf("read the free space of %s: %w", l.Data, err)
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	if free >= donor {
		return nil
	}
	have, err := occupied(l.Data)
	if err != nil {
		return err
	}
	if free+have >= donor {
		return nil
	}
	return proto.Fail(proto.CodeSpace, fmt.Errorf(
		"%s has no room: the donor's files take %d MiB, %d MiB are free and %d MiB are in the old copy; nothing was changed", l.Data, donor>>20, free>>20, have>>20))
}

// occupied adds up what lies below dir, on its file system, but for files with other names: these are replaced, and the space that
// they take stays taken.
func occupied(dir string) (int64, error) {
	var sum int64
	var device uint64
	root := dir + "/" // which may be a link
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return fmt.Errorf("add up the old copy: %w", err)
		}
		if !e.Type().IsRegular() && !e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("add up the old copy: %w", err)
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if path == root {
			device = st.Dev
		}
		switch {
		case st.Dev != device && e.IsDir():
			return fs.SkipDir
		case st.Dev == device && !e.IsDir() && st.Nlink == 1:
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}
