package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/settings"
	"trireme/engine/tree"
)

// maxFile bounds what Read takes in: a summary with its passes has a few KiB.
const maxFile = 1 << 20

// Write replaces the status file. give is called with the new file before it has its name, to change whose it is; nil: it is ours.
func Write(path string, s *Status, give func(*os.File) error) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write status file %s: %w", path, err)
	}
	return replace(path, append(b, '\n'), statusHead, give)
}

// What files of ours begin with. A file that begins otherwise is somebody else's, a tablespace for instance, and is
// never replaced.
const (
	statusHead  = "{\n  \"version\":"
	metricsHead = "# HELP trireme_"
)

// open opens a file that may be anything: a pipe must not hold us up.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file; name another one", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// mine refuses a file that is there and is not ours.
func mine(path, head string) error {
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(head))))
	if err == nil && len(b) > 0 && string(b) != head {
		err = fmt.Errorf("%s is there already and not a file of this kind; name another one, or remove it", path)
	}
	return err
}

// Read reads a status file.
func Read(path string) (Status, error) {
	f, err := open(path)
	if err != nil {
		return Status{}, fmt.Errorf("read status file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return Status{}, fmt.Errorf("read status file: %w", err)
	}
	var s Status
	if err := json.Unmarshal(b, &s); err != nil {
		return Status{}, fmt.Errorf("read status file %s: %w", path, err)
	}
	if s.Version != Version {
		return Status{}, fmt.Errorf("read status file %s: it has version %d, this program knows %d", path, s.Version, Version)
	}
	return s, nil
}

// replace writes a file under another name and renames it. The other name begins with a dot, so that neither a
// copy nor a collector of metrics takes it for a file of its own, and is made anew, so that a link planted under it leads
// nowhere. head is what a file that may be replaced begins with.
func replace(path string, text []byte, head string, give func(*os.File) error) error {
	if err := mine(path, head); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil && give != nil {
		err = give(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // the first error is the news
	}
	return err
}

// Path is where the settings want the status file, and whether anybody asked for it by name; "" means none.
func Path(set *settings.Settings) (path string, wanted bool) {
	switch {
	case set.StatusOff:
		return "", false
	case set.StatusFile != "":
		return set.StatusFile, true
	}
	return filepath.Join(set.Datadir, tree.StatusName), false
}
