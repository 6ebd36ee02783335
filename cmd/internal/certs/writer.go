package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// file is one that a command makes.
type file struct {
	path   string
	data   []byte
	secret bool   // a private key is in it
	what   string // for the person at the terminal
}

// writer puts files into their places.
type writer struct {
	force bool
	owner string
}

func (w *writer) flag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.force, "force", false, "replace files that exist")
	cmd.Flags().StringVar(&w.owner, "owner", "", "user or user:group that owns the files (who owns the file that is replaced; for root, who owns the directory)")
}

// write makes the files, all or none as far as a file system allows, and says on log what it made.
func (w writer) write(log io.Writer, files ...file) error {
	own, err := parseOwner(w.owner)
	if err != nil {
		return err
	}
	// Nothing is made before everything is known to have a place.
	var staged []*draft
	defer func() {
		for _, d := range staged {
			d.drop()
		}
	}()
	for _, f := range files {
		t, err := look(f.path, w.force)
		if err != nil {
			return err
		}
		d, err := t.stage(f, own)
		if err != nil {
			return err
		}
		staged = append(staged, d)
	}
	for _, d := range staged {
		if err := d.place(); err != nil {
			for _, done := range staged {
				done.undo()
			}
			return err
		}
	}
	for _, f := range files {
		fmt.Fprintf(log, "wrote %s: %s\n", f.path, f.what)
	}
	return nil
}

// target is the place of a file.
type target struct {
	path string      // links followed
	old  fs.FileInfo // of what is replaced; nil: nothing is there
}

func look(path string, force bool) (target, error) {
	// A link keeps leading where it led, or else a set-up would come apart.
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return target{}, fmt.Errorf("%s: is a link to a file that does not exist; remove it", path)
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return target{}, fmt.Errorf("%s: make the directory first: %w", path, err)
		}
		return target{path: path}, nil
	}
	if err != nil {
		return target{}, fmt.Errorf("look for %s: %w", path, err)
	}
	info, err := os.Lstat(real)
	switch {
	case err != nil:
		return target{}, fmt.Errorf("look for %s: %w", path, err)
	case !info.Mode().IsRegular():
		return target{}, fmt.Errorf("%s: exists and is no regular file", path)
	case !force:
		return target{}, fmt.Errorf("%s: exists already; give another name, or --force to replace it", path)
	}
	return target{path: real, old: info}, nil
}

// mode of the new file. The group of a key that is replaced keeps its right to read: Debian's ssl-cert works like that.
func (t target) mode(secret bool) fs.FileMode {
	switch {
	case t.old == nil && secret:
		return 0o600
	case t.old == nil:
		return 0o644
	case secret:
		return t.old.Mode().Perm()&0o040 | 0o600
	}
	return t.old.Mode().Perm()&0o044 | 0o600
}

// draft is a complete file without its name yet.
type draft struct {
	target
	temp   string // empty when it is gone
	placed bool
}

// stage writes the file beside its place.
func (t target) stage(f file, own owner) (d *draft, err error) {
	// Made with mode 0600 and a name that nobody can guess or have made before.
	out, err := os.CreateTemp(filepath.Dir(t.path), "."+filepath.Base(t.path)+".*.new")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", f.path, err)
	}
	d = &draft{target: t, temp: out.Name()}
	defer func() {
		if err != nil {
			d.drop()
			d, err = nil, fmt.Errorf("write %s: %w", f.path, err)
		}
	}()
	_, err = out.Write(f.data)
	if err == nil {
		err = own.give(out, t)
	}
	if err == nil {
		err = out.Chmod(t.mode(f.secret)) // after the change of owner, which may take bits away
	}
	if err == nil {
		err = out.Sync()
	}
	return d, errors.Join(err, out.Close())
}

// place gives the file its name. Whatever has come to be there in the meantime is not replaced unless that was allowed.
func (d *draft) place() error {
	if d.old != nil {
		if err := os.Rename(d.temp, d.path); err != nil {
			return fmt.Errorf("replace %s: %w", d.path, err)
		}
		d.temp = ""
	} else if err := os.Link(d.temp, d.path); err != nil {
		return fmt.Errorf("name %s: %w", d.path, err)
	}
	d.placed = true
	dir, err := os.Open(filepath.Dir(d.path))
	if err != nil {
		return fmt.Errorf("make %s durable: %w", d.path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("make %s durable: %w", d.path, err)
	}
	return nil
}

// drop removes what has no name.
func (d *draft) drop() {
	if d.temp != "" {
		_ = os.Remove(d.temp) // whatever hinders that is the news already
		d.temp = ""
	}
}

// undo takes back a file that was not there before. One that was replaced is lost.
func (d *draft) undo() {
	if d.placed && d.old == nil {
		_ = os.Remove(d.path) // whatever hinders that is the news already
	}
}
