package proto

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trireme/engine/block"
	"trireme/proto/msg"
	"trireme/wire/pack"
)

// text is content that shrinks to less than a half.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "%08d|customer-%06x|%08x|", len(b), r.Uint32N(1<<24), r.Uint32())
	}
	return b[:n]
}

// pages is text in the form of index pages of a tablespace.
func pages(n int, seed uint64) []byte {
	b := text(n, seed)
	for at := 0; at < n; at += 16384 {
		clear(b[at : at+64])
		copy(b[at+4:], []byte{0, 0, 0, 1})
		b[at+23], b[at+24], b[at+25] = 9, 0x45, 0xbf // LSN, type
	}
	return b
}

// notes collects what a transfer says.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

// TestCompress copies content that shrinks and content that does not with every pair of settings, as a first copy and as a delta.
func TestCompress(t *testing.T) {
	heavy(t)
	for _, c := range []struct {
		donor, joiner pack.Mode
		packs         bool
		says          string
	}{
		{pack.Off, pack.Auto, false, ""},
		{pack.AlwaysZstd, pack.Auto, true, "compressed with zstd, as the option compress demands"},
		{pack.AlwaysZstd, pack.AlwaysZstd, true, "compressed with zstd"},
		{pack.AlwaysS2, pack.Auto, true, "compressed with s2"},
		{pack.AlwaysS2, pack.AlwaysZstd, false, "the joiner takes none of [s2]"},
		{pack.AlwaysZstd, pack.Off, false, "the joiner takes none of [zstd]"},
		{pack.Auto, pack.Off, false, "the joiner takes none of [zstd s2]"},
		{pack.Auto, pack.Auto, false, ""},
	} {
		t.Run(fmt.Sprintf("donor=%d/joiner=%d", c.donor, c.joiner), func(t *testing.T) {
			r := newRig(t)
			write(t, r.donor, "ibdata1", random(1<<20, 1))
			write(t, r.donor, "shop/items.ibd", random(3<<20, 2))
			write(t, r.donor, "shop/zeroes.ibd", make([]byte, 1<<20))
			write(t, r.donor, "shop/text.ibd", pages(4<<20+16384, 1))
			write(t, r.donor, "shop/small.MYD", text(70000, 2))
			r.lock = lockFunc{func(context.Context) (string, error) { return "here:1", nil }, func() error { return nil }}
			var said notes
			r.tweakDonor = func(d *DonorConfig) { d.Compress, d.Passes, d.Note = c.donor, 3, said.add }
			r.tweakJoiner = func(j *JoinerConfig) { j.Compress = c.joiner }
			check := func(what string, atLeast int64) {
				t.Helper()
				r.mustRun()
				d, j := r.progress[0].Snapshot(), r.progress[1].Snapshot()
				if d.Carried != d.Sent || j.Carried != j.Sent || d.Carried != j.Carried || d.Packed != j.Packed {
					t.Errorf("%s: the ends disagree: donor %+v, joiner %+v", what, d, j)
				}
				if saved := d.Carried - d.Packed; c.packs && saved < atLeast || !c.packs && saved != 0 {
					t.Errorf("%s: %d of %d bytes saved", what, saved, d.Carried)
				}
			}
			check("first copy", 1<<20)
			if !strings.Contains(said.String(), c.says) {
				t.Errorf("said %q, want %q", said.String(), c.says)
			}
			patch(t, r.donor, "shop/text.ibd", 2<<20, pages(1<<20, 3))
			patch(t, r.donor, "shop/items.ibd", 1<<20, random(1<<20, 3))
			check("delta", 300<<10)
		})
	}
}

