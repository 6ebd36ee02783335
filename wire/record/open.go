package record

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// opener is the receiving direction. Records come into buf as many at a time as there are, and are opened one by one into the
// reader's slice, or in place when they do not fit.
type opener struct {
	half
	from    net.Conn
	client  bool // this end is the client, which may be sent session tickets
	buf     []byte
	at, end int                         // what has been read and not opened is buf[at:end]
	plain   []byte                      // opened in place and not delivered; at or before buf[at]
	useless int                         // records in a row without content
	err     error                       // sticky; of a deadline it is not
	alert   func(alert byte, why error) // tells the other end, which ends the other direction as well
}

// errCut tells a stream that just stops from one that was closed.
var errCut = fmt.Errorf("the connection was cut off: %w", io.ErrUnexpectedEOF)

// Read returns content of at most one record. All of p may be written to, also when less is returned.
func (o *opener) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if len(o.plain) > 0 {
			n := copy(p, o.plain)
			o.plain = o.plain[n:]
			return n, nil
		}
		if o.err != nil {
			return 0, o.err
		}
		r, err := o.record()
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				o.err = err
			}
			return 0, err
		}
		to := r[headerSize:]
		direct := len(p) >= len(to)-tagSize
		if direct {
			to = p
		}
		typ, content, err := o.open(to, r)
		if err == nil && typ != typeData {
			content, err = nil, o.heed(typ, content)
		}
		if err == nil && len(content) == 0 {
			err = o.idle()
		}
		switch {
		case err != nil:
			o.err = err
		case len(content) == 0:
		case direct:
			o.useless = 0
			return len(content), nil
		default:
			o.useless = 0
			o.plain = content
		}
	}
	return 0, nil
}

// record waits for the next record and returns it with its header. It is valid until the following call.
func (o *opener) record() ([]byte, error) {
	if err := o.need(headerSize); err != nil {
		return nil, err
	}
	h := o.buf[o.at : o.at+headerSize]
	n := length(h)
	switch {
	case h[0] != typeData:
		// RFC 8446 section 5: not even the change_cipher_spec of middleboxes is allowed here.
		return nil, o.refuse(alertUnexpectedMessage, fmt.Sprintf("record of type %d is not protected", h[0]))
	case h[1] != 3 || h[2] != 3:
		return nil, o.refuse(alertProtocolVersion, fmt.Sprintf("record of version %d.%d, wanted 3.3", h[1], h[2]))
	case n > maxLength:
		return nil, o.refuse(alertRecordOverflow, fmt.Sprintf("record of %d bytes, at most %d are allowed", n, maxLength))
	case n < 1+tagSize:
		return nil, o.refuse(alertBadRecordMAC, fmt.Sprintf("record of %d bytes has no room for its tag", n))
	}
	if err := o.need(headerSize + n); err != nil {
		return nil, err
	}
	r := o.buf[o.at : o.at+headerSize+n]
	o.at += len(r)
	return r, nil
}

// need reads until there are n bytes that have not been opened. n is at most a record with its header.
func (o *opener) need(n int) error {
	for o.end-o.at < n {
		if len(o.buf) < n {
			b := make([]byte, max(n, narrow))
			o.end = copy(b, o.buf[o.at:o.end])
			o.buf, o.at = b, 0
		}
		// The part of a record goes to the front: with a buffer that holds full records exactly, reads then end where
		// records end, and there is no part any more.
		if o.at > 0 {
			o.end = copy(o.buf, o.buf[o.at:o.end])
			o.at = 0
		}
		got, err := o.from.Read(o.buf[o.end:])
		o.end += got
		switch {
		case o.end-o.at >= n: // an error that came with data comes again
		case err == io.EOF:
			return errCut
		case err != nil:
			return err
		}
	}
	return nil
}

// open authenticates and decrypts record r into to, which is r's own content or does not overlap it, and returns its inner type and content
// (section 5.4). On an error to holds nothing of it.
func (o *opener) open(to, r []byte) (typ byte, content []byte, err error) {
	nonce, err := o.next()
	if err != nil {
		return 0, nil, err
	}
	inner, err := o.aead.Open(to[:0], nonce, r[headerSize:], r[:headerSize])
	if err != nil {
		return 0, nil, o.refuse(alertBadRecordMAC, "record is not what the other end sent")
	}
	if len(inner) > MaxContent+1 {
		return 0, nil, o.refuse(alertRecordOverflow, fmt.Sprintf("record with %d bytes of content, at most %d are allowed", len(inner)-1, MaxContent))
	}
	n := len(inner) - 1
	for n >= 0 && inner[n] == 0 {
		n--
	}
	if n < 0 {
		return 0, nil, o.refuse(alertUnexpectedMessage, "record of padding alone")
	}
	return inner[n], inner[:n], nil
}

// heed acts on a record that is not data. What it does not refuse is of no use.
func (o *opener) heed(typ byte, content []byte) error {
	switch {
	case typ == typeAlert && len(content) == 2:
		switch a := content[1]; a {
		case alertCloseNotify:
			return io.EOF
		case alertUserCanceled: // a warning in all but name: some stacks send it before they close
			return nil
		default:
			return fmt.Errorf("the other end gave up: %w", tls.AlertError(a))
		}
	case typ == typeHandshake:
		return o.messages(content)
	}
	return o.refuse(alertUnexpectedMessage, fmt.Sprintf("record of type %d with %d bytes has no place here", typ, len(content)))
}

// messages looks through the handshake messages of a record, which must be whole.
func (o *opener) messages(b []byte) error {
	for first := true; first || len(b) > 0; first = false {
		if len(b) < 4 {
			return o.refuse(alertUnexpectedMessage, "handshake message that does not end in its record")
		}
		typ, n := b[0], int(b[1])<<16|int(b[2])<<8|int(b[3])
		switch {
		case typ == messageTicket && o.client && n <= len(b)-4:
			b = b[4+n:] // nobody resumes
		case typ == messageTicket && o.client:
			return o.refuse(alertUnexpectedMessage, "handshake message that does not end in its record")
		case typ == messageKeyUpdate:
			return o.refuse(alertUnexpectedMessage, "the other end updates its key, which is not done here: a worn out key ends its connection")
		default:
			return o.refuse(alertUnexpectedMessage, fmt.Sprintf("handshake message of type %d after the handshake", typ))
		}
	}
	return nil
}

// idle counts a record without content.
func (o *opener) idle() error {
	if o.useless++; o.useless > maxUseless {
		return o.refuse(alertUnexpectedMessage, fmt.Sprintf("%d records in a row without content", o.useless))
	}
	return nil
}

// refuse tells the other end, and returns, why nothing more is read.
func (o *opener) refuse(alert byte, text string) error {
	err := fmt.Errorf("%s: %w", text, tls.AlertError(alert))
	o.alert(alert, err)
	return err
}
