package proto

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trireme/engine/tree"
)

// TestCatalogue runs scans of a datadir that changes at random through a catalogue, and has a joiner believe what is
// announced: after each scan it must know exactly what is there, under ids that keep their paths.
func TestCatalogue(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	disk := map[string]tree.Entry{}
	type known struct {
		path string
		size int64
		dir  bool
	}
	joiner := map[uint32]known{}
	pathOf := map[uint32]string{}
	c := newCatalogue()
	var ino uint64
	for round := range 60 {
		touched := map[string]bool{}
		for range r.IntN(200) {
			p := fmt.Sprintf("db%d%s", r.IntN(3), []string{"", "-x", ".y"}[r.IntN(3)])
			if r.IntN(9) > 0 {
				p += fmt.Sprintf("/t%d", r.IntN(60))
			}
			e, there := disk[p]
			switch {
			case there && r.IntN(3) == 0:
				delete(disk, p)
				continue
			case there && r.IntN(2) == 0:
				e.Ctime++
			default:
				ino++
				e = tree.Entry{Role: tree.RoleData, Path: p, Class: tree.Table, Size: int64(r.IntN(3)), ID: tree.FileID{Ino: ino}}
				if e.Dir = !strings.Contains(p, "/"); e.Dir {
					e.Class, e.Size = tree.Database, 0
				}
			}
			disk[p] = e
			touched[p] = true
		}
		scan := &tree.Tree{}
		for _, e := range disk {
			scan.Entries = append(scan.Entries, e)
		}
		slices.SortFunc(scan.Entries, func(a, b tree.Entry) int { return strings.Compare(a.Path, b.Path) })
		first := len(c.rows) == 0
		df := c.update(scan, false, false)
		for _, n := range df.announce {
			m := n.message(c)
			if m.Gone {
				if _, ok := joiner[m.ID]; !ok {
					t.Fatalf("round %d: %s goes and was not there", round, pathOf[m.ID])
				}
				delete(joiner, m.ID)
				continue
			}
			if p, ok := pathOf[m.ID]; ok && p != m.Path {
				t.Fatalf("round %d: id %d was %s and is %s", round, m.ID, p, m.Path)
			}
			pathOf[m.ID] = m.Path
			joiner[m.ID] = known{m.Path, m.Size, m.Dir}
		}
		got, want := map[known]bool{}, map[known]bool{}
		for _, k := range joiner {
			got[k] = true
		}
		for _, e := range disk {
			want[known{e.Path, e.Size, e.Dir}] = true
		}
		if !maps.Equal(got, want) || len(got) != len(joiner) {
			t.Fatalf("round %d: the joiner knows %v, there is %v", round, got, want)
		}
		clear(scan.Entries) // the rows must not lean on a scan that is over, but for the first
		if first {
			for i := range c.rows {
				e := disk[pathOf[c.rows[i].id]]
				c.rows[i].Entry = &e
			}
		}
		for id := range c.rows {
			e, there := disk[pathOf[uint32(id)]]
			if row := &c.rows[id]; there && (row.gone || *row.Entry != e) {
				t.Fatalf("round %d: row %d is %+v, on disk is %+v", round, id, *row.Entry, e)
			}
			if there && touched[e.Path] && !first && !df.touched[id] {
				t.Errorf("round %d: %s was touched, which went unnoticed", round, e.Path)
			}
		}
	}
	if len(c.order) != len(c.rows) || !slices.IsSortedFunc(c.order, func(a, b uint32) int { return strings.Compare(c.rows[a].Path, c.rows[b].Path) }) {
		t.Errorf("%d ids in order for %d rows, or out of it", len(c.order), len(c.rows))
	}
}
