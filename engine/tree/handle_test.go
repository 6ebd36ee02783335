package tree

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestHandle(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "db/a=0123456789", "db/link->a")
	must(t, unix.Mkfifo(data+"/db/pipe", 0o600))
	for _, beneath := range []bool{true, false} {
		d := open(t, Layout{Data: data})
		d.beneath = d.beneath && beneath
		h, err := d.Handle(RoleData, "db/a", os.O_RDWR, 0)
		must(t, err)
		if h.Size() != 10 || h.Name() != data+"/db/a" {
			t.Errorf("%d bytes, named %s", h.Size(), h.Name())
		}
		b := make([]byte, 6)
		if n, err := h.ReadAt(b, 2); n != 6 || err != nil || string(b) != "234567" {
			t.Errorf("read %d %q %v", n, b, err)
		}
		if n, err := h.ReadAt(b, 8); n != 2 || err != io.EOF || string(b[:n]) != "89" {
			t.Errorf("read %d %q %v over the end", n, b, err)
		}
		if n, err := h.ReadAt(nil, 20); n != 0 || err != nil {
			t.Errorf("read of nothing: %d %v", n, err)
		}
		if !h.block() || h.block() {
			t.Error("O_NONBLOCK was not there, or is still")
		}
		if n, err := h.WriteAt([]byte("xy"), 4); n != 2 || err != nil {
			t.Errorf("written %d %v", n, err)
		}
		must(t, errors.Join(h.Truncate(7), h.Chmod(0o604), h.Sync()))
		if got, _ := os.ReadFile(data + "/db/a"); string(got) != "0123xy6" {
			t.Errorf("the file is %q", got)
		}
		if e, gone, err := StatFile(h); err != nil || gone || e.Size != 7 || e.Mode != 0o604 {
			t.Errorf("%+v %v %v", e, gone, err)
		}
		must(t, h.Close())
		for what, err := range map[string]error{"close": h.Close(), "truncate": h.Truncate(1), "sync": h.Sync()} {
			if !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s when closed: %v", what, err)
			}
		}
		if _, err := h.ReadAt(b, 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("read when closed: %v", err)
		}
		for _, name := range []string{"db/link", "db/pipe", "db", "db/none"} {
			if h, err := d.Handle(RoleData, name, os.O_RDONLY, 0); err == nil {
				t.Errorf("%s was opened", h.Name())
			}
		}
		must(t, os.WriteFile(data+"/db/a", []byte("0123456789"), 0o600))
	}
	ro := open(t, Layout{Data: data})
	h, err := ro.Handle(RoleData, "db/a", os.O_RDONLY, 0)
	must(t, err)
	defer h.Close()
	var pe *fs.PathError
	if _, err := h.WriteAt([]byte("x"), 0); !errors.As(err, &pe) || pe.Path != data+"/db/a" {
		t.Errorf("written to a file opened for reading: %v", err)
	}
}

// TestWalk: Walk tells what Scan lists, binary logs with their classes too.
func TestWalk(t *testing.T) {
	data := t.TempDir()
	grow(t, data, "ibdata1=x", "ib_logfile0=x", "a/t.frm=x", "a/t.MYD=yy", "a-b/t.frm=x", "a.c=x", "b/db.opt=", "b/x/y=1",
		"bin.index=./bin.000001\n./bin.000002\n", "bin.000001=1", "bin.000002=2", "undo001=u", "link->a")
	d := open(t, Layout{Data: data, Binlog: data, BinlogBase: "bin", MaxBinlogs: 1})
	want := scan(t, d).Entries
	var got []Entry
	must(t, d.Walk(t.Context(), func(_ *Tree, e *Entry) error { got = append(got, *e); return nil }))
	found := map[Entry]int{}
	for _, e := range want {
		found[e]++
	}
	for _, e := range got {
		if found[e]--; found[e] < 0 {
			t.Errorf("%+v is not in the list", e)
		}
	}
	if len(got) != len(want) || len(got) < 14 {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	calls, stop := 0, errors.New("enough")
	if err := d.Walk(t.Context(), func(*Tree, *Entry) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%d calls, then %v", calls, err)
	}
}

func TestArena(t *testing.T) {
	var m arena
	var all []string
	for i := range 3000 {
		all = append(all, m.join(string(bytes.Repeat([]byte{'a' + byte(i%26)}, i%90)), []byte("/x")))
	}
	for i, s := range all {
		if s != string(bytes.Repeat([]byte{'a' + byte(i%26)}, i%90))+"/x" {
			t.Fatalf("string %d is %q", i, s)
		}
	}
}

// TestExtents: a file that was written in places lies in as many pieces, which are on the disk after WriteBack and not only planned.
func TestExtents(t *testing.T) {
	const pieces, apart, piece = 16, 1 << 20, 64 << 10
	data := t.TempDir()
	grow(t, data, "db/whole=", "db/pieces=")
	d := open(t, Layout{Data: data})
	planned := func(h *Handle) (n int) {
		m := struct {
			start, length               uint64
			flags, mapped, room, unused uint32
			extents                     [2 * pieces]struct {
				logical, physical, length, _, _ uint64
				flags, _, _, _                  uint32
			}
		}{length: 1 << 40, room: 2 * pieces}
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, h.Fd(), 0xc020660b, uintptr(unsafe.Pointer(&m))); e != 0 {
			t.Fatal(e)
		}
		for _, e := range m.extents[:m.mapped] {
			if e.flags&0x4 != 0 { // FIEMAP_EXTENT_DELALLOC
				n++
			}
		}
		return n
	}
	for name, off := range map[string]int64{"db/whole": piece, "db/pieces": apart} {
		h, err := d.Handle(RoleData, name, os.O_RDWR, 0)
		must(t, err)
		defer h.Close()
		for i := range int64(pieces) {
			_, err := h.WriteAt(bytes.Repeat([]byte{1 + byte(i)}, piece), i*off)
			must(t, err)
		}
		n, err := d.Extents(RoleData, name)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) {
			t.Skipf("the file system of %s does not tell where files lie: %v", data, err)
		}
		must(t, err)
		if few := name == "db/whole"; few && n > pieces/4 || !few && n != pieces {
			t.Errorf("%s lies in %d pieces", name, n)
		}
		if planned(h) == 0 {
			t.Skipf("%s is on the disk without WriteBack", name)
		}
		must(t, h.WriteBack(0, pieces*apart))
		if n := planned(h); n != 0 {
			t.Errorf("%d pieces of %s are not on the disk after WriteBack", n, name)
		}
	}
	if _, err := d.Extents(RoleData, "db/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