// TestFutile: tablespaces that the server compresses itself are not tried, nor are encrypted pages.
func TestFutile(t *testing.T) {
	heavy(t)
	r := newRig(t)
	page0 := func(flags uint32) []byte {
		b := pages(4<<20, 4)
		clear(b[:128])
		b[49] = 4 // pages in the space
		b[54], b[55], b[56], b[57] = byte(flags>>24), byte(flags>>16), byte(flags>>8), byte(flags)
		return b
	}
	write(t, r.donor, "ibdata1", random(16384, 1))
	write(t, r.donor, "d/packed.ibd", page0(1<<4|5|1<<5))
	encrypted := page0(1<<4 | 5)
	for at := 16384; at < len(encrypted); at += 16384 {
		encrypted[at+29] = 1 // key version
	}
	write(t, r.donor, "d/encrypted.ibd", encrypted)
	r.tweakDonor = func(d *DonorConfig) { d.Compress = pack.AlwaysZstd }
	r.tweakJoiner = func(j *JoinerConfig) { j.Compress = pack.Auto }
	r.mustRun()
	// The first MiB of the encrypted one holds page 0, which is clear.
	if d := r.progress[0].Snapshot(); d.Carried-d.Packed > 1<<20 {
		t.Errorf("%d of %d bytes saved", d.Carried-d.Packed, d.Carried)
	}
	write(t, r.donor, "d/clear.ibd", page0(1<<4|5))
	r.mustRun()
	if d := r.progress[0].Snapshot(); d.Carried-d.Packed < 2<<20 {
		t.Errorf("a clear table: %d of %d bytes saved", d.Carried-d.Packed, d.Carried)
	}
}

// TestUnofferedCodec: a joiner that offered no codec, or another one, ends the session when one is used.
func TestUnofferedCodec(t *testing.T) {
	for mode, codec := range map[pack.Mode]pack.Codec{pack.Off: pack.Zstd, pack.AlwaysZstd: pack.S2, pack.AlwaysS2: pack.Zstd} {
		v := &server{j: &joiner{c: JoinerConfig{Compress: mode}}, unit: make([]byte, block.Unit)}
		if _, err := v.unpack(msg.Chunk{Codec: codec, Runs: []msg.Run{{Len: 4096}}, Payload: []byte{1}}); err == nil || CodeOf(err) != CodeProtocol || !strings.Contains(err.Error(), "not offered") {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	v := &server{j: &joiner{c: JoinerConfig{Compress: pack.Auto}}, unit: make([]byte, block.Unit)}
	if _, err := v.unpack(msg.Chunk{Codec: pack.Zstd, Runs: []msg.Run{{Len: 4096}}, Payload: []byte{1}}); err == nil || CodeOf(err) != CodeProtocol {
		t.Errorf("nonsense: %v", err)
	}
}

// TestPackedVectors unpacks the stored chunks and checks their tags, as another implementation would.
func TestPackedVectors(t *testing.T) {
	for _, name := range []string{"chunk-zstd", "chunk-s2"} {
		raw, err := os.ReadFile(filepath.Join("../testdata/proto", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(raw), "body: ")
		body, err := hex.DecodeString(strings.TrimSpace(text))
		if err != nil {
			t.Fatal(err)
		}
		c, err := msg.ParseChunk(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		v := &server{j: &joiner{c: JoinerConfig{Compress: pack.Auto}}, unit: make([]byte, block.Unit)}
		content, err := v.unpack(c)
		if err != nil || block.Tag(tagSeed(c.ID, c.Offset), content) != c.Tag || string(content) != strings.Repeat("\a", 600) {
			t.Errorf("%s: %v, %x", name, err, content)
		}
	}
}

func TestCommonCodecs(t *testing.T) {
	for _, c := range []struct {
		donor  pack.Mode
		joiner string
		want   string
	}{
		{pack.Auto, "zstd s2", "[zstd s2]"}, {pack.Auto, "s2", "[s2]"}, {pack.Auto, "lz9", "[]"}, {pack.Auto, "s2 s2 zstd s2", "[zstd s2]"}, {pack.Auto, "lz9 zstd", "[zstd]"},
		{pack.AlwaysS2, "zstd s2", "[s2]"}, {pack.AlwaysS2, "zstd", "[]"}, {pack.Off, "zstd", "[]"}, {pack.Auto, "", "[]"},
	} {
		if got := fmt.Sprint(commonCodecs(c.donor, []msg.Fact{{Name: FactCodecs, Value: c.joiner}})); got != c.want {
			t.Errorf("donor %d, joiner %q: %v, want %s", c.donor, c.joiner, got, c.want)
		}
	}
	if got := commonCodecs(pack.Auto, nil); len(got) > 0 {
		t.Errorf("an old joiner: %v", got)
	}
}
