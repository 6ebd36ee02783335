package store

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"trireme/engine/tree"
)

// Config says where a Store works and for which transfer.
type Config struct {
	// Dirs are the open directories; they stay the caller's and must outlive the Store.
	Dirs *tree.Dirs
	// Layout is the one Dirs was opened with. It should have MaxBinlogs -1: this node
	// does not judge what the donor has sent.
	Layout tree.Layout
	// TransferID and DonorID are written to the journal, for people who find a half
	// copied directory. They hold no secrets (R-JOIN-7).
	TransferID, DonorID string
	// CheckGrastate makes Prepare insist that the server has given up its old state
	// (R-JOIN-1): true in a state transfer, false when cloning by hand.
	CheckGrastate bool
	// GrastateDir is the directory of the state file where that is not the datadir.
	GrastateDir string
	// GrastateWait bounds the wait for that; 0 means 5 s.
	GrastateWait time.Duration
	// Block keeps servers from starting until Commit by a directory in the place of the
	// system tablespace. Without it a server that is started finds none of its keystones,
	// makes an empty InnoDB and runs, beside tables of the copy: right for the node of a
	// cluster, which goes on to its next state transfer, and wrong for everybody else.
	Block bool
	// Manifest says that files which the last transfer has left and nobody has touched since
	// need not be read where the donor's have not changed either (Vouch), and that a manifest
	// is written for the next one. Only for transfers between datadirs at rest.
	Manifest bool
	// MaxOpen bounds open files; 0 means 256.
	MaxOpen int
	// MaxEntries bounds the catalog, counting removed entries too; 0 means the constant
	// of that name, which is the most. An entry takes about 140 bytes
	// and its path, 1.2 KB with the longest, so that the constant lets a peer who means
	// ill take some 20 GiB: set this where such a peer is thinkable.
	MaxEntries int
}

// Defaults of Config.
const (
	defaultGrastateWait = 5 * time.Second
	defaultMaxOpen      = 256
)

// state is how far a Store has come.
type state uint8

const (
	stateOpen state = iota + 1
	statePrepared
	stateSealed
	stateCommitted
	stateClosed
)

func (s state) String() string {
	switch s {
	case stateOpen:
		return "opened"
	case statePrepared:
		return "prepared"
	case stateSealed:
		return "sealed"
	case stateCommitted:
		return "committed"
	case stateClosed:
		return "closed"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Store is the joiner's copy. See the package comment for order and concurrency.
type Store struct {
	cfg   Config
	dirs  *tree.Dirs
	canon [tree.RoleBinlog + 1]tree.Role // the first role whose directory is that of the index
	used  [tree.RoleBinlog + 1]bool      // the configured layout has a directory for the role
	gate  gate                           // nil outside tests

	// calls serialises everything that changes the catalog or the state.
	calls sync.Mutex
	state state
	basis basis
	index index // live entries without a place in basis
	last  key   // of all entries that were ever live, the last in order
	// classes classifies what catalogs hold; made by Prepare.
	classes *tree.Classifier
	// parent is what hasParent found last, and parentOf for which role.
	parent       *entry
	parentOf     tree.Role
	umask        uint32  // of the process; 0777 when it is not known
	ledger       *ledger // nil: no manifest is used
	manifestNote string  // see ManifestNote
	// syncfds are opened before the first write, so that syncfs on them reports
	// every write error since (Linux 5.8 and later).
	syncfds []*os.File
	// fsyncAll is set when some file system does not report errors that way.
	fsyncAll atomic.Bool
	// inMemory is set when everything lies on tmpfs.
	inMemory atomic.Bool
	marked   bool // marker and journal exist
	touched  bool // they were about to exist once: see Touched

	mu      sync.RWMutex // guards entries, the slice only
	entries []*entry
	spare   []entry // for new ones

	files files
	notes notes

	changedMu sync.Mutex
	changed   map[key]struct{} // directories whose entries changed since their last fsync

	written atomic.Int64
	broken  atomic.Pointer[failure]
}

// failure is the first error that ended the Store.
type failure struct{ err error }

// Open returns a Store. Nothing is read or written before Prepare.
func Open(c Config) *Store {
	if c.GrastateWait == 0 {
		c.GrastateWait = defaultGrastateWait
	}
	if c.MaxOpen <= 0 {
		c.MaxOpen = defaultMaxOpen
	}
	if c.MaxEntries <= 0 || c.MaxEntries > MaxEntries {
		c.MaxEntries = MaxEntries
	}
	s := &Store{
		cfg: c, dirs: c.Dirs, state: stateOpen,
		umask: processUmask(), changed: map[key]struct{}{},
	}
	s.index.init(func(id uint32) *Spec { return &s.entries[id].spec })
	s.files.init(s, c.MaxOpen)
	s.notes.init()
	return s
}

// key names a path on this node. A file has one role here (see tree.Classify); only
// directories may be listed under two.
type key struct {
	role tree.Role
	path string
}

// compareRoles works out which roles share a directory.
func (s *Store) compareRoles() {
	l := s.dirs.Layout()
	for _, r := range tree.Roles {
		s.canon[r], s.used[r] = r, s.cfg.Layout.Dir(r) != ""
		for _, q := range tree.Roles {
			if q < r && l.Dir(q) != "" && l.Dir(q) == l.Dir(r) {
				s.canon[r] = q
				break
			}
		}
	}
}

// fail makes err final unless there is an earlier one, and returns the final error.
func (s *Store) fail(err error) error {
	s.broken.CompareAndSwap(nil, &failure{err})
	return s.broken.Load().err
}

// failed returns the error that ended the Store, or nil.
func (s *Store) failed() error {
	if f := s.broken.Load(); f != nil {
		return f.err
	}
	return nil
}

// errClosed is what block calls see after Commit or Close.
var errClosed = errors.New("store is closed")

// need reports why a call named what is not possible now. The caller holds s.calls.
func (s *Store) need(what string, want ...state) error {
	if err := s.failed(); err != nil {
		return err
	}
	for _, w := range want {
		if s.state == w {
			return nil
		}
	}
	return fmt.Errorf("%s: store is %s", what, s.state)
}

// Abort gives the transfer up: it closes all files and leaves marker and journal, so
// that the next attempt finds a basis and no server finds keystones (R-JOIN-8). It
// waits for running Apply and Digests calls. After a successful Commit it only closes.
func (s *Store) Abort() { _ = s.shut() }

// Close releases what the Store holds. Without a Commit before it, it is an Abort.
// The error is that of closing files; a second Close returns nil.
func (s *Store) Close() error { return s.shut() }

func (s *Store) shut() error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if s.state == stateClosed {
		return nil
	}
	s.state = stateClosed
	err := s.files.closeAll()
	return errors.Join(err, s.closeSyncFDs())
}

func (s *Store) closeSyncFDs() error {
	var errs []error
	for _, f := range s.syncfds {
		errs = append(errs, f.Close())
	}
	s.syncfds = nil
	return errors.Join(errs...)
}

// abs is a path for messages.
func (s *Store) abs(r tree.Role, path string) string { return s.dirs.Path(r, path) }
