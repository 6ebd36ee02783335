package wire

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// LostError says that a link has lost its connection and has no other.
type LostError struct {
	Link    uint16
	Cause   error         // how it was lost; nil: there never was one
	Last    error         // of the last attempt to open another; nil at the joiner, which cannot
	Limit   time.Duration // how long it took; 0: no limit has passed
	From    string        // where the limit comes from
	Silent  bool          // nothing arrived for Silence
	Silence time.Duration
	Gone    bool // nothing listens there any more
}

func (e *LostError) Error() string {
	text := "connection lost"
	switch {
	case e.Cause == nil:
		text = "no connection"
	case e.Silent && e.Silence > 0: // else it was given up because of another one
		text += fmt.Sprintf(": nothing came for %v", e.Silence)
	case errors.Is(e.Cause, io.EOF), errors.Is(e.Cause, io.ErrUnexpectedEOF):
		text += ": the other end or something in between closed it"
	default:
		text += ": " + e.Cause.Error()
	}
	switch {
	case e.Gone:
		text += fmt.Sprintf("; nothing has listened there for %v, so the joiner's program has ended", goneAfter)
	case e.Limit > 0:
		text += fmt.Sprintf("; not opened again within %v", e.Limit)
		if e.From != "" {
			text += " (" + e.From + ")"
		}
		if e.Last != nil {
			text += ": " + e.Last.Error()
		}
	}
	return text
}

func (e *LostError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Cause, e.Last} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// LinkError says that the peer, who has proved who it is, breaks the rules of a link.
type LinkError struct {
	Link uint16
	What string
}

func (e *LinkError) Error() string { return fmt.Sprintf("link %d: %s", e.Link, e.What) }
