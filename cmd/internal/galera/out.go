package galera

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Line lengths without the newline. The servers read into fixed buffers and take what did not fit for the next line, so
// a long line is not cut but misread (sst-contract 7).
const (
	maxDonorLine  = 126 // 128-byte buffer
	maxJoinerLine = 510 // 512-byte buffer
	maxReadyLine  = 254 // the address must also fit the donor's command line of old servers (sst-contract 4.2)
)

// progressEvery is the pace of complete lines; the server logs each of them.
const progressEvery = time.Second

// ErrOrder is the error of a line that may not be printed at this point. It is our own mistake, not the server's.
var ErrOrder = errors.New("galera: protocol line out of order")

// Out is the only writer of the protocol channel, which is the program's standard output. It refuses, without writing
// anything, lines that the server would misread: too long, out of order, or of the other role. After a failed write
// every later call returns the same error, because nobody knows how much of the line arrived. Safe for concurrent use;
// each line is one write.
type Out struct {
	role     string
	family   Family
	progress bool

	mu       sync.Mutex
	w        io.Writer
	broken   error
	ready    bool      // joiner: the address went out
	locked   bool      // donor: flush tables without continue
	ended    bool      // done or the final position went out
	total    int64     // of the last Total; -1 before
	reported time.Time // when the last complete line went out
	last     int64     // its number
}

// NewOut returns the protocol channel of the role in a, on w.
func NewOut(w io.Writer, a Args) *Out {
	return &Out{role: a.Role, family: a.Family, progress: a.MayReportProgress(), w: w, total: -1, last: -1}
}

// Ready tells the joiner's server the address to put into the state request. It must be the first line, and the
// listener behind the address must already accept: the server asks for a donor at once (sst-contract 7.1).
func (o *Out) Ready(addr string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.may(RoleJoiner, "ready", !o.ready); err != nil {
		return err
	}
	if err := o.checkReady(addr); err != nil {
		return err
	}
	if err := o.print("ready "+addr, maxReadyLine); err != nil {
		return err
	}
	o.ready = true
	return nil
}

// checkReady holds addr against what the donor's server lets through (sst-contract 4.2).
func (o *Out) checkReady(addr string) error {
	visible := addr
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		if o.family == PXC {
			return errors.New("print ready: a PXC donor refuses an address with @")
		}
		if strings.IndexFunc(addr[:i], func(r rune) bool { return r <= ' ' || r > '~' || r == '\'' }) >= 0 {
			return errors.New("print ready: character before the @ that would not survive the donor's shell")
		}
		visible = addr[i+1:]
	}
	if visible == "" {
		return errors.New("print ready: empty address")
	}
	if i := strings.IndexFunc(visible, func(r rune) bool { return !addressRune(r) }); i >= 0 {
		return fmt.Errorf("print ready: the donor's server refuses the character %q at offset %d of the address", visible[i], i)
	}
	return nil
}

// Total reports the number of bytes ahead. It does nothing where the server does not want such lines, nor when the number
// is that of the last call; another one begins a stage of its own, in which Complete counts from nothing.
func (o *Out) Total(n int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if skip, err := o.mayReport("total", n); skip || err != nil {
		return err
	}
	if n == o.total {
		return nil
	}
	o.total, o.last = n, -1
	return o.print("total "+strconv.FormatInt(n, 10), maxDonorLine)
}

// Complete reports the number of bytes done. It does nothing where the server does not want such lines, when the last
// one is less than a second old, or when the number did not grow; the line that reaches the total is always printed.
func (o *Out) Complete(n int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if skip, err := o.mayReport("complete", n); skip || err != nil {
		return err
	}
	now := time.Now()
	finished := o.total > 0 && n >= o.total
	if n <= o.last || !finished && !o.reported.IsZero() && now.Sub(o.reported) < progressEvery {
		return nil
	}
	o.reported, o.last = now, n
	return o.print("complete "+strconv.FormatInt(n, 10), maxDonorLine)
}

// mayReport decides about a progress line: after ready on a joiner, before the end on both.
func (o *Out) mayReport(word string, n int64) (skip bool, err error) {
	if err := o.may(o.role, word, o.role == RoleDonor || o.ready); err != nil {
		return false, err
	}
	if n < 0 {
		return false, fmt.Errorf("print %s: negative number %d", word, n)
	}
	return !o.progress, nil
}

// FlushTables asks the donor's server for its lock. A second request without Continue in between is refused: no server
// was ever seen to take it.
func (o *Out) FlushTables() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.may(RoleDonor, "flush tables", !o.locked); err != nil {
		return err
	}
	if err := o.print("flush tables", maxDonorLine); err != nil {
		return err
	}
	o.locked = true
	return nil
}

// Continue lets the donor's server go on. It is harmless when nothing is held, and the stock scripts print it before an
// IST, so it is legal at any time before Done.
func (o *Out) Continue() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.may(RoleDonor, "continue", true); err != nil {
		return err
	}
	if err := o.print("continue", maxDonorLine); err != nil {
		return err
	}
	o.locked = false
	return nil
}

// Done ends the donor's conversation. The server acts on it at once, so it is for the moment when the joiner has
// acknowledged everything; nothing that happens later can take it back (sst-contract 1.3). It is refused while the lock
// is held.
func (o *Out) Done(g GTID) error {
	return o.end(RoleDonor, "done", "done "+g.String(), maxDonorLine, g)
}

// Final ends the joiner's conversation. MariaDB ignores the exit code after it, so everything must be durable before.
func (o *Out) Final(g GTID) error {
	return o.end(RoleJoiner, "the final position", g.String(), maxJoinerLine, g)
}

// end prints the last line of role.
func (o *Out) end(role, what, line string, limit int, g GTID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.may(role, what, !o.locked && (role == RoleDonor || o.ready)); err != nil {
		return err
	}
	if err := g.check(); err != nil {
		return fmt.Errorf("print %s: %w", what, err)
	}
	if o.total > 0 && o.last < o.total {
		// Who watches the server's figures should not be left short of the whole.
		if err := o.print("complete "+strconv.FormatInt(o.total, 10), maxDonorLine); err != nil {
			return err
		}
	}
	if err := o.print(line, limit); err != nil {
		return err
	}
	o.ended = true
	return nil
}

// may returns the reason why a line of role must not be printed now.
func (o *Out) may(role, what string, legal bool) error {
	switch {
	case o.broken != nil:
		return o.broken
	case o.role != RoleJoiner && o.role != RoleDonor:
		return fmt.Errorf("print %s without a role: %w", what, ErrOrder)
	case o.role != role:
		return fmt.Errorf("print %s as %s: %w", what, o.role, ErrOrder)
	case o.ended:
		return fmt.Errorf("print %s after the last line: %w", what, ErrOrder)
	case !legal:
		return fmt.Errorf("print %s at this point: %w", what, ErrOrder)
	}
	return nil
}

// print writes one line. The text was checked for control characters by its maker; a newline here is our own bug.
func (o *Out) print(line string, limit int) error {
	if strings.ContainsAny(line, "\n\r\x00") {
		panic("galera: internal error: control character in a protocol line")
	}
	if len(line) > limit {
		word, _, _ := strings.Cut(line, " ")
		return fmt.Errorf("print %s: line of %d bytes, the server reads at most %d", word, len(line), limit)
	}
	n, err := o.w.Write([]byte(line + "\n"))
	if err == nil && n != len(line)+1 {
		err = io.ErrShortWrite
	}
	if err != nil {
		o.broken = exitf(ExitPipe, "write to the server: %w", err)
		return o.broken
	}
	return nil
}
