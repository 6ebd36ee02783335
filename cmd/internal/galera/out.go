package galera

import (
	"errors"
	"io"
)

// Out is the only writer of the protocol channel.
type Out struct{}

// NewOut returns the protocol channel of the role in a, on w.
func NewOut(w io.Writer, a Args) *Out { return &Out{} }

// Ready tells the joiner's server the address to put into the state request. It must be the first line.
func (o *Out) Ready(addr string) error { return errors.ErrUnsupported }

// Total reports the number of bytes ahead.
func (o *Out) Total(n int64) error { return errors.ErrUnsupported }

// Complete reports the number of bytes done.
func (o *Out) Complete(n int64) error { return errors.ErrUnsupported }

// FlushTables asks the donor's server for its lock.
func (o *Out) FlushTables() error { return errors.ErrUnsupported }

// Continue lets the donor's server go on.
func (o *Out) Continue() error { return errors.ErrUnsupported }

// Done ends the donor's conversation: the joiner has everything.
func (o *Out) Done(g GTID) error { return errors.ErrUnsupported }

// Final ends the joiner's conversation.
func (o *Out) Final(g GTID) error { return errors.ErrUnsupported }
