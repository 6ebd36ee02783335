package proto

import (
	"fmt"

	"trireme/engine/block"
	"trireme/proto/msg"
	"trireme/wire"
	"trireme/wire/pack"
)

// server answers one data link of the donor: it applies chunks and computes
// digests, one frame after another.
type server struct {
	j    *joiner
	conn *wire.Link
	hash *block.Hasher

	unpacker pack.Unpacker

	in   []byte // frames coming in
	unit []byte // file content: for digests, or as it is unpacked; nil until there is some
	out  []byte

	runs   []msg.Run
	blocks []block.Run
	segs   []msg.Segment
	groups []block.Digest
	leaves []block.Digest
	starts []int         // where each group's leaves begin in leaves
	where  []msg.Segment // each group alone
	asked  []uint16
	list   []block.Digest

	scratch []block.Digest
}

// serve handles one data link until the session ends.
func (j *joiner) serve(l *wire.Link) error {
	v := &server{j: j, conn: l, in: make([]byte, msg.MaxBody)}
	for {
		typ, body, err := l.Recv(v.in)
		if err != nil {
			if j.finished.Load() || j.s.closing.Load() {
				return nil
			}
			return j.s.lost("data connection", err)
		}
		if err := v.handle(msg.Type(typ), body); err != nil {
			return err
		}
	}
}

func (v *server) handle(t msg.Type, body []byte) error {
	if v.j.s.ctx.Err() != nil {
		return v.j.s.cause(nil)
	}
	v.j.gate.RLock()
	defer v.j.gate.RUnlock()
	if !v.j.open.Load() && !t.Skippable() {
		return failf(CodeProtocol, "the donor sent %v on a data connection outside a pass", t)
	}
	if v.hash == nil {
		v.hash = block.NewHasher(v.j.key)
	}
	switch t {
	case msg.TypeChunk:
		return v.chunk(body)
	case msg.TypeCompare:
		return v.compare(body)
	case msg.TypeAsk:
		return v.ask(body)
	case msg.TypeFlush:
		f, err := msg.ParseFlush(t, body)
		if err != nil {
			return err
		}
		testOnlyBeforeFlushed()
		return v.reply(msg.TypeFlushed, f)
	}
	if t.Skippable() {
		return nil
	}
	return failf(CodeProtocol, "the donor sent %v on a data connection", t)
}

// testOnlyBeforeFlushed is where tests let a joiner's disk be slow.
var testOnlyBeforeFlushed = func() {}

// needUnit takes the memory for content. Where both ends have equal files there is none.
func (v *server) needUnit() {
	if v.unit == nil {
		v.unit = make([]byte, block.Unit)
	}
}

// chunk writes a piece of a file. The tag is checked before the disk is touched.
func (v *server) chunk(body []byte) error {
	c, err := msg.ParseChunk(v.runs, body)
	if err != nil {
		return err
	}
	v.runs = c.Runs
	content, err := v.unpack(c)
	if err != nil {
		return err
	}
	if tag := block.Tag(tagSeed(c.ID, c.Offset), content); tag != c.Tag {
		return failf(CodeInternal, "content of file %d at %d arrived with tag %016x, the donor sent %016x: memory of one of the hosts or the program is faulty", c.ID, c.Offset, tag, c.Tag)
	}
	v.blocks = v.blocks[:0]
	for _, r := range c.Runs {
		v.blocks = append(v.blocks, block.Run{Len: r.Len, Zero: r.Zero})
	}
	if c.Note {
		v.scratch, err = v.j.store.ApplyNoted(v.hash, c.ID, c.Offset, v.blocks, content, v.scratch)
	} else {
		err = v.j.store.Apply(c.ID, c.Offset, v.blocks, content)
	}
	if err != nil {
		return Fail(CodeIO, fmt.Errorf("write what the donor sent: %w", err))
	}
	n := int64(len(content))
	v.j.p.sent.Add(n)
	v.j.p.carried.Add(n)
	v.j.p.packed.Add(int64(len(c.Payload)))
	v.j.p.holes.Add(int64(c.Span()) - n)
	v.j.p.done.Add(int64(c.Span()))
	return nil
}

// compare answers with the group digests of the asked ranges of the joiner's files: as they were noted, or of what is
// read now. Then the leaves are kept for the Ask that may follow.
func (v *server) compare(body []byte) error {
	c, err := msg.ParseCompare(v.segs, body)
	if err != nil {
		return err
	}
	v.segs = c.Segments
	v.groups, v.leaves, v.starts, v.where = v.groups[:0], v.leaves[:0], v.starts[:0], v.where[:0]
	for _, s := range v.segs {
		for off, end := s.Offset, s.Offset+int64(s.Length); off < end; off += msg.GroupSize {
			n := min(msg.GroupSize, end-off)
			v.where = append(v.where, msg.Segment{ID: s.ID, Offset: off, Length: uint32(n)})
			v.starts = append(v.starts, len(v.leaves))
			if dg, ok := v.j.store.Noted(s.ID, off, n); ok {
				v.groups = append(v.groups, dg)
			} else {
				v.groups, v.leaves, err = v.digests(v.where[len(v.where)-1], v.groups, v.leaves)
			}
			if err != nil {
				return err
			}
			if len(v.groups) != len(v.starts) {
				panic("proto: internal error: a group has not one digest")
			}
			v.j.p.done.Add(n)
		}
	}
	v.starts = append(v.starts, len(v.leaves))
	return v.reply(msg.TypeGroups, msg.Digests{List: v.groups})
}

// digests reads a group of the joiner's own and appends its digests.
func (v *server) digests(g msg.Segment, groups, leaves []block.Digest) (gs, ls []block.Digest, err error) {
	v.needUnit()
	groups, leaves, err = v.j.store.Digests(v.j.s.ctx, v.hash, g.ID, g.Offset, int64(g.Length), groups, leaves, v.unit)
	if err != nil {
		return groups, leaves, v.j.s.cause(Fail(CodeIO, fmt.Errorf("hash the joiner's copy: %w", err)))
	}
	v.j.p.read.Add(int64(g.Length))
	return groups, leaves, nil
}

// ask answers with the leaves of some groups of the preceding Compare. Those of a group whose digest was noted are
// read only now.
func (v *server) ask(body []byte) error {
	var err error
	if v.asked, err = msg.ParseAsk(v.asked, body, len(v.groups)); err != nil {
		return err
	}
	v.list = v.list[:0]
	for _, g := range v.asked {
		if leaves := v.leaves[v.starts[g]:v.starts[g+1]]; len(leaves) > 0 {
			v.list = append(v.list, leaves...)
			continue
		}
		if v.scratch, v.list, err = v.digests(v.where[g], v.scratch[:0], v.list); err != nil {
			return err
		}
	}
	return v.reply(msg.TypeLeaves, msg.Digests{List: v.list})
}

func (v *server) reply(t msg.Type, m appender) error {
	v.out = m.Append(v.out[:0])
	err := v.conn.Send(uint8(t), v.out, nil)
	if err == nil {
		err = v.conn.Flush()
	}
	if err != nil {
		return v.j.s.lost(fmt.Sprintf("answer with %v", t), err)
	}
	return nil
}
