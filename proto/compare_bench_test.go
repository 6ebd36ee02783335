package proto

import (
	"fmt"
	"testing"

	"trireme/engine/block"
	"trireme/engine/tree"
	"trireme/proto/msg"
)

// comparing returns a worker that has hashed 16 MiB and heard the other end's digests of it, which are equal.
func comparing() *worker {
	const units = 16
	w := &worker{d: &donor{cat: &catalogue{rows: []row{{marks: unmarked, Entry: &tree.Entry{Class: tree.Tablespace}}}}}}
	w.segs = []msg.Segment{{ID: 0, Length: units * block.Unit}}
	w.leaves = make([]block.Digest, units*block.MaxLeaves)
	w.theirs = make([]block.Digest, len(w.leaves))
	for i := range units {
		w.starts = append(w.starts, i*block.MaxLeaves)
		w.asked = append(w.asked, uint16(i))
	}
	w.starts = append(w.starts, len(w.leaves))
	return w
}

// BenchmarkCompare compares leaves that both ends have hashed.
func BenchmarkCompare(b *testing.B) {
	w := comparing()
	b.Run(fmt.Sprintf("size=16MiB/leaf=%dKiB", block.LeafPage>>10), func(b *testing.B) {
		b.SetBytes(int64(w.segs[0].Length))
		b.ReportAllocs()
		for b.Loop() {
			if err := w.differing(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestCompareAllocatesNothing(t *testing.T) {
	w := comparing()
	if n := testing.AllocsPerRun(20, func() {
		if err := w.differing(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%.0f allocations for 16 MiB", n)
	}
}
