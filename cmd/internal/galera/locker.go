package galera

import (
	"context"
	"errors"
	"time"
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
	Freeze    time.Duration // wait after the report when FileFirst, 0 = 2 s; less than 2 s is for tests
	UUID      string        // the cluster's uuid, "" = any
	Parent    func() error  // non-nil error when the server is gone; nil func = not watched
}

// Locker takes and releases the donor's lock.
type Locker struct{}

// NewLocker returns a Locker.
func NewLocker(cfg LockerConfig) *Locker { return &Locker{} }

// Lock asks for the lock and waits for it.
func (l *Locker) Lock(ctx context.Context) (GTID, error) { return GTID{}, errors.ErrUnsupported }

// Unlock lets the server go on.
func (l *Locker) Unlock() error { return errors.ErrUnsupported }
