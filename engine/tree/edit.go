package tree

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

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
	names, err := readNames(fd, "", new(arena), nil)
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
