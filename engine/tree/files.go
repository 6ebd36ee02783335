package tree

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// errNotRegular and errLink are the two ways in which a path can be something that a copy must not open.
var (
	errNotRegular = errors.New("not a regular file")
	errLink       = errors.New("symbolic link or not a directory where a directory was expected")
)

// fail builds the error of an operation below a role's directory. errors.Is sees fs.ErrNotExist and its like.
func (d *Dirs) fail(op string, role Role, rel string, err error) error {
	return &fs.PathError{Op: op, Path: d.Path(role, rel), Err: err}
}

// base returns the descriptor of the role's directory.
func (d *Dirs) base(op string, role Role) (int, error) {
	if !role.Valid() || d.configured.Dir(role) == "" {
		return -1, &fs.PathError{Op: op, Path: role.String(), Err: errors.New("the layout has no directory for this role")}
	}
	if d.roots[role].fd < 0 {
		return -1, d.fail(op, role, "", d.missing(role))
	}
	return d.roots[role].fd, nil
}

// missing tells a directory that never was there from one that Close released.
func (d *Dirs) missing(role Role) error {
	if d.roots[RoleData].fd < 0 && role != RoleData {
		return fs.ErrClosed
	}
	if _, err := os.Lstat(d.configured.Dir(role)); err == nil {
		return fs.ErrClosed
	}
	return fs.ErrNotExist
}

// parent opens the directory that holds the last component of rel. own says that the caller must close it.
func (d *Dirs) parent(op string, role Role, rel string) (fd int, name string, own bool, err error) {
	if err := ValidPath(rel); err != nil {
		return -1, "", false, &fs.PathError{Op: op, Path: role.String(), Err: err}
	}
	if fd, err = d.base(op, role); err != nil {
		return -1, "", false, err
	}
	rest := rel
	for top := true; ; top = false {
		first, next, more := strings.Cut(rest, "/")
		if !more {
			return fd, first, own, nil
		}
		sub, linked := -1, false
		if top {
			sub, linked = d.linkAt(role, first)
		}
		if !linked {
			sub, err = openat(fd, first, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		}
		if own {
			_ = unix.Close(fd)
		}
		if err != nil {
			if err == unix.ENOTDIR || err == unix.ELOOP {
				err = errLink
			}
			return -1, "", false, d.fail(op, role, rel, err)
		}
		fd, own, rest = sub, !linked, next
	}
}

// OpenFile opens the regular file rel in the directory of role. flag is as for os.OpenFile, and may hold unix.O_DIRECT;
// O_NOFOLLOW and O_CLOEXEC are implied, and opening never blocks, whatever took the file's place. perm is subject to
// the umask. The file belongs to the caller. Errors are *fs.PathError with the absolute path.
func (d *Dirs) OpenFile(role Role, rel string, flag int, perm uint32) (*os.File, error) {
	d.life.RLock()
	defer d.life.RUnlock()
	dir, name, own, err := d.parent("open", role, rel)
	if err != nil {
		return nil, err
	}
	f, err := openRegular(dir, name, flag, perm&0o777, func() string { return d.Path(role, rel) })
	if own {
		_ = unix.Close(dir)
	}
	if err != nil {
		return nil, d.fail("open", role, rel, err)
	}
	return f, nil
}

func openRegular(dir int, name string, flag int, perm uint32, path func() string) (*os.File, error) {
	// Without O_NONBLOCK a pipe under a file's name would hang the transfer.
	fd, err := openat(dir, name, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, perm)
	if err != nil {
		if err == unix.ELOOP || err == unix.ENXIO || err == unix.EISDIR {
			err = errNotRegular
		}
		return nil, err
	}
	var st unix.Stat_t
	if err = fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path()), nil
}

// OpenDir opens a directory for reading, fsync or syncfs; "." is the role's own. The file belongs to the caller.
func (d *Dirs) OpenDir(role Role, rel string) (*os.File, error) {
	d.life.RLock()
	defer d.life.RUnlock()
	fd, err := d.openDir(role, rel)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.Path(role, rel)), nil
}

func (d *Dirs) openDir(role Role, rel string) (int, error) {
	dir, name, own := -1, ".", false
	var err error
	if rel == "." {
		dir, err = d.base("open", role)
	} else {
		dir, name, own, err = d.parent("open", role, rel)
	}
	if err != nil {
		return -1, err
	}
	if fd, ok := d.linkAt(role, rel); ok {
		dir, name = fd, "."
	}
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if own {
		_ = unix.Close(dir)
	}
	if err != nil {
		return -1, d.fail("open", role, rel, err)
	}
	return fd, nil
}

