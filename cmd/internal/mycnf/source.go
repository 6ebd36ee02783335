package mycnf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// debianDirs is the list compiled into Debian's packages. Red Hat's read /etc only; naming a
// directory without an option file does no harm.
var debianDirs = []string{"/etc", "/etc/mysql"}

// Source says where option files are looked for. The zero value reads the default locations without those
// that depend on the environment.
type Source struct {
	DefaultsFile string   // read this file and nothing else
	ExtraFile    string   // read this one before the one in the home directory
	GroupSuffix  string   // every group G is read as G and as G with this suffix
	NoDefaults   bool     // read nothing at all
	Home         string   // the server's $HOME
	MySQLHome    string   // the server's $MARIADB_HOME, else its $MYSQL_HOME
	Dirs         []string // directories holding a my.cnf; nil means Debian's list
}

// Read reads all option files of the source in the server's order. A default file that is missing or cannot be
// opened is skipped; a file asked for by name must be there. A syntax error in a file
// read directly is an error, in an included file a warning (the server's rule).
func Read(s Source) (*File, error) {
	r := &reader{home: s.Home, out: &File{suffix: s.GroupSuffix}}
	switch {
	case s.NoDefaults:
		return r.out, nil
	case s.DefaultsFile != "":
		if err := r.required("defaults-file", s.DefaultsFile); err != nil {
			return nil, err
		}
		return r.out, nil
	}
	for _, dir := range s.dirs() {
		if _, err := r.file(filepath.Join(dir, "my.cnf"), 0); err != nil {
			return nil, err
		}
	}
	if s.ExtraFile != "" {
		if err := r.required("defaults-extra-file", s.ExtraFile); err != nil {
			return nil, err
		}
	}
	if s.Home != "" {
		if _, err := r.file(filepath.Join(s.Home, ".my.cnf"), 0); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

// required reads a file that somebody named on a command line.
func (r *reader) required(option, name string) error {
	missing, err := r.file(r.expand(name), 0)
	if missing != nil {
		return fmt.Errorf("read option file named by --%s: %w", option, missing)
	}
	return err
}

// dirs is the list of directories with $MYSQL_HOME at its end. One named twice is read once, at its later place.
func (s Source) dirs() []string {
	all := s.Dirs
	if all == nil {
		all = debianDirs
	}
	if s.MySQLHome != "" {
		all = append(append([]string(nil), all...), s.MySQLHome)
	}
	var out []string
	for i, dir := range all {
		later := false
		for _, other := range all[i+1:] {
			later = later || filepath.Clean(other) == filepath.Clean(dir)
		}
		if !later {
			out = append(out, dir)
		}
	}
	return out
}

// worldWritable reports a regular file that everybody may change. On a file system mounted read-only, or
// where we ourselves may not write, the permission bit is worth nothing and is overlooked, as in the server.
func worldWritable(name string) (bool, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	if !fi.Mode().IsRegular() || fi.Mode().Perm()&0o002 == 0 {
		return false, nil
	}
	err = unix.Access(name, unix.W_OK)
	return !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES), nil
}

// readLimited reads a whole option file. A directory under the name counts as an empty file, as
// it does for the server.
func readLimited(name string) (data []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if fi, err := f.Stat(); err == nil && fi.IsDir() {
		return nil, nil
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("read %s: file is larger than %d MiB, which no option file is", name, maxFileSize>>20)
	}
	return data, nil
}
