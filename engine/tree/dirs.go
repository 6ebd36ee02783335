package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Dirs holds the directories of a Layout open. All methods may be called concurrently; Close waits for the others.
//
// Everything below a directory is opened one component at a time with O_NOFOLLOW. That is stricter than os.Root, which
// follows links that stay inside: a link inside one database that leads to another would let a peer's path name a file
// twice. Where the kernel has openat2 it does the same at once.
type Dirs struct {
	configured, resolved Layout
	rules                *rules

	life   sync.RWMutex // held for reading while descriptors are in use
	roots  [RoleBinlog + 1]root
	closed bool

	beneath bool // paths can be opened with one call; constant but for tests

	linkMu  sync.Mutex
	links   map[string]link // symbolic links at the top of the datadir that lead to directories
	retired []int           // descriptors of links that changed since; they may still be in use

	expect atomic.Int64 // how many entries the next scan will find, by the last one or by Expect

	engineMu sync.Mutex
	engines  map[FileID]engineSeen
}

// root is an open directory; fd is -1 while it does not exist.
type root struct {
	fd int
	id dirID
}

type link struct {
	fd int
	id dirID
}

// dirID identifies a directory while it is held open.
type dirID struct{ dev, ino uint64 }

// Open opens the directories of l. A directory that does not exist is not an error: a joiner calls Create for it, and
// Scan refuses to work without it. Errors name the directory and the server option that sets it.
func Open(l Layout) (*Dirs, error) {
	d := &Dirs{configured: l, links: map[string]link{}, engines: map[FileID]engineSeen{}, beneath: canBeneath()}
	for i := range d.roots {
		d.roots[i].fd = -1
	}
	if l.Data == "" {
		return nil, errors.New("open datadir: no path given")
	}
	for _, r := range Roles {
		if dir := l.Dir(r); dir != "" && !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("open %s directory %q (%s): expected an absolute path", r, dir, r.Option())
		}
	}
	if err := d.openRoots(); err != nil {
		d.closeAll()
		return nil, err
	}
	return d, nil
}

// openRoots opens whatever is not open yet and works out which roles share a directory.
func (d *Dirs) openRoots() error {
	resolved := d.configured
	for _, r := range Roles {
		dir := d.configured.Dir(r)
		if dir == "" {
			continue
		}
		real, err := filepath.EvalSymlinks(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			real = dir
		case err != nil:
			return fmt.Errorf("resolve %s directory (%s): %w", r, r.Option(), err)
		case d.roots[r].fd < 0:
			if err := d.openRoot(r, real); err != nil {
				return err
			}
		}
		switch r {
		case RoleData:
			resolved.Data = real
		case RoleInnoDBHome:
			resolved.InnoDBHome = real
		case RoleRedo:
			resolved.Redo = real
		case RoleUndo:
			resolved.Undo = real
		case RoleAria:
			resolved.Aria = real
		case RoleBinlog:
			resolved.Binlog = real
		}
	}
	// Relative names mean the same under both directories; absolute ones are kept for Scan to refuse.
	resolved.SystemFiles = nil
	for _, f := range d.configured.SystemFiles {
		if name, ok := d.configured.systemName(f); ok {
			f = name
		}
		resolved.SystemFiles = append(resolved.SystemFiles, f)
	}
	d.resolved = resolved
	d.rules = newRules(&d.configured, &d.resolved)
	return nil
}

func (d *Dirs) openRoot(r Role, dir string) error {
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("open %s directory %s (%s): %w", r, dir, r.Option(), err)
	}
	id, err := identify(fd)
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("stat %s directory %s (%s): %w", r, dir, r.Option(), err)
	}
	d.roots[r] = root{fd, id}
	return nil
}

// Create makes the role directories that are missing, parents included, with mode 0700, makes their names durable, and
// opens them. It must not run beside other methods.
func (d *Dirs) Create() error {
	d.life.Lock()
	defer d.life.Unlock()
	if d.closed {
		return fs.ErrClosed
	}
	for _, r := range Roles {
		dir := d.configured.Dir(r)
		if dir == "" || d.roots[r].fd >= 0 {
			continue
		}
		if err := makeDirs(dir); err != nil {
			return fmt.Errorf("create %s directory (%s): %w", r, r.Option(), err)
		}
	}
	return d.openRoots()
}

// makeDirs makes dir and its missing parents, and fsyncs each parent that got a new entry.
func makeDirs(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: unix.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	p, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(p.Sync(), p.Close())
}

// Close releases the directories. It waits for running methods; later calls of methods fail with fs.ErrClosed.
func (d *Dirs) Close() error {
	d.life.Lock()
	defer d.life.Unlock()
	d.closed = true
	return d.closeAll()
}

func (d *Dirs) closeAll() error {
	d.linkMu.Lock()
	defer d.linkMu.Unlock()
	var errs []error
	for i := range d.roots {
		if d.roots[i].fd >= 0 {
			errs = append(errs, unix.Close(d.roots[i].fd))
		}
		d.roots[i] = root{fd: -1}
	}
	for _, l := range d.links {
		errs = append(errs, unix.Close(l.fd))
	}
	for _, fd := range d.retired {
		errs = append(errs, unix.Close(fd))
	}
	d.links, d.retired = map[string]link{}, nil
	return errors.Join(errs...)
}

// Layout returns the layout with symbolic links in the configured directories resolved. It must not be modified.
func (d *Dirs) Layout() *Layout { return &d.resolved }

// Classify is Layout.Classify for the directories as they are on disk.
func (d *Dirs) Classify(dir Role, rel string, isDir bool) (Role, Class) {
	return d.rules.classify(dir, rel, isDir)
}

// Path returns the absolute path of rel as the administrator configured it. It is for messages only: opening it would
// follow links.
func (d *Dirs) Path(role Role, rel string) string {
	return filepath.Join(d.configured.Dir(role), filepath.FromSlash(rel))
}

// setLink records that name in the datadir leads to the directory behind fd, and takes fd over.
func (d *Dirs) setLink(name string, fd int, id dirID) int {
	d.linkMu.Lock()
	defer d.linkMu.Unlock()
	if old, ok := d.links[name]; ok {
		if old.id == id {
			_ = unix.Close(fd)
			return old.fd
		}
		d.retired = append(d.retired, old.fd)
	}
	d.links[name] = link{fd, id}
	return fd
}

// keepLinks forgets every link that the last scan did not see.
func (d *Dirs) keepLinks(seen map[string]bool) {
	d.linkMu.Lock()
	defer d.linkMu.Unlock()
	for name, l := range d.links {
		if !seen[name] {
			d.retired = append(d.retired, l.fd)
			delete(d.links, name)
		}
	}
}

// linkAt returns the directory behind a link at the top of the directory of role.
func (d *Dirs) linkAt(role Role, name string) (int, bool) {
	if d.rules.home[role] != RoleData {
		return -1, false
	}
	d.linkMu.Lock()
	defer d.linkMu.Unlock()
	l, ok := d.links[name]
	return l.fd, ok
}
