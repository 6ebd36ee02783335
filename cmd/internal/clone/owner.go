package clone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"trireme/engine/tree"
)

// owner is whom the files of the target are to belong to. The zero value is this process.
type owner struct {
	set      bool
	uid, gid int
	why      string // for people
}

// ownerFlag is why an owner counts that somebody named.
const ownerFlag = "--owner"

// parseOwner reads --owner: USER, USER:GROUP or numbers. A user without a group brings its own.
func parseOwner(s string) (owner, error) {
	name, group, hasGroup := strings.Cut(s, ":")
	o := owner{set: true, why: ownerFlag}
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	switch number, nerr := strconv.Atoi(name); {
	case err == nil:
		o.uid, _ = strconv.Atoi(u.Uid) // always a number on Linux
		o.gid, _ = strconv.Atoi(u.Gid)
	case nerr == nil && number >= 0 && hasGroup && group != "":
		o.uid = number
	default:
		return owner{}, fmt.Errorf("no user %q on this host", name)
	}
	if !hasGroup || group == "" {
		return o, nil
	}
	if g, err := user.LookupGroup(group); err == nil {
		o.gid, _ = strconv.Atoi(g.Gid)
	} else if o.gid, err = strconv.Atoi(group); err != nil || o.gid < 0 {
		return owner{}, fmt.Errorf("no group %q on this host", group)
	}
	return o, nil
}

// ownerOf takes the owner of the first directory that is there.
func ownerOf(dirs ...string) owner {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				return owner{set: true, uid: int(st.Uid), gid: int(st.Gid), why: "the owner of " + dir}
			}
		}
	}
	return owner{}
}

// mayGive says whether files made by this process can get the owner o.
func (o owner) mayGive() error {
	if !o.set || o.uid == os.Geteuid() || os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("files can be given to user %d by root only, and this is user %d; run as root or as that user", o.uid, os.Geteuid())
}

// doubt says what is odd about an owner that nobody named, or nothing. source is the source's, where that is known: a
// directory that root made to clone into would give the copy to root, and the server could not open it.
func (o owner) doubt(source owner) string {
	const advice = "--owner USER[:GROUP] names another"
	switch {
	case os.Geteuid() != 0 || o.why == ownerFlag:
		return ""
	case source.set && o.set && o.uid != source.uid:
		return fmt.Sprintf("the copy will belong to %s, who has the directory, and not to %s, as the source does; %s", userName(o.uid), userName(source.uid), advice)
	case !source.set && o.uid == 0:
		return "the copy will belong to root, and servers run as another user; " + advice
	}
	return ""
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// needed says whether anything has to be changed.
func (o owner) needed() bool {
	return o.set && os.Geteuid() == 0 && (o.uid != 0 || o.gid != os.Getegid())
}

// give lets everything that the transfer has written belong to o. It runs before the commit: whatever happens, no server
// finds a datadir that it cannot open. Files are opened as the copying itself opens them, so that no link leads elsewhere.
func (o owner) give(ctx context.Context, dirs *tree.Dirs) error {
	if !o.needed() {
		return nil
	}
	var others []tree.Entry
	err := dirs.Walk(ctx, func(_ *tree.Tree, e *tree.Entry) error {
		// What belongs to o already, as most of an old copy does, is left alone: giving it again would open it, and move its time of change.
		if (e.Class.Props().Joiner == tree.Mirror || e.Class == tree.Marker) && !o.has(e) {
			other := *e
			other.Path = strings.Clone(e.Path) // not with all the others' beside it
			others = append(others, other)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the files to be given to user %d: %w", o.uid, err)
	}
	for _, role := range tree.Roles {
		if dirs.Layout().Dir(role) != "" {
			if err := o.giveOne(dirs.OpenDir(role, ".")); err != nil {
				return err
			}
		}
	}
	for i := range others {
		e := &others[i]
		var err error
		switch {
		case e.Dir:
			err = o.giveOne(dirs.OpenDir(e.Role, e.Path))
		case e.Part:
			err = o.giveOne(dirs.OpenFile(e.Role, e.Path+tree.PartSuffix, os.O_RDONLY, 0))
		default:
			err = o.giveOne(dirs.OpenFile(e.Role, e.Path, os.O_RDONLY, 0))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// has says whether e belongs to o.
func (o owner) has(e *tree.Entry) bool { return int(e.UID) == o.uid && int(e.GID) == o.gid }

// giveOne gives away what was just opened, and closes it.
func (o owner) giveOne(f *os.File, err error) error {
	if err == nil {
		err = errors.Join(f.Chown(o.uid, o.gid), f.Close())
	}
	if err != nil {
		return fmt.Errorf("give the copy to user %d: %w", o.uid, err)
	}
	return nil
}
