package clone

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"trireme/cmd/internal/ends"
	"trireme/engine/tree"
)

// target is a directory that is about to be written.
type target struct {
	lay   tree.Layout
	lock  *os.File // the directory, locked against other transfers; nil while it does not exist
	story string   // what was found, for people
}

// openTarget decides whether lay may be written into. Nothing is changed.
func openTarget(lay tree.Layout, intoExisting bool) (*target, error) {
	t := &target{lay: lay}
	names, err := content(lay.Data)
	if errors.Is(err, fs.ErrNotExist) {
		t.story = "it does not exist yet"
		return t, t.others(intoExisting)
	}
	if err != nil {
		return nil, coded(exitTarget, fmt.Errorf("open the target: %w", err))
	}
	switch {
	case len(names) == 0:
		t.story = "it is empty"
	case remains(lay.Data):
		t.story = "it holds what an earlier transfer left, which is compared and used"
	case !looksLikeDatadir(&lay):
		return nil, coded(exitTarget, fmt.Errorf("the target %s is not empty (%s) and not a datadir, so nothing is written into it; name an empty or a new directory", lay.Data, some(names)))
	case !intoExisting:
		return nil, coded(exitTarget, fmt.Errorf("the target %s holds a datadir already; with --into-existing it becomes a copy of the source, and what the source does not have is deleted", lay.Data))
	default:
		t.story = "its datadir becomes a copy of the source"
	}
	if err := t.unused(); err != nil {
		return nil, err
	}
	if err := t.others(intoExisting); err != nil {
		return nil, err
	}
	return t, t.acquire()
}

// unused refuses a target that a server runs on, or that is a node of a cluster with a state. It is asked again right before the
// first change: a ticket is good for long enough to start a server in the meantime.
func (t *target) unused() error {
	if _, err := os.Stat(t.lay.Data); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h, err := holdStill(&t.lay)
	if errors.Is(err, errInUse) {
		return coded(exitTarget, fmt.Errorf("the target is in use: %w; stop that server first", err))
	}
	if err != nil {
		return withCode(err)
	}
	// No server can start on the target once its keystones are hidden; our own lock would only be in the way then.
	if err := h.release(); err != nil {
		return withCode(err)
	}
	// What a link leads to becomes equal to the source as well, with the rights of whoever runs this. That is meant for databases
	// that an administrator has put elsewhere, and for nothing else.
	found, err := links(t.lay.Data)
	if err != nil {
		return coded(exitTarget, fmt.Errorf("look for links in the target: %w", err))
	}
	for _, link := range found {
		name, _, _ := strings.Cut(link, " -> ")
		if slices.Contains(lockFiles(&t.lay), filepath.Join(t.lay.Data, name)) {
			return coded(exitTarget, fmt.Errorf("the target's %s is a symbolic link, and a copy would have to be behind it; remove the link, or name the directory where the file shall be by option", filepath.Join(t.lay.Data, link)))
		}
		if dir := filepath.Join(t.lay.Data, name); !emptyOrDatabase(dir) {
			return coded(exitTarget, fmt.Errorf("the target has the symbolic link %s, which leads to something that is no database and would be overwritten; remove the link, or name another directory", filepath.Join(t.lay.Data, link)))
		}
	}
	return stillNeeded(t.lay.Data)
}

// emptyOrDatabase says whether a link leads to a directory that holds nothing, or tables and nothing else. A link that leads
// nowhere, or to a file, harms nobody: it is removed or refused, and never followed.
func emptyOrDatabase(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return true
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !tableFile.MatchString(e.Name()) {
			return false
		}
	}
	return true
}

// tableFile are the files that servers keep in the directory of a database.
var tableFile = regexp.MustCompile(`^(db\.opt|.+\.(frm|ibd|isl|cfg|par|MAI|MAD|MYI|MYD|MRG|CSV|CSM|ARZ|ARM|TRG|TRN|sdi))$`)

// others looks at the further directories of the target, which may not hold foreign files either.
func (t *target) others(intoExisting bool) error {
	for _, r := range tree.Roles {
		dir := t.lay.Dir(r)
		if dir == "" || dir == t.lay.Dir(tree.RoleData) || r == tree.RoleBinlog || intoExisting || remains(t.lay.Data) {
			continue
		}
		if names, err := content(dir); err == nil && len(names) > 0 {
			return coded(exitTarget, fmt.Errorf("the target's directory %s (%s) is not empty (%s); name an empty one, or say --into-existing", dir, r.Option(), some(names)))
		}
	}
	if err := ends.Writable(t.lay); err != nil {
		return coded(exitTarget, err)
	}
	return nil
}

// acquire locks the directory against other transfers by hand. The lock ends with us.
func (t *target) acquire() error {
	f, err := os.Open(t.lay.Data)
	if err != nil {
		return coded(exitTarget, fmt.Errorf("open the target: %w", err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was done with it
		if err == unix.EWOULDBLOCK {
			return coded(exitTarget, fmt.Errorf("another transfer writes into %s; wait for it or stop it", t.lay.Data))
		}
		return coded(exitTarget, fmt.Errorf("lock the target %s: %w", t.lay.Data, err))
	}
	t.lock = f
	return nil
}

// create makes the directory where it is missing, and locks it.
func (t *target) create() error {
	if t.lock != nil {
		return nil
	}
	// The datadir is private, the way to it is not: the server's user has to get there.
	err := os.MkdirAll(filepath.Dir(t.lay.Data), 0o755)
	if err == nil {
		err = os.Mkdir(t.lay.Data, 0o700)
	}
	if err != nil {
		return coded(exitTarget, fmt.Errorf("make the target: %w", err))
	}
	return t.acquire()
}

func (t *target) close() error {
	if t.lock == nil {
		return nil
	}
	return t.lock.Close()
}

// content lists what lies in dir, without what does not matter: our own status file and what file systems put there.
func content(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		switch name := e.Name(); name {
		case "lost+found", tree.StatusName, "." + tree.StatusName + ".tmp":
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// remains reports whether a transfer was cut off in dir.
func remains(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, tree.JournalName))
	return err == nil && bytes.HasPrefix(text, []byte("trireme journal "))
}

// stillNeeded refuses a node of a cluster that has a state: the file that says so would survive and be wrong about the new
// data, and the node would take up from a position it never had.
func stillNeeded(dir string) error {
	path := filepath.Join(dir, "grastate.dat")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return coded(exitTarget, fmt.Errorf("look at the target's state: %w", err))
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if strings.TrimSpace(name) == "uuid" && strings.Trim(value, "0-") != "" {
			return coded(exitTarget, fmt.Errorf("%s says that the target has the state %s of a cluster, which would not be true of the copy; remove the file if that state may go", path, value))
		}
	}
	return nil
}

func some(names []string) string {
	const shown = 3
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}
