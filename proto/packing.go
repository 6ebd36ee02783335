package proto

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"trireme/engine/gentle"
	"trireme/engine/innodb"
	"trireme/engine/tree"
	"trireme/proto/msg"
	"trireme/wire/pack"
)

// FactCodecs is a fact that only the joiner states: the codecs it takes, by name,
// the one it likes best first. It is not compared; a joiner that does not state it is
// sent content as it is.
const FactCodecs = "codecs"

// codecsFact is what a joiner in this mode states.
func codecsFact(m pack.Mode) []msg.Fact {
	var names []string
	for _, c := range m.Codecs() {
		names = append(names, c.String())
	}
	if len(names) == 0 {
		return nil
	}
	return []msg.Fact{{Name: FactCodecs, Value: strings.Join(names, " "), From: "compress"}}
}

// commonCodecs are those of the donor's codecs that the joiner takes.
func commonCodecs(m pack.Mode, joiner []msg.Fact) (common []pack.Codec) {
	for _, f := range joiner {
		if f.Name != FactCodecs {
			continue
		}
		names := strings.Fields(f.Value)
		for _, c := range m.Codecs() {
			if slices.Contains(names, c.String()) {
				common = append(common, c)
			}
		}
		break
	}
	return common
}

// packing is the donor's decision whether chunks are packed, and with what. Workers read it.
type packing struct {
	codecs []pack.Codec  // that both ends agreed to; set before workers exist
	now    atomic.Uint32 // a pack.Codec
	ever   atomic.Bool   // it was on once
}

func (p *packing) codec() pack.Codec { return pack.Codec(p.now.Load()) }

func (p *packing) use(c pack.Codec) {
	p.now.Store(uint32(c))
	if c != pack.None {
		p.ever.Store(true)
	}
}

// agree settles the codecs when the joiner's facts are there.
func (d *donor) agree(joiner []msg.Fact) {
	if d.c.Compress == pack.Off {
		return
	}
	d.packing.codecs = commonCodecs(d.c.Compress, joiner)
	switch {
	case len(d.packing.codecs) == 0:
		d.c.Note("content is not compressed: the joiner takes none of %v (its option compress)", d.c.Compress.Codecs())
	case d.c.Compress != pack.Auto:
		d.packing.use(d.packing.codecs[0])
		d.c.Note("content is compressed with %v, as the option compress demands", d.packing.codecs[0])
	}
}

// watchLink switches packing on while the link is what the transfer waits for and
// processors are idle, and off again when that does not help.
func (d *donor) watchLink() error {
	t := time.NewTicker(pack.SampleEvery)
	defer t.Stop()
	gate := pack.NewGate(d.packing.codecs...)
	last := d.look()
	for {
		select {
		case <-d.s.ctx.Done():
			return nil
		case <-t.C:
		}
		now := d.look()
		s := pack.Sample{
			Took: now.at.Sub(last.at), Blocked: now.blocked - last.blocked, Senders: d.opened(),
			Content: now.content - last.content, Wire: now.wire - last.wire, Idle: -1,
		}
		if now.idleKnown && last.idleKnown && s.Took > 0 {
			s.Idle = (now.idle - last.idle).Seconds() / s.Took.Seconds()
		}
		last = now
		was := gate.Codec()
		why := gate.Add(s)
		switch now := gate.Codec(); {
		case why == "":
		case now == pack.None:
			d.c.Note("not compressing content any longer: %s", why)
		case now != was:
			d.c.Note("compressing content with %v from now on: %s", now, why)
		default:
			d.c.Note("compressing content with %v stays on: %s", now, why)
		}
		d.packing.use(gate.Codec())
	}
}

// glance is what a Sample is the difference of.
type glance struct {
	at            time.Time
	blocked       time.Duration
	content, wire int64
	idle          time.Duration
	idleKnown     bool
}

func (d *donor) look() glance {
	g := glance{at: time.Now(), blocked: d.s.blockedWriting(), content: d.p.carried.Load(), wire: d.p.packed.Load()}
	g.idle, g.idleKnown = gentle.Idle()
	return g
}

// worthExplaining is how long a transfer must last before its log says why nothing was
// compressed: shorter ones end before anything could be known about the link.
const worthExplaining = 5 * time.Second

// explain says at the end why nothing was compressed, where that was left to us.
func (d *donor) explain(took time.Duration) {
	if took < worthExplaining || d.c.Compress != pack.Auto || len(d.packing.codecs) == 0 || d.packing.ever.Load() || len(d.workers) == 0 {
		return
	}
	share := d.s.blockedWriting().Seconds() / (took.Seconds() * float64(d.opened()))
	d.c.Note("content was not compressed (compress=auto): the link was not the bottleneck for long enough, or no processor was idle; workers waited for the link %.0f%% of the time", 100*share)
}

// futile says whether it is no use to pack p, which is content of the file at off:
// the server keeps that tablespace compressed, or encrypted.
func (w *worker) futile(r *row, off int64, p []byte) bool {
	if r.Class != tree.Tablespace {
		return false
	}
	if off > 0 && innodb.Opaque(p) {
		return true
	}
	if !w.judged || w.judgedID != r.id {
		w.judged, w.judgedID, w.dense = true, r.id, false
		if f, err := w.file(r.id); err == nil && f != nil {
			if n, _ := f.ReadAt(w.page0[:], 0); n == len(w.page0) {
				w.dense = innodb.Packed(w.page0[:])
			}
		}
	}
	return w.dense
}

// transmit puts one chunk on the wire, packed if that is wanted and helps. raw says
// that it is not to be tried. It belongs to the goroutine that sends: the worker's, or
// its spool's while there is one. content lies in *unit, which may be replaced; without a unit
// it is copied.
func (w *worker) transmit(id uint32, raw bool, head, content []byte, unit *[]byte) error {
	payload, codec := content, pack.None
	if use := w.d.packing.codec(); !raw && use != pack.None {
		if err := w.packer.Use(use, w.d.c.CompressLevel); err != nil {
			return Fail(CodeInternal, err)
		}
		if w.packedID != id {
			w.packer.Fresh()
			w.packedID = id
		}
		payload, codec = w.packer.Pack(content)
		msg.SetCodec(head, codec)
	}
	var err error
	if codec == pack.None && unit != nil {
		err = w.conn.Give(uint8(msg.TypeChunk), head, payload, unit)
	} else {
		err = w.conn.Send(uint8(msg.TypeChunk), head, payload)
	}
	if err != nil {
		return w.d.s.lost("send file content", err)
	}
	w.d.p.carried.Add(int64(len(content)))
	w.d.p.packed.Add(int64(len(payload)))
	return nil
}

// unpack is the joiner's half: it returns the content of a chunk, whose length the
// runs say, in a buffer of the connection's own.
func (v *server) unpack(c msg.Chunk) ([]byte, error) {
	if c.Codec == pack.None {
		return c.Payload, nil
	}
	taken := false
	for _, k := range v.j.c.Compress.Codecs() {
		taken = taken || k == c.Codec
	}
	if !taken {
		return nil, failf(CodeProtocol, "the donor sent a chunk packed with %v, which was not offered", c.Codec)
	}
	v.needUnit()
	dst := v.unit[:c.Content()]
	if err := v.unpacker.Unpack(c.Codec, dst, c.Payload); err != nil {
		return nil, failf(CodeProtocol, "content of file %d at %d: %w", c.ID, c.Offset, err)
	}
	return dst, nil
}
