package tree

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestReadNames: names of all lengths, over several reads of the directory.
func TestReadNames(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 2500 {
		name := fmt.Sprintf("%0*d", 4+i%(maxComponent-3), i)
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		want = append(want, "db/"+name)
	}
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	got, err := readNames(fd, "db/", new(arena), nil)
	must(t, err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d names, want %d", len(got), len(want))
	}
}

// TestNextNameMalformed: a record that does not end where it says is an error and no panic.
func TestNextNameMalformed(t *testing.T) {
	record := func(length uint16) []byte {
		b := make([]byte, 32)
		binary.NativeEndian.PutUint16(b[unsafe.Offsetof(unix.Dirent{}.Reclen):], length)
		b[unsafe.Offsetof(unix.Dirent{}.Name)] = 'a'
		return b
	}
	if name, rest, err := nextName(record(32)); err != nil || string(name) != "a" || len(rest) != 0 {
		t.Errorf("whole record: %q, %d bytes left, %v", name, len(rest), err)
	}
	for _, n := range []uint16{0, 19, 33, 1<<16 - 1} {
		if _, _, err := nextName(record(n)); err == nil {
			t.Errorf("a record of %d bytes in 32 was taken", n)
		}
	}
	if _, _, err := nextName(make([]byte, 19)); err == nil {
		t.Error("a record without a name was taken")
	}
}

// TestRulesAlone: rules that remember the last directory give the answers of those that do not.
func TestRulesAlone(t *testing.T) {
	l := &Layout{Data: "/d"}
	remember, plain := newRules(l, l), newRules(l, l)
	remember.alone = true
	for _, rel := range []string{"db/a.MYD", "db/b.MYD", "#innodb_temp/a.MYD", ".x/a.MYD", "db/c.MYD", "x.err/a.MYD", "x.err/b.MYD", "lost+found/a.MYD"} {
		role, class := remember.classify(RoleData, rel, false)
		if r, c := plain.classify(RoleData, rel, false); r != role || c != class {
			t.Errorf("%s is %v %v, want %v %v", rel, role, class, r, c)
		}
	}
}

// TestStatNames: a name of any length and with any byte names what it names, as unix.Statx has it.
func TestStatNames(t *testing.T) {
	dir := t.TempDir()
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	long := strings.Repeat("x", maxComponent)
	must(t, os.WriteFile(filepath.Join(dir, long), []byte("1"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("22"), 0o600))
	for _, name := range []string{"", "a", "b", "a\x00", "\x00", long, long[1:], long + "x", "a\x00" + long} {
		var want stat
		flags := unix.AT_SYMLINK_NOFOLLOW
		if name == "" {
			flags |= unix.AT_EMPTY_PATH
		}
		wantErr := unix.Statx(fd, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &want.x)
		var got stat
		if err := got.at(fd, name); err != wantErr || got.entry() != want.entry() {
			t.Errorf("%.20q: %v, %+v, want %v, %+v", name, err, got.entry(), wantErr, want.entry())
		}
	}
}
