package proto

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"trireme/engine/tree"
	"trireme/proto/msg"
)

// FactStamps is a fact that only the joiner states: that it keeps a manifest, and takes stamps with the catalogue (SPEC.md
// section 8).
const (
	FactStamps = "stamps"
	stampsV1   = "1"
)

// FactDefinitions is another one: which table definitions, in which state, the donor of the last transfer had, in hexadecimal digits.
const FactDefinitions = "definitions"

// stampMargin is how long a donor's file must have rested to have a stamp: D of the skip rule. The clock's jumps are in
// the stamp itself (tree.Stamp).
const stampMargin = tree.LongestWrite + tree.Granule

// stamps is what a donor knows of the files that need not be read because both ends have them as the last transfer left
// them. It is changed between passes only, by the main function.
type stamps struct {
	host    tree.Host
	margin  time.Duration
	judged  string       // what the joiner states about definitions; "": nothing
	of      []tree.Stamp // by id: what the joiner was told, or is to be told with the entry's announcement
	vouched []bool       // by id: the joiner has what that stands for
}

// openStamps decides whether files get stamps at all: the datadir is at rest, and the joiner keeps a manifest. Several
// receivers read together, file by file, and one that leaves files out would hold the others; without comparing there is
// nothing to save.
func (d *donor) openStamps(joiner []msg.Fact) {
	if !d.c.Manifest || d.c.Quiet == nil || d.c.Basis || d.c.Locker != nil || d.c.VerifyAll || d.c.NoDelta || d.c.Share != nil || !states(joiner, FactStamps, stampsV1) {
		return
	}
	host, err := tree.ThisHost()
	if err != nil {
		d.c.Note("no file is taken for unchanged: %v", err)
		return
	}
	d.stamps = &stamps{host: host, margin: cmp.Or(d.c.testOnlyMargin, stampMargin)}
	for _, f := range joiner {
		if f.Name == FactDefinitions {
			d.stamps.judged = f.Value
		}
	}
}

// unjudged returns what of t, the scan of the datadir at rest that the catalogue and the stamps are of, must still be judged by its
// definitions. Definitions that are all as they were in the last transfer were judged by the donor of that; one without a stamp is read.
func (d *donor) unjudged(t *tree.Tree) *tree.Tree {
	s := d.stamps
	if s == nil || s.judged == "" {
		return t
	}
	var known tree.Definitions
	rest, rows := &tree.Tree{}, d.cat.rows
	for i := range t.Entries {
		e := &t.Entries[i]
		if !e.Definition() {
			continue
		}
		for len(rows) > 0 && rows[0].Before(e) {
			rows = rows[1:]
		}
		if len(rows) == 0 || e.Before(rows[0].Entry) || s.of[rows[0].id] == (tree.Stamp{}) {
			rest.Entries = append(rest.Entries, *e)
			continue
		}
		known.Add(e.Class, e.Role, e.Path, s.of[rows[0].id])
	}
	sum, n := known.Sum()
	if n == 0 || hex.EncodeToString(sum[:]) != s.judged {
		return t
	}
	d.c.Note("%d table definitions are those of the last transfer, by the joiner's manifest, and are not read", n)
	return rest
}

// stamp gives the files that are new in the catalogue their stamps. t is the scan of the datadir at rest, on which all of
// them were found.
func (d *donor) stamp(t *tree.Tree) {
	s := d.stamps
	if s == nil {
		return
	}
	first := len(s.of)
	more := len(d.cat.rows) - first
	s.of, s.vouched = append(s.of, make([]tree.Stamp, more)...), append(s.vouched, make([]bool, more)...)
	for id := first; id < len(s.of); id++ {
		if r := &d.cat.rows[id]; !r.gone && r.Rested(t.At, s.margin) {
			s.of[id], _ = r.Stamp(&s.host, t.Devs[r.ID.Dev])
		}
	}
}

// unstamp takes back the stamps of files that have moved since, by announcing them once more without one: the joiner must
// not remember what is read of them now for what the stamp stands for.
func (d *donor) unstamp(df diff, t *tree.Tree) diff {
	s := d.stamps
	if s == nil {
		return df
	}
	for id := range s.of {
		r := &d.cat.rows[id]
		if r.gone || s.of[id] == (tree.Stamp{}) {
			continue
		}
		if now, ok := r.Stamp(&s.host, t.Devs[r.ID.Dev]); ok && now == s.of[id] {
			continue
		}
		s.of[id], s.vouched[id] = tree.Stamp{}, false
		if !slices.ContainsFunc(df.announce, func(n news) bool { return n.id == r.id }) {
			df.announce = append(df.announce, news{id: r.id})
			df.touched[r.id] = true
		}
	}
	return df
}

// stampEntries puts the stamps into entries that are about to be announced.
func (d *donor) stampEntries(entries []msg.Entry) {
	if d.stamps == nil {
		return
	}
	for i := range entries {
		if e := &entries[i]; !e.Gone && int64(e.ID) < int64(len(d.stamps.of)) {
			e.Stamp = d.stamps.of[e.ID]
		}
	}
}

// believe takes the joiner's word for a file. What it says so decides about its own copy alone, as its digests do.
func (d *donor) believe(id uint32, have int64) error {
	s, r := d.stamps, &d.cat.rows[id]
	if s == nil || int64(id) >= int64(len(s.of)) || s.of[id] == (tree.Stamp{}) || have != r.Size {
		return failf(CodeProtocol, "the joiner says that it has %s unchanged and was not asked", printable(r.Path))
	}
	s.vouched[id] = true
	return nil
}

// unread leaves out of the first wishes for content what the joiner vouches for.
func (d *donor) unread(kind msg.PassKind, ws []wish) []wish {
	s := d.stamps
	if s == nil || kind != msg.PassLocked {
		return ws
	}
	var files, bytes int64
	ws = slices.DeleteFunc(ws, func(w wish) bool {
		if w.have != asAnnounced || int64(w.id) >= int64(len(s.vouched)) || !s.vouched[w.id] {
			return false
		}
		files++
		bytes += w.size
		return true
	})
	if files > 0 {
		d.p.trust(files, bytes)
		d.c.Note("%d files, %s, are at both ends as the last transfer left them, by the joiner's manifest, and are not read", files, amount(bytes))
	}
	return ws
}

// stampsFacts are the joiner's word that it keeps a manifest, and what that says about definitions; zero: nothing.
func stampsFacts(manifest bool, definitions [16]byte) []msg.Fact {
	if !manifest {
		return nil
	}
	facts := []msg.Fact{{Name: FactStamps, Value: stampsV1}}
	if definitions != [16]byte{} {
		facts = append(facts, msg.Fact{Name: FactDefinitions, Value: hex.EncodeToString(definitions[:])})
	}
	return facts
}

// vouch hands an entry's stamp to the store and says in h whether this end has what it stands for.
func (j *joiner) vouch(h *msg.Have, i int, e *msg.Entry) error {
	if !j.c.Manifest {
		if e.Stamp != (msg.Stamp{}) {
			return failf(CodeProtocol, "the donor stamps %s, and this end has not said that it takes stamps", printable(e.Path))
		}
		return nil
	}
	if !e.Dir && j.store.Vouch(e.ID, e.Stamp) && h.Sizes[i] == e.Size {
		h.Vouch(i)
		j.p.trust(1, e.Size)
	}
	return nil
}
