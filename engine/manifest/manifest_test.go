package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"trireme/engine/tree"
)

func sample(n int) (Header, []Row) {
	h := Header{Rows: uint32(n), Transfer: [16]byte{1, 2}, Host: tree.Host{Boot: [16]byte{3}, Clock: 1234567890123456789}, Definitions: [16]byte{4, 5}, Node: "db1"}
	var rows []Row
	for i := range n {
		role := tree.RoleData
		if i == n-1 {
			role = tree.RoleRedo
		}
		rows = append(rows, Row{Role: role, Path: []byte(fmt.Sprintf("shop/t%05d.ibd", i)), Theirs: tree.Stamp{byte(i), 1}, Ours: tree.Stamp{byte(i), 2}})
	}
	return h, rows
}

func encode(t testing.TB, h Header, rows []Row) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	for _, r := range rows {
		if err == nil {
			err = w.Add(r)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(b []byte) (h Header, rows []Row, err error) {
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return Header{}, nil, err
	}
	for {
		row, more := r.Next()
		if !more {
			return r.Header, rows, r.Close()
		}
		row.Path = bytes.Clone(row.Path)
		rows = append(rows, row)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 5000} {
		h, rows := sample(n)
		b := encode(t, h, rows)
		gh, grows, err := decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if gh != h || len(grows) != n {
			t.Fatalf("%d rows: %+v, %d rows", n, gh, len(grows))
		}
		if !bytes.Equal(encode(t, gh, grows), b) {
			t.Errorf("%d rows: not canonical", n)
		}
	}
}

// TestEveryByte: no byte can be another one, and nothing can be missing or follow.
func TestEveryByte(t *testing.T) {
	h, rows := sample(3)
	b := encode(t, h, rows)
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x20
		if _, _, err := decode(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d of %d flipped: %v", i, len(b), err)
		}
		if _, _, err := decode(b[:i]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if _, _, err := decode(append(bytes.Clone(b), 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("longer: %v", err)
	}
}

// TestLimits: counts are refused before anything is read for them.
func TestLimits(t *testing.T) {
	h, rows := sample(2)
	b := encode(t, h, rows)
	bad := bytes.Clone(b)
	binary.BigEndian.PutUint32(bad[12:], MaxRows+1)
	if _, err := NewReader(bytes.NewReader(bad), MaxSize); !errors.Is(err, ErrMalformed) {
		t.Errorf("rows over the limit: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(b), MaxSize+1); !errors.Is(err, ErrMalformed) {
		t.Errorf("size over the limit: %v", err)
	}
	if _, err := NewWriter(&bytes.Buffer{}, Header{Rows: MaxRows + 1}); err == nil {
		t.Error("written with too many rows")
	}
	for name, bad := range map[string][]Row{
		"order":     {rows[1], rows[0]},
		"twice":     {rows[0], rows[0]},
		"no stamp":  {rows[0], {Role: tree.RoleRedo, Path: []byte("x"), Theirs: tree.Stamp{1}}},
		"role":      {{Role: 9, Path: []byte("x"), Theirs: tree.Stamp{1}, Ours: tree.Stamp{1}}},
		"outside":   {{Role: tree.RoleData, Path: []byte("../x"), Theirs: tree.Stamp{1}, Ours: tree.Stamp{1}}},
		"long path": {{Role: tree.RoleData, Path: []byte(strings.Repeat("x", MaxPath+1)), Theirs: tree.Stamp{1}, Ours: tree.Stamp{1}}},
		"missing":   {rows[0]},
		"too many":  {rows[0], rows[1], {Role: tree.RoleBinlog, Path: []byte("x"), Theirs: tree.Stamp{1}, Ours: tree.Stamp{1}}},
	} {
		w, err := NewWriter(&bytes.Buffer{}, h)
		for _, r := range bad {
			if err == nil {
				err = w.Add(r)
			}
		}
		if err == nil {
			err = w.Close()
		}
		if err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func FuzzManifest(f *testing.F) {
	for _, n := range []int{0, 1, 3} {
		h, rows := sample(n)
		f.Add(encode(f, h, rows))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rows, err := decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v is not ErrMalformed", err)
			}
			return
		}
		if !bytes.Equal(encode(t, h, rows), b) {
			t.Fatal("decoding and encoding gives other bytes")
		}
	})
}

// TestLonger: a manifest ends with its last row, whatever its sum is about.
func TestLonger(t *testing.T) {
	h, rows := sample(3)
	b := encode(t, h, rows)
	b = append(b[:len(b)-sumSize:len(b)-sumSize], "more"...)
	sum := blake3.Sum256(b)
	if _, _, err := decode(append(b, sum[:]...)); !errors.Is(err, ErrMalformed) {
		t.Errorf("rows with something behind them: %v", err)
	}
}
