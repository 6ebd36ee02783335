package proto

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trireme/engine/tree"
)

// A definition that cannot be told at the first look may be one that is just being
// written; one that stays so is damaged, and must be refused before the joiner
// changes anything.
const (
	firstLooks = 5
	lookAgain  = 200 * time.Millisecond
)

// firstScan looks at the tree before the joiner is told anything.
func (d *donor) firstScan() (lsn uint64, at time.Time, t *tree.Tree, err error) {
	if d.c.Quiet != nil {
		own := *d.c.Quiet
		if d.noBinlogs && slices.ContainsFunc(own.Entries, ofBinlogs) {
			own.Entries = slices.Clone(own.Entries) // refusing takes some away
		}
		t, err = d.refusing(&own)
		return d.known(d.redoSlots().LSN), time.Now(), t, err
	}
	for look := 1; ; look++ {
		lsn, at = d.known(d.redoSlots().LSN), time.Now()
		if t, err = d.scan(); !errors.Is(err, errUnsure) || look == firstLooks {
			return lsn, at, t, err
		}
		timer := time.NewTimer(lookAgain)
		select {
		case <-timer.C:
		case <-d.s.ctx.Done():
			timer.Stop()
			return 0, at, nil, d.s.cause(nil)
		}
	}
}

// errUnsure marks a refusal that another look may not repeat.
var errUnsure = errors.New("proto: not sure yet")

// scan reads the tree and refuses what cannot be copied (R-META-3).
//
// While the server works a file may be seen half written; what cannot be told then is
// told under the lock.
func (d *donor) scan() (*tree.Tree, error) {
	t, err := d.c.Dirs.Scan(d.s.ctx)
	if err != nil {
		return nil, d.scanFailed(err)
	}
	return d.judge(t)
}

func (d *donor) scanFailed(err error) error {
	return d.s.cause(Fail(CodeIO, fmt.Errorf("scan the donor's datadir: %w", err)))
}

// verifyScan looks at the tree when all of it has been read, and returns what is not as it was in the catalogue. Of a quiet tree in
// which nothing has moved since the first look nothing can be news.
func (d *donor) verifyScan() (diff, error) {
	if d.c.Quiet == nil {
		t, err := d.scan()
		if err != nil {
			return diff{}, err
		}
		return d.unstamp(d.cat.update(t, false, true), t), nil
	}
	t, same, err := d.c.Dirs.Again(d.s.ctx, d.c.Quiet)
	if err != nil {
		return diff{}, d.scanFailed(err)
	}
	if d.c.Unchanged != nil {
		if err := d.c.Unchanged(t); err != nil {
			return diff{}, d.s.cause(Fail(CodeUnstable, err))
		}
	}
	if same {
		return d.cat.nothing(), nil
	}
	if t, err = d.judge(t); err != nil {
		return diff{}, err
	}
	return d.unstamp(d.cat.update(t, false, true), t), nil
}

// refusing leaves out of a scan what the joiner does not take, and refuses what cannot be copied: what the scan has found, and more.
func (d *donor) refusing(t *tree.Tree, more ...tree.Refusal) (*tree.Tree, error) {
	if d.noBinlogs {
		t.Entries = slices.DeleteFunc(t.Entries, ofBinlogs)
	}
	return t, d.refuse(slices.Concat(t.Refusals, more))
}

func ofBinlogs(e tree.Entry) bool { return e.Role == tree.RoleBinlog }

// judgeDefinitions refuses tables of a quiet tree whose engines cannot be copied. It comes when files have their stamps, and before
// the joiner changes anything.
func (d *donor) judgeDefinitions(t *tree.Tree) error {
	if d.c.Quiet == nil {
		return nil // judge has read them
	}
	return d.refuse(tree.CheckEngines(d.s.ctx, d.c.Dirs, d.unjudged(t)))
}

// judge is refusing with the definitions read at once; judgeDefinitions does it later.
func (d *donor) judge(t *tree.Tree) (*tree.Tree, error) {
	return d.refusing(t, tree.CheckEngines(d.s.ctx, d.c.Dirs, t)...)
}

// refuse makes an error of refusals that count.
func (d *donor) refuse(refusals []tree.Refusal) error {
	if err := d.s.ctx.Err(); err != nil {
		return d.s.cause(err)
	}
	if d.working.Load() {
		refusals = slices.DeleteFunc(refusals, func(r tree.Refusal) bool { return r.Unsure })
	}
	err := refuse(refusals)
	if err != nil && !slices.ContainsFunc(refusals, func(r tree.Refusal) bool { return !r.Unsure }) {
		err = unsure{err}
	}
	return err
}

// unsure is a refusal that errUnsure is found in; its text is the refusal's.
type unsure struct{ error }

func (u unsure) Unwrap() []error { return []error{u.error, errUnsure} }

func refuse(rs []tree.Refusal) error {
	if len(rs) == 0 {
		return nil
	}
	const shown = 5
	var lines []string
	for i, r := range rs {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more", len(rs)-shown))
			break
		}
		line := r.Path + ": " + r.What
		if r.Hint != "" {
			line += " (" + r.Hint + ")"
		}
		lines = append(lines, line)
	}
	return failf(CodeRefused, "the donor's datadir cannot be copied: %s", strings.Join(lines, "; "))
}
