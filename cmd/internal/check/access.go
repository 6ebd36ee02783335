package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is the user whose rights count: the server's, who is seldom the one who asks.
type account struct {
	name string
	uid  uint32
	gids []uint32
	from string // why this one
}

// serverAccount finds the user of the server: what is asked for, else the option user, else the owner of the datadir.
func serverAccount(asked, option, optionFrom, datadir string) (account, error) {
	from := "--user"
	if asked == "" {
		asked, from = option, "option user, "+optionFrom
	}
	if asked == "" {
		var st syscall.Stat_t
		if err := syscall.Stat(datadir, &st); err != nil {
			return account{}, fmt.Errorf("look who owns %s: %w", datadir, err)
		}
		asked, from = strconv.Itoa(int(st.Uid)), "owner of the datadir"
	}
	u, err := user.Lookup(asked)
	if err != nil {
		if u, err = user.LookupId(asked); err != nil {
			// A number without a name is a user all the same.
			n, perr := strconv.ParseUint(asked, 10, 32)
			if perr != nil {
				return account{}, fmt.Errorf("look up user %q (%s): %w", asked, from, err)
			}
			return account{name: asked, uid: uint32(n), from: from}, nil
		}
	}
	a := account{name: u.Username, from: from}
	if n, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
		a.uid = uint32(n)
	}
	ids, err := u.GroupIds()
	if err != nil {
		ids = []string{u.Gid}
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.gids = append(a.gids, uint32(n))
		}
	}
	return a, nil
}

// Rights, as in the last three mode bits.
const (
	mayRead  = 4
	mayWrite = 2
	mayEnter = 1
)

// may reports whether the account has the rights to path, by owner and mode, and that it can enter every directory above. The error
// names the file or directory that stands in the way.
func (a account) may(path string, rights uint32) error {
	if a.uid == 0 {
		_, err := os.Stat(path)
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		if err := a.has(dir, mayEnter); err != nil {
			return err
		}
		if dir == "/" || dir == "." {
			break
		}
	}
	return a.has(real, rights)
}

func (a account) has(path string, rights uint32) error {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	bits := st.Mode & 7
	switch {
	case st.Uid == a.uid:
		bits = st.Mode >> 6 & 7
	case slices.Contains(a.gids, st.Gid):
		bits = st.Mode >> 3 & 7
	}
	if bits&rights == rights {
		return nil
	}
	what := map[uint32]string{mayRead: "read", mayEnter: "enter", mayWrite | mayEnter: "write to"}[rights]
	return fmt.Errorf("user %s may not %s %s (owner %s, mode %04o)", a.name, what, path, ownerName(st.Uid), st.Mode&0o7777)
}

func ownerName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// mayMake reports whether the account can write into a directory, or make it where it is missing.
func (a account) mayMake(dir string) error {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		err := a.may(at, mayWrite|mayEnter)
		if errors.Is(err, fs.ErrNotExist) && at != "/" {
			continue
		}
		return err
	}
}
