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
		return -1, d.fail(op, role, "", d.missing())
	}
	return d.roots[role].fd, nil
}

// missing tells a directory that was never there from one that Close released.
func (d *Dirs) missing() error {
	if d.closed {
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
	fd, _, err := d.openFD(role, rel, flag, perm&0o777)
	if err != nil {
		return nil, err
	}
	f, err := blocking(fd, flag, d.Path(role, rel))
	if err != nil {
		return nil, d.fail("open", role, rel, err)
	}
	return f, nil
}

// openFD opens the regular file rel and returns its descriptor and length.
func (d *Dirs) openFD(role Role, rel string, flag int, perm uint32) (fd int, size int64, err error) {
	if fd, size, ok, err := d.openDirect(role, rel, flag, perm); ok || err != nil {
		return fd, size, err
	}
	dir, name, own, err := d.parent("open", role, rel)
	if err != nil {
		return -1, 0, err
	}
	fd, size, err = openRegular(dir, name, flag, perm)
	if own {
		_ = unix.Close(dir)
	}
	if err != nil {
		return -1, 0, d.fail("open", role, rel, err)
	}
	return fd, size, nil
}

// openDirect opens rel with one system call where the kernel offers it (openat2, Linux 5.6): the walk of parent costs
// three for every file of a database. It is not ok where the walk has to decide, be it about the cause of an error.
func (d *Dirs) openDirect(role Role, rel string, flag int, perm uint32) (fd int, size int64, ok bool, err error) {
	if !d.beneath || ValidPath(rel) != nil {
		return -1, 0, false, nil
	}
	dir, err := d.base("open", role)
	if err != nil {
		return -1, 0, false, err
	}
	name := rel
	if first, rest, more := strings.Cut(rel, "/"); more {
		if sub, linked := d.linkAt(role, first); linked {
			dir, name = sub, rest
		}
	}
	fd, err = openBeneath(dir, name, fileFlags(flag), perm)
	switch err {
	case nil:
	case unix.ENOENT, unix.EEXIST:
		return -1, 0, false, d.fail("open", role, rel, err)
	default:
		return -1, 0, false, nil
	}
	if size, err = regular(fd, flag); err != nil {
		return -1, 0, false, d.fail("open", role, rel, err)
	}
	return fd, size, true, nil
}

func openRegular(dir int, name string, flag int, perm uint32) (fd int, size int64, err error) {
	fd, err = openat(dir, name, fileFlags(flag), perm)
	if err != nil {
		if err == unix.ELOOP || err == unix.ENXIO || err == unix.EISDIR {
			err = errNotRegular
		}
		return -1, 0, err
	}
	size, err = regular(fd, flag)
	return fd, size, err
}

// fileFlags adds what every file is opened with. Without O_NONBLOCK a pipe under a file's name would hang the transfer; a
// file that must not be there yet cannot be one.
func fileFlags(flag int) int {
	flag |= unix.O_NOFOLLOW | unix.O_NOCTTY
	if !fresh(flag) {
		flag |= unix.O_NONBLOCK
	}
	return flag
}

func fresh(flag int) bool { return flag&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL }

// regular returns the length of a file that was opened with flag, and closes it when it is something else.
func regular(fd, flag int) (size int64, err error) {
	if fresh(flag) {
		return 0, nil
	}
	var st unix.Stat_t
	err = fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return st.Size, nil
}

// blocking makes an os.File of a descriptor that fileFlags opened, which it takes over.
func blocking(fd, flag int, path string) (*os.File, error) {
	if !fresh(flag) {
		// Takes O_NONBLOCK back. The other flags are known and need not be asked for.
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, statusFlags(flag)); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), path), nil
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
