package keyring

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"trireme/proto/msg"
)

const (
	// maxConfig bounds a configuration file; real ones have some hundred bytes.
	maxConfig = 64 << 10
	// tries and pause: a server writes its keyring in milliseconds, and not under our lock.
	tries = 5
	pause = 50 * time.Millisecond
	// backupEnd is the ending of the copy that the server makes before it changes the file.
	// A server that finds one at its start puts it in the file's place.
	backupEnd = ".backup"
	// draftEnd is the ending of the file that is not in place yet.
	draftEnd = ".trireme-new"
)

// Digest is a value that is the same for the same keys and tells nothing of them: keys are
// random. A file that is missing and one that is empty hold the same, nothing.
func Digest(content []byte) string {
	if len(content) == 0 {
		return "empty"
	}
	return fmt.Sprintf("sha256 %x", sha256.Sum256(content))
}

// Read returns the content of the keyring file, at most msg.MaxKeyring bytes; nothing when
// there is no file yet. It waits a quarter of a second at most for a server that is just
// writing. The content is the caller's to clear.
func (r Ring) Read() ([]byte, error) {
	for n := 1; ; n++ {
		content, moving, err := r.readOnce()
		if err != nil {
			return nil, fmt.Errorf("read the keyring: %w", err)
		}
		if !moving {
			return content, nil
		}
		clear(content)
		if n == tries {
			return nil, fmt.Errorf("read the keyring: %s is being changed, or %s was left behind by a crash; look at the server's error log", r.Path, r.Path+backupEnd)
		}
		time.Sleep(pause)
	}
}

func (r Ring) readOnce() (content []byte, moving bool, err error) {
	if _, err := os.Lstat(r.Path + backupEnd); err == nil {
		return nil, true, nil
	}
	f, err := openRegular(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close() // opened for reading
	before, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if content, err = readAll(f, msg.MaxKeyring); err != nil {
		return nil, false, err
	}
	testOnlyBeforeSecondLook()
	after, err := os.Stat(r.Path)
	if err != nil {
		clear(content)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, true, nil
		}
		return nil, false, err // not to be taken for a keyring without keys
	}
	_, err = os.Lstat(r.Path + backupEnd)
	moving = err == nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) || int64(len(content)) != after.Size()
	return content, moving, nil
}

// testOnlyBeforeSecondLook is where tests play the server that writes in the middle of a reading.
var testOnlyBeforeSecondLook = func() {}

// Place returns the file itself, links followed, after looking whether Install could
// replace it.
func (r Ring) Place() (string, error) {
	real, err := filepath.EvalSymlinks(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, lerr := os.Lstat(r.Path); lerr == nil {
			return "", fmt.Errorf("the keyring %s is a link to a file that does not exist; remove it, or make the file", r.Path)
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(r.Path))
		if err != nil {
			return "", fmt.Errorf("the directory of the keyring: %w; make it, for the server's user alone", err)
		}
		real = filepath.Join(dir, filepath.Base(r.Path))
	} else if err != nil {
		return "", fmt.Errorf("look for the keyring: %w", err)
	} else if info, err := os.Lstat(real); err != nil {
		return "", fmt.Errorf("look for the keyring: %w", err)
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("the keyring %s is no regular file", r.Path)
	}
	dir := filepath.Dir(real)
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("look for the keyring: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return "", fmt.Errorf("everybody may write into the directory %s of the keyring (mode %04o); chmod 0750 %s", dir, info.Mode().Perm(), dir)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return "", fmt.Errorf("the keyring cannot be put into %s: %w; the directory must belong to the server's user", dir, err)
	}
	return real, nil
}

// Install puts the donor's keys in the place of this node's: whole or not at all, durable,
// readable by the owner alone. A server run by root gets the file for the owner of like,
// its datadir.
func (r Ring) Install(content []byte, like string) (err error) {
	real, err := r.Place()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("put the donor's keyring into %s: %w", real, err)
		}
	}()
	draft := real + draftEnd
	if err := removeOld(draft); err != nil { // of a transfer that was killed
		return err
	}
	f, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeOld(draft))
		}
	}()
	if err = errors.Join(fill(f, content, owner(real, like)), f.Close()); err != nil {
		return err
	}
	// The server would put its own copy from before over the donor's keys.
	if err = removeOld(real + backupEnd); err != nil {
		return err
	}
	if err = os.Rename(draft, real); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(real))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func fill(f *os.File, content []byte, own *unix.Stat_t) error {
	if own != nil {
		if err := f.Chown(int(own.Uid), int(own.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(0o600); err != nil { // whatever the umask was
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

// owner says whose a new file must be: nil when it will be right by itself.
func owner(real, like string) *unix.Stat_t {
	if os.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	for _, path := range []string{real, like} {
		if unix.Stat(path, &st) == nil {
			return &st
		}
	}
	return nil
}

func removeOld(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Exposed says who else could read the keys; "" when nobody can.
func (r Ring) Exposed() string {
	info, err := os.Stat(r.Path)
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return ""
	}
	return fmt.Sprintf("everybody on this host may read or change the keyring %s (mode %04o)", r.Path, info.Mode().Perm())
}

// openRegular opens without waiting for the other end of a FIFO.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func readAll(f *os.File, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", f.Name(), limit)
	}
	if err != nil {
		clear(data)
		return nil, err
	}
	return data, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading
	return readAll(f, maxConfig)
}
