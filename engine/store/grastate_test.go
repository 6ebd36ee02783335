package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGrastate(t *testing.T) {
	const zero = "00000000-0000-0000-0000-000000000000"
	for name, c := range map[string]struct {
		text, want string
	}{
		"given up":      {"uuid: " + zero + "\nseqno:   -1\n", ""},
		"no newline":    {"version: 2.1\nuuid:\t" + zero + "\nseqno: -1", ""},
		"in use":        {"uuid: 6f2f2c1e-9a0b-11ee-b9d1-0242ac120002\nseqno: -1\n", "6f2f2c1e"},
		"clean":         {"uuid: 6f2f2c1e-9a0b-11ee-b9d1-0242ac120002\nseqno: 12\n", "nothing has been changed"},
		"zero with seq": {"uuid: " + zero + "\nseqno: 5\n", "seqno 5"},
		"empty":         {"", ""}, // a node that never had a state
		"padded":        {"  \n \n", ""},
		"half":          {"uuid: " + zero + "\n", "no uuid and seqno"},
		"binary":        {"\x00\xff:::\n", "no uuid and seqno"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, t.TempDir())
			r.put(f("grastate.dat", []byte(c.text)), f("ibdata1", noise(1, 10)))
			before := r.list()
			s := r.store()
			if s.Touched() {
				t.Error("touched before Prepare")
			}
			err := s.Prepare(t.Context())
			if s.Touched() != (c.want == "") {
				t.Errorf("touched: %v, error %v", s.Touched(), err)
			}
			if c.want == "" {
				mustOK(t, err)
				mustOK(t, s.Close())
				if !s.Touched() {
					t.Error("not touched after Close")
				}
				return
			}
			mustFail(t, err, c.want, "grastate.dat")
			if msg := diff(r.list(), before); msg != "" {
				t.Fatal("refused and yet changed: ", msg)
			}
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		const used, given = "uuid: 6f2f2c1e-9a0b-11ee-b9d1-0242ac120002\nseqno: 12\n", "uuid: " + zero + "\nseqno: -1\n"
		for _, c := range []struct{ here, there, want string }{{used, given, ""}, {given, used, "6f2f2c1e"}} {
			r := newRig(t, t.TempDir())
			r.put(f("grastate.dat", []byte(c.here)))
			dir := t.TempDir()
			mustOK(t, os.WriteFile(filepath.Join(dir, "grastate.dat"), []byte(c.there), 0o600))
			s := Open(Config{Dirs: r.dirs, Layout: r.layout, CheckGrastate: true, GrastateDir: dir, GrastateWait: 1})
			err := s.Prepare(t.Context())
			if c.want == "" {
				mustOK(t, err)
			} else {
				mustFail(t, err, c.want, dir)
			}
			mustOK(t, s.Close())
		}
	})
	t.Run("clone by hand", func(t *testing.T) {
		r := newRig(t, t.TempDir())
		r.put(f("grastate.dat", []byte("uuid: 6f2f2c1e-9a0b-11ee-b9d1-0242ac120002\nseqno: 12\n")))
		s := Open(Config{Dirs: r.dirs, Layout: r.layout})
		defer s.Close()
		mustOK(t, s.Prepare(t.Context()))
	})
	t.Run("cancelled", func(t *testing.T) {
		r := newRig(t, t.TempDir())
		r.put(f("grastate.dat", []byte("uuid:")))
		cause := errors.New("the donor went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		s := Open(Config{Dirs: r.dirs, Layout: r.layout, CheckGrastate: true})
		defer s.Close()
		if err := s.Prepare(ctx); !errors.Is(err, cause) {
			t.Fatalf("%v, want the cause", err)
		}
	})
}

func FuzzGrastate(f *testing.F) {
	f.Add([]byte("uuid: " + zeroUUID + "\nseqno: -1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		uuid, seqno, ok := parseGrastate(text)
		if ok != (uuid != "" && seqno != "") {
			t.Fatal("ok without values")
		}
		if ok && !strings.Contains(strings.ToLower(string(text)), uuid) {
			t.Fatal("a uuid that is not in the text")
		}
	})
}