// OpenFilesystems opens one directory on every distinct device that role directories and linked databases lie on, for
// syncfs. The files belong to the caller, also those returned beside an error: none.
func (d *Dirs) OpenFilesystems() ([]*os.File, error) {
	d.life.RLock()
	defer d.life.RUnlock()
	seen := map[uint64]bool{}
	var out []*os.File
	add := func(role Role, rel string, dev uint64) error {
		if seen[dev] {
			return nil
		}
		fd, err := d.openDir(role, rel)
		if err != nil {
			return err
		}
		seen[dev] = true
		out = append(out, os.NewFile(uintptr(fd), d.Path(role, rel)))
		return nil
	}
	var err error
	for _, r := range Roles {
		if d.roots[r].fd >= 0 && err == nil {
			err = add(r, ".", d.roots[r].id.dev)
		}
	}
	d.linkMu.Lock()
	links := make(map[string]uint64, len(d.links))
	for name, l := range d.links {
		links[name] = l.id.dev
	}
	d.linkMu.Unlock()
	for name, dev := range links {
		if err == nil {
			err = add(RoleData, name, dev)
		}
	}
	if err != nil {
		for _, f := range out {
			_ = f.Close()
		}
		return nil, err
	}
	return out, nil
}

// Lstat describes rel without following links; Class and Suspect are left for Classify and Scan. A linked database at
// the top of the datadir is described as the directory it leads to.
func (d *Dirs) Lstat(role Role, rel string) (Entry, error) {
	d.life.RLock()
	defer d.life.RUnlock()
	dir, name, own, err := d.parent("stat", role, rel)
	if err != nil {
		return Entry{}, err
	}
	if fd, ok := d.linkAt(role, rel); ok {
		dir, name = fd, ""
	}
	var st stat
	err = st.at(dir, name)
	if own {
		_ = unix.Close(dir)
	}
	if err != nil {
		return Entry{}, d.fail("stat", role, rel, err)
	}
	e := st.entry()
	e.Role, e.Path = role, rel
	return e, nil
}

// Remove unlinks the file or removes the empty directory rel. Of a linked database it removes the link.
func (d *Dirs) Remove(role Role, rel string) error {
	return d.edit("remove", role, rel, func(dir int, name string) error {
		err := retry(func() error { return unix.Unlinkat(dir, name, 0) })
		if err == unix.EISDIR || err == unix.EPERM {
			err = retry(func() error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
		}
		return err
	})
}

// RemoveAll removes rel and everything below it, without following links. A path that is not there is not an error.
func (d *Dirs) RemoveAll(role Role, rel string) error {
	err := d.edit("remove", role, rel, removeAll)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func removeAll(dir int, name string) error {
	err := retry(func() error { return unix.Unlinkat(dir, name, 0) })
	if err != unix.EISDIR && err != unix.EPERM {
		return err
	}
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	names, err := readNames(fd)
	for _, n := range names {
		if e := removeAll(fd, n); e != nil && e != unix.ENOENT && err == nil {
			err = e
		}
	}
	_ = unix.Close(fd)
	if err != nil {
		return err
	}
	return retry(func() error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
}

// Rename renames within one role's directory and replaces what lies under the new name.
func (d *Dirs) Rename(role Role, from, to string) error {
	return d.edit("rename", role, from, func(dir int, name string) error {
		return d.edit("rename", role, to, func(todir int, toname string) error {
			return retry(func() error { return unix.Renameat(dir, name, todir, toname) })
		})
	})
}

// Mkdir makes one directory with exactly the permission bits perm, whatever the umask.
func (d *Dirs) Mkdir(role Role, rel string, perm uint32) error {
	return d.edit("mkdir", role, rel, func(dir int, name string) error {
		if err := retry(func() error { return unix.Mkdirat(dir, name, perm&0o777) }); err != nil {
			return err
		}
		return chmod(dir, name, perm)
	})
}

// Chmod sets the permission bits of a file or directory; others are dropped (R-META-2).
func (d *Dirs) Chmod(role Role, rel string, mode uint32) error {
	return d.edit("chmod", role, rel, func(dir int, name string) error {
		if fd, ok := d.linkAt(role, rel); ok {
			return retry(func() error { return unix.Fchmod(fd, mode&0o777) })
		}
		return chmod(dir, name, mode)
	})
}

// chmod opens the file first: there is no portable fchmodat that does not follow links.
func chmod(dir int, name string, mode uint32) error {
	fd, err := openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err == unix.EACCES {
		// Our own file without read permission: the newer call needs no descriptor of it.
		return unix.Fchmodat(dir, name, mode&0o777, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return retry(func() error { return unix.Fchmod(fd, mode&0o777) })
}

// SyncDir makes the entries of a directory durable; "." is the role's own.
func (d *Dirs) SyncDir(role Role, rel string) error {
	d.life.RLock()
	defer d.life.RUnlock()
	fd, err := d.openDir(role, rel)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := retry(func() error { return unix.Fsync(fd) }); err != nil {
		return d.fail("fsync", role, rel, err)
	}
	return nil
}

// edit runs do with the open parent directory of rel.
func (d *Dirs) edit(op string, role Role, rel string, do func(dir int, name string) error) error {
	d.life.RLock()
	defer d.life.RUnlock()
	dir, name, own, err := d.parent(op, role, rel)
	if err != nil {
		return err
	}
	err = do(dir, name)
	if own {
		_ = unix.Close(dir)
	}
	var wrapped *fs.PathError
	if err == nil || errors.As(err, &wrapped) {
		return err
	}
	return d.fail(op, role, rel, err)
}
