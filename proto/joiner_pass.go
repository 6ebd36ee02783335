package proto

import (
	"fmt"
	"time"

	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

func (j *joiner) pass(b msg.PassBegin) error {
	j.kind = b.Kind
	j.passing.Store(true)
	defer j.passing.Store(false)
	j.p.enter(map[msg.PassKind]Phase{msg.PassLive: PhaseLive, msg.PassLocked: PhaseLocked, msg.PassVerify: PhaseVerifying}[b.Kind])
	// The donor's data connections may be ahead of this one, so what they brought since the last pass belongs to this.
	clock := j.counted
	clock.start = time.Now()
	// How much a pass moves is known to the donor only; the first one that moves
	// anything, and a comparison, concern everything.
	total := int64(0)
	if clock.sent+clock.holes == 0 || b.Kind == msg.PassVerify {
		total = j.p.bytes.Load()
	}
	j.p.begin(total)
	for {
		f, err := j.s.next(msg.TypeCatalog, msg.TypePassEnd)
		if err != nil {
			return err
		}
		if f.typ == msg.TypeCatalog {
			if err := j.catalog(f.body); err != nil {
				return err
			}
			continue
		}
		e, err := msg.ParsePassEnd(f.body)
		if err != nil {
			return err
		}
		if e.Number != b.Number {
			return failf(CodeProtocol, "the donor ended pass %d, the present one is %d", e.Number, b.Number)
		}
		if got := j.applied(); got != e.Differing {
			return failf(CodeInternal, "the donor sent %d bytes in pass %d, %d were applied", e.Differing, b.Number, got)
		}
		j.differing = e.Differing
		// A live pass means that the lock was given back (R-COPY-7).
		j.locked = b.Kind == msg.PassLocked || j.locked && b.Kind != msg.PassLive
		j.shut()
		break
	}
	if b.Kind != msg.PassLive {
		// After a live pass files that got no data need not exist yet.
		if err := j.store.EndPass(j.s.ctx); err != nil {
			return j.s.cause(Fail(CodeIO, fmt.Errorf("end of pass %d: %w", b.Number, err)))
		}
	}
	if b.Kind != msg.PassLive || !j.p.idle(clock) {
		j.numbered++
		st := j.p.finish(clock, j.numbered, b.Kind)
		j.c.Note("%s pass %d: hashed %s, received %s, %s of holes, %.3f s", b.Kind, j.numbered, amount(st.Read), amount(st.Sent), amount(st.Holes), st.Seconds)
	}
	j.counted = j.p.clock()
	j.open.Store(true)
	return j.s.tell(msg.TypePassDone, msg.PassDone{Number: b.Number})
}

// applied is what data connections have brought since the last pass ended.
func (j *joiner) applied() int64 {
	return j.p.sent.Load() + j.p.holes.Load() - j.counted.sent - j.counted.holes
}

// shut makes data frames illegal and waits for those that are being handled.
func (j *joiner) shut() {
	j.gate.Lock()
	defer j.gate.Unlock()
	j.open.Store(false)
}

// catalog takes over one batch and answers what the joiner holds of it.
func (j *joiner) catalog(body []byte) error {
	c, err := msg.ParseCatalog(j.entries, body)
	if err != nil {
		return err
	}
	j.entries = c.Entries
	h := msg.Have{Sizes: make([]int64, len(c.Entries))}
	for i := range c.Entries {
		e := &c.Entries[i]
		if e.Gone {
			err = j.store.Remove(e.ID)
		} else {
			h.Sizes[i], err = j.store.Upsert(store.Spec{
				ID: e.ID, Role: tree.Role(e.Role), Path: e.Path, Dir: e.Dir,
				Mode: uint32(e.Mode), Size: e.Size, Sparse: e.Sparse,
			})
			if err == nil {
				err = j.vouch(&h, i, e) // has its own code
			}
		}
		if err != nil {
			return Fail(CodeIO, fmt.Errorf("take over entry %d of the donor's catalogue: %w", e.ID, err))
		}
	}
	return j.s.tell(msg.TypeHave, h)
}

// commit seals the tree and makes it durable; only then the donor is told.
func (j *joiner) commit(body []byte) (Summary, error) {
	m, err := msg.ParseCommit(body)
	if err != nil {
		return Summary{}, err
	}
	if err := j.checkState(m.State); err != nil {
		return Summary{}, err
	}
	j.shut()
	if m.Entries == 0 {
		return Summary{}, failf(CodeProtocol, "the donor commits an empty catalogue")
	}
	j.p.enter(PhaseCommit)
	if j.c.BeforeCommit != nil {
		if err := j.c.BeforeCommit(j.s.ctx); err != nil {
			return Summary{}, j.s.cause(Fail(CodeIO, err))
		}
	}
	if err := j.installKeys(); err != nil {
		return Summary{}, j.s.cause(err)
	}
	seal, err := j.store.Seal(j.s.ctx)
	if err != nil {
		return Summary{}, j.s.cause(Fail(CodeIO, fmt.Errorf("compare the joiner's tree with the donor's: %w", err)))
	}
	if uint32(seal.Entries) != m.Entries || seal.Bytes != m.Bytes {
		return Summary{}, failf(CodeInternal, "the donor committed %d entries of %d bytes, the joiner holds %d of %d", m.Entries, m.Bytes, seal.Entries, seal.Bytes)
	}
	j.c.Note("%d files and directories in place, making them durable", seal.Entries)
	if err := j.store.Commit(j.s.ctx); err != nil {
		return Summary{}, j.s.cause(Fail(CodeIO, fmt.Errorf("make the copy durable: %w", err)))
	}
	if note := j.store.ManifestNote(); note != "" {
		j.c.Note("%s", note)
	}
	j.finished.Store(true)
	sum := Summary{State: m.State, Files: m.Entries, Bytes: m.Bytes, Passes: j.p.Passes(), Wire: j.s.wireBytes()}
	if err := j.s.tell(msg.TypeCommitted, msg.Committed{}); err != nil {
		// The copy is complete and durable; that the donor did not hear it does not
		// make it worse.
		j.c.Note("the donor could not be told that the copy is complete: %v", err)
		return sum, nil
	}
	j.p.enter(PhaseDone)
	if err := j.untilClosed(); err != nil {
		j.c.Note("after the copy was complete: %v", err)
	}
	return sum, nil
}
