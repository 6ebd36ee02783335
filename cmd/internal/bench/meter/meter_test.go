package meter

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCounts: a program's reads, writes and processor time are those of it and its children.
func TestCounts(t *testing.T) {
	g := NewGroup()
	if err := g.Begin(); err != nil {
		t.Fatal(err)
	}
	// dd is a child of the shell: 1000 reads and writes of 4 KiB.
	p, err := g.Start(Joiner, exec.Command("sh", "-c", "dd if=/dev/zero of=/dev/null bs=4096 count=1000 2>/dev/null; true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := g.Lap(); err != nil {
		t.Fatal(err)
	}
	u := g.Stop()
	io := u.IO[Joiner]
	if io.Writes < 1000 || io.Writes > 1100 || io.WriteBytes < 4096000 || io.Reads < 1000 || u.IO[Donor].Reads != 0 {
		t.Errorf("%+v", u.IO)
	}
	if u.Own <= 0 || u.Wall <= 0 {
		t.Errorf("%+v", u)
	}
}

// TestPeak holds 64 MiB long enough to be seen, and writes on, which the curve shows.
func TestPeak(t *testing.T) {
	g := NewGroup()
	if err := g.Begin(); err != nil {
		t.Fatal(err)
	}
	p, err := g.Start(Joiner, exec.Command("sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=12 2>/dev/null; sleep 0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := g.Lap(); err != nil {
		t.Fatal(err)
	}
	u := g.Stop()
	if u.Peak[Joiner] < 64<<20 || u.Peak[Joiner] > 80<<20 {
		t.Errorf("a peak of %d bytes", u.Peak[Joiner])
	}
	if n := len(u.Curve); n == 0 || !slices.ContainsFunc(u.Curve, func(p Point) bool { return p.Bytes >= 64<<20 }) {
		t.Errorf("a curve of %d points: %v", n, u.Curve)
	}
}

// TestFailure: the first that fails ends the others, and its last words are in the error.
func TestFailure(t *testing.T) {
	g := NewGroup()
	long, err := g.Start(Donor, exec.Command("sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	bad, err := g.Start(Joiner, exec.Command("sh", "-c", "echo no room >&2; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(t.Context(), long, bad); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Error(err)
	}
	g.Stop()
}

// TestCancel ends what runs, what listens too.
func TestCancel(t *testing.T) {
	g := NewGroup()
	if _, err := g.Start(Joiner, exec.Command("sleep", "60")); err != nil {
		t.Fatal(err)
	}
	p, err := g.Start(Donor, exec.Command("sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Wait(ctx, p); err == nil {
		t.Error("no error")
	}
	g.Stop() // would wait for a minute
}

func TestMachine(t *testing.T) {
	TouchMemory(65 << 20)
	m := Describe(t.TempDir())
	if m.CPU == "" || m.Memory < 1<<20 || m.Kernel == "" || m.FS == "" || m.Load == "" {
		t.Errorf("%+v", m)
	}
}
