package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"trireme/cmd/internal/cli"
)

// owner is who gets new files; the zero value leaves it to the circumstances.
type owner struct {
	set      bool
	uid, gid int
}

// parseOwner reads user or user:group, by name or by number, which need not have a name in a container's image. The group is the
// user's own if none is given.
func parseOwner(text string) (owner, error) {
	if text == "" {
		return owner{}, nil
	}
	name, group, _ := strings.Cut(text, ":")
	o := owner{set: true}
	if u, err := user.Lookup(name); err == nil {
		name = u.Uid
		if group == "" {
			group = u.Gid
		}
	} else if group == "" {
		group = name
	}
	if g, err := user.LookupGroup(group); err == nil {
		group = g.Gid
	}
	var err error
	if o.uid, err = id(name); err != nil {
		return owner{}, cli.Usage(fmt.Errorf("--owner %s: there is no user %q on this host", text, name))
	}
	if o.gid, err = id(group); err != nil {
		return owner{}, cli.Usage(fmt.Errorf("--owner %s: there is no group %q on this host", text, group))
	}
	return o, nil
}

func id(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

// give makes f belong to whom it should: the owner of the file that it replaces, else the one asked for, else, for root, the
// owner of the directory, who could replace the file anyway. Root's own files in the server's directory would be of no use to it.
func (o owner) give(f *os.File, t target) error {
	uid, gid := o.uid, o.gid
	switch {
	case t.old != nil && !o.set:
		uid, gid = ownerOf(t.old)
	case o.set:
	case os.Geteuid() == 0:
		info, err := os.Stat(filepath.Dir(t.path))
		if err != nil {
			return err
		}
		uid, gid = ownerOf(info)
	default:
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if u, g := ownerOf(info); u == uid && g == gid {
		return nil
	}
	if err := f.Chown(uid, gid); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("only root can give the file to user id %d, group id %d; run this as root: %w", uid, gid, errors.Unwrap(err))
		}
		return err
	}
	return nil
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	s := info.Sys().(*syscall.Stat_t) // on Linux it is nothing else
	return int(s.Uid), int(s.Gid)
}
