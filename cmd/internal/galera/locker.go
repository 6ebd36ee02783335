package galera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files by which a donor's server answers; they lie in the datadir (sst-contract 7.3, 7.4).
const (
	flushedFile = "tables_flushed"
	flushedTemp = "tables_flushed.tmp"
	errorFile   = "sst_error"
)

const (
	defaultTimeout = 10 * time.Minute
	defaultPoll    = 2 * time.Millisecond
	defaultSettle  = 2 * time.Second
	freezeWait     = 2 * time.Second
	// slowPoll and patience: a lock that was not granted within seconds waits for a long statement, and then ten
	// milliseconds more do not matter but a thousand looks a second do.
	slowPoll = 10 * time.Millisecond
	patience = 5 * time.Second
	// parentEvery is the pace of looking after the server, which costs more than a stat.
	parentEvery = 100 * time.Millisecond
	// maxFlushed bounds the file; its longest known form has about 130 bytes.
	maxFlushed = 4096
)

// LockerConfig says how a donor takes the lock of its server.
type LockerConfig struct {
	Out       *Out
	Datadir   string
	Family    Family
	FileFirst bool          // the server reports before it freezes (freeze flavour): wait on after the report
	Timeout   time.Duration // for one Lock, 0 = 10 minutes
	Poll      time.Duration // between two looks, 0 = 2 ms
	Settle    time.Duration // how long a first version may wait for its successor, 0 = 2 s
	Freeze    time.Duration // wait after the report when FileFirst, 0 = 2 s; less than 2 s only with a fake server
	UUID      string        // the cluster's uuid, "" = any
	Parent    func() error  // an error when the server is gone; a nil func = not watched
}

// withDefaults returns a copy with every zero replaced.
func (c LockerConfig) withDefaults() LockerConfig {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.Settle == 0 {
		c.Settle = defaultSettle
	}
	if c.Freeze == 0 {
		c.Freeze = freezeWait
	}
	return c
}

// Locker takes and releases the donor's lock, as often as it takes: each Lock and Unlock pair is one lock window. It is
// not safe for concurrent use.
//
// What a returned lock means: global read lock, provider paused, and the position of exactly this window. It does not
// mean that no file changes any more; some servers keep writing (consistency.md 0.3), so the copy has to be verified
// before Unlock.
type Locker struct {
	cfg    LockerConfig
	locked bool
	seqno  int64 // of the last granted window; positions never go back
}

// NewLocker returns a Locker. The caller keeps Out and may use it between the windows.
func NewLocker(cfg LockerConfig) *Locker {
	return &Locker{cfg: cfg.withDefaults(), seqno: -1}
}

// Lock asks for the lock and blocks until the server reports it, fails, is gone, the time is over, or ctx is done. Files
// of earlier attempts are removed before the request, so that only an answer to this one can be read (R-LOCK-2). On a
// freeze-flavour server the report comes before the freeze, and Lock waits two more seconds (R-LOCK-4).
//
// After an error the SST is over: the request may still be granted later, and only the exit of the program makes the
// server let go (R-LOCK-3). The error carries the exit code: 255 for the server's own failure, ExitPipe for a server
// that is gone, ExitTimeout, ExitProto for a report that cannot be.
func (l *Locker) Lock(ctx context.Context) (GTID, error) {
	if l.locked {
		return GTID{}, fmt.Errorf("lock the donor's tables: %w", ErrOrder)
	}
	// A file that cannot be removed would be taken for the answer.
	if err := l.clear(); err != nil {
		return GTID{}, fmt.Errorf("lock the donor's tables: %w", err)
	}
	if err := l.cfg.Out.FlushTables(); err != nil {
		return GTID{}, fmt.Errorf("lock the donor's tables: %w", err)
	}
	l.locked = true
	g, err := l.await(ctx)
	if err != nil {
		// The exit code and the log say it; the empty file would only puzzle the next reader of the datadir.
		_ = l.clear()
		return GTID{}, fmt.Errorf("lock the donor's tables: %w", err)
	}
	l.seqno = g.Seqno
	return g, nil
}

// Unlock lets the server go on and removes its files again: a server that writes tables_flushed twice may have left the
// second version lying, where the next SST would find it. Without a granted lock it does nothing.
func (l *Locker) Unlock() error {
	if !l.locked {
		return nil
	}
	// Remove first: nothing is written between here and the answer to continue.
	clearErr := l.clear()
	if err := l.cfg.Out.Continue(); err != nil {
		return fmt.Errorf("unlock the donor's tables: %w", err)
	}
	l.locked = false
	// The server may have been between its two versions until it read the line.
	if err := errors.Join(clearErr, l.clear()); err != nil {
		return fmt.Errorf("unlock the donor's tables: %w", err)
	}
	return nil
}

