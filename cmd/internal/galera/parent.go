package galera

import (
	"context"
	"errors"
)

// Parent is the server that started this program, held by something that survives the reuse of its pid.
type Parent struct{}

// FindParent finds the server.
func FindParent(pid int) (*Parent, error) { return nil, errors.ErrUnsupported }

// PID returns the server's process number.
func (p *Parent) PID() int { return 0 }

// Alive returns nil while the server lives.
func (p *Parent) Alive() error { return nil }

// Wait blocks until the server is gone or ctx is done, and returns why.
func (p *Parent) Wait(ctx context.Context) error { return errors.ErrUnsupported }

// Close frees the handle.
func (p *Parent) Close() error { return nil }

// WatchParent is FindParent, Wait and Close in one call.
func WatchParent(ctx context.Context, pid int) error { return errors.ErrUnsupported }

// CloseInheritedFDs closes what the server leaked into this process and returns how many there were.
func CloseInheritedFDs() int { return 0 }
