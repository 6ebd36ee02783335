package ceiling

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"trireme/cmd/internal/bench/datadir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestExact: what does little must at least copy.
func TestExact(t *testing.T) {
	d, err := datadir.Make(t.Context(), filepath.Join(t.TempDir(), "d"), datadir.Config{Size: 5<<20 + 1234, Tables: 3, Small: 40, SmallSize: 777})
	if err != nil {
		t.Fatal(err)
	}
	pipe := func(encrypted bool) func(context.Context, string, string, int) error {
		return func(ctx context.Context, s, to string, n int) error { return Pipe(ctx, s, to, n, encrypted) }
	}
	for name, f := range map[string]func(context.Context, string, string, int) error{"files": Files, "range": Range, "plain": pipe(false), "tls": pipe(true)} {
		for _, n := range []int{1, 3} {
			to := filepath.Join(t.TempDir(), "copy")
			if err := f(t.Context(), d.Path, to, n); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, err := datadir.Compare(t.Context(), d.Path, to); err != nil {
				t.Errorf("%s with %d: %v", name, n, err)
			}
			if err := Digest(t.Context(), d.Path, to, n); err != nil {
				t.Error(err)
			}
		}
	}
	if Memory(1<<20) <= 0 {
		t.Error("memory copies nothing")
	}
}

// TestMissing: an error ends everything and nothing hangs.
func TestMissing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, err := range []error{Files(t.Context(), none, none+"2", 2), Pipe(t.Context(), none, none+"2", 2, true), Digest(t.Context(), none, none, 2)} {
		if err == nil {
			t.Error("no error for a source that is not there")
		}
	}
}