// clear removes the server's answers of earlier windows.
func (l *Locker) clear() error {
	var first error
	for _, name := range []string{flushedFile, flushedTemp, errorFile} {
		err := os.Remove(filepath.Join(l.cfg.Datadir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && first == nil {
			first = fmt.Errorf("%w; remove this file by hand and see who owns the directory", err)
		}
	}
	return first
}

// await waits for the answer to a request that was just printed.
func (l *Locker) await(ctx context.Context) (GTID, error) {
	start := time.Now()
	timer := time.NewTimer(l.cfg.Poll)
	defer timer.Stop()
	w := wait{l: l, deadline: start.Add(l.cfg.Timeout)}
	for {
		granted, err := w.look(time.Now())
		if err != nil {
			return GTID{}, err
		}
		if granted {
			return w.position, nil
		}
		poll := l.cfg.Poll
		if time.Since(start) > patience {
			poll = max(poll, slowPoll)
		}
		timer.Reset(poll)
		select {
		case <-ctx.Done():
			return GTID{}, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// wait is the state of one await.
type wait struct {
	l        *Locker
	deadline time.Time
	asked    time.Time // when Parent was called last

	position GTID      // of the newest acceptable version
	firstAt  time.Time // when any version was seen first
	seenAt   time.Time // when the first acceptable version was seen
	final    bool      // position is of a version that has no successor
	rejected error     // why the newest version is not acceptable
}

// look takes one look at the datadir and the server.
func (w *wait) look(now time.Time) (granted bool, err error) {
	cfg := &w.l.cfg
	if cfg.Family == MariaDB || cfg.Family == Codership80 {
		// The other families never write this file; a stray one is not theirs.
		if _, err := os.Lstat(filepath.Join(cfg.Datadir, errorFile)); err == nil {
			return false, exitf(ExitUnknown, "the server reports that it could not flush and lock its tables (%s); "+
				"its error log says why, a lock_wait_timeout that ran out is the usual reason", filepath.Join(cfg.Datadir, errorFile))
		}
	}
	if cfg.Parent != nil && now.Sub(w.asked) >= parentEvery {
		w.asked = now
		if err := cfg.Parent(); err != nil {
			return false, err
		}
	}
	if err := w.read(now); err != nil {
		return false, err
	}
	settled := w.final || !w.seenAt.IsZero() && now.Sub(w.seenAt) >= cfg.Settle
	if settled && (!cfg.FileFirst || now.Sub(w.seenAt) >= cfg.Freeze) {
		return true, nil
	}
	if w.rejected != nil && now.Sub(w.firstAt) >= cfg.Settle {
		return false, w.rejected
	}
	if now.After(w.deadline) {
		return false, exitf(ExitTimeout, "the server did not report its lock within %s; a long statement on the donor may "+
			"hold it up", cfg.Timeout)
	}
	return false, nil
}

// read looks at the report. A version that cannot be ours is kept as the reason to fail with after the settling time,
// because a better one may be about to replace it.
func (w *wait) read(now time.Time) error {
	path := filepath.Join(w.l.cfg.Datadir, flushedFile)
	content, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the server's lock report: %w", err)
	}
	if w.firstAt.IsZero() {
		w.firstAt = now
	}
	g, first, err := parseFlushed(content)
	if err == nil {
		err = w.l.acceptable(g)
	}
	if err != nil {
		w.rejected, w.final, w.seenAt, w.position = exitf(ExitProto, "%s: %w", path, err), false, time.Time{}, GTID{}
		return nil
	}
	w.rejected = nil
	if w.seenAt.IsZero() {
		w.seenAt = now
	}
	// Only MariaDB writes twice; elsewhere the first version is the last.
	w.position, w.final = g, !first || w.l.cfg.Family != MariaDB
	return nil
}

// acceptable reports why g cannot be the position of this window (R-LOCK-2).
func (l *Locker) acceptable(g GTID) error {
	switch {
	case l.cfg.UUID != "" && !strings.EqualFold(g.UUID, l.cfg.UUID):
		return fmt.Errorf("position of another cluster, %s instead of %s", g.UUID, l.cfg.UUID)
	case g.Seqno < 0:
		return fmt.Errorf("position %s is undefined", g)
	case g.Seqno < l.seqno:
		return fmt.Errorf("position %s is older than %d of the window before", g, l.seqno)
	}
	return nil
}

// parseFlushed reads tables_flushed. MariaDB from 10.4 on writes it twice in a row; the first version ends with an empty
// line and the second, which is the truth, does not (sst-contract 7.4).
func parseFlushed(content []byte) (g GTID, first bool, err error) {
	line, rest, ended := bytes.Cut(content, []byte("\n"))
	if !ended {
		return GTID{}, false, fmt.Errorf("unfinished line %q", clip(string(line)))
	}
	g, err = ParseGTID(string(line))
	if err != nil {
		return GTID{}, false, err
	}
	if len(bytes.Trim(rest, "\n")) != 0 {
		return GTID{}, false, fmt.Errorf("unexpected second line %q", clip(string(rest)))
	}
	return g, len(rest) > 0, nil
}

// readSmall reads a file of the server without following a link, and no more of it than a report can have.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFlushed+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFlushed {
		return nil, exitf(ExitProto, "%s: more than %d bytes", path, maxFlushed)
	}
	return content, nil
}
