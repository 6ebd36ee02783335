package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

var errSkel = errors.New("not written yet")

type Dirs struct{}

func Open(l Layout) (*Dirs, error) { return nil, errSkel }
func (d *Dirs) Close() error { return errSkel }
func (d *Dirs) Layout() *Layout { return nil } // as resolved at Open
func (d *Dirs) Create() error { return errSkel } // make missing role directories, 0700
func (d *Dirs) Scan(ctx context.Context) (*Tree, error) { return nil, errSkel }
func CheckEngines(ctx context.Context, d *Dirs, t *Tree) []Refusal { return nil }
func Engine(frm []byte) (string, error) { return "", errSkel }
func (l *Layout) Classify(dir Role, rel string, isDir bool) (Role, Class) { return dir, Foreign }
func (d *Dirs) OpenFile(role Role, path string, flag int, perm uint32) (*os.File, error) { return nil, errSkel }
// OpenDir opens a directory for reading, fsync or syncfs; path "." is the role's own.
func (d *Dirs) OpenDir(role Role, path string) (*os.File, error) { return nil, errSkel }
// OpenFilesystems opens one directory on every distinct file system (roots and linked databases), for syncfs.
func (d *Dirs) OpenFilesystems() ([]*os.File, error) { return nil, errSkel }
// Lstat never follows; the entry has Role, Path, Dir, Mode, Size, Allocated, ID, times; Class by Classify.
func (d *Dirs) Lstat(role Role, path string) (Entry, error) { return Entry{}, errSkel }
// StatFile is statx of an open file (fields as Lstat, no Role, Path, Class).
func StatFile(f *os.File) (Entry, error) { return Entry{}, errSkel }
func (d *Dirs) Remove(role Role, path string) error { return errSkel } // file or empty directory
func (d *Dirs) RemoveAll(role Role, path string) error { return errSkel }
func (d *Dirs) Rename(role Role, from, to string) error { return errSkel }
func (d *Dirs) Mkdir(role Role, path string, perm uint32) error { return errSkel }
func (d *Dirs) Chmod(role Role, path string, mode uint32) error { return errSkel }
func (d *Dirs) SyncDir(role Role, dir string) error { return errSkel } // "." = the role's own directory
func (d *Dirs) Path(role Role, rel string) string { return "" }

var _ = fs.ErrNotExist
