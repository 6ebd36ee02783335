package zoo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// fake records statements; it is one node of a cluster of the given size, and refuses statements that contain a text.
type fake struct {
	size   string
	refuse string

	mu   sync.Mutex
	said []string
}

var errRefused = errors.New("refused")

func (f *fake) Exec(_ context.Context, statements string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, statements)
	if f.refuse != "" && strings.Contains(statements, f.refuse) {
		return errRefused
	}
	return nil
}

func (f *fake) Query(_ context.Context, statements string) ([][]string, error) {
	if strings.Contains(statements, "wsrep_cluster_size") {
		return [][]string{{"wsrep_cluster_size", f.size}}, nil
	}
	return [][]string{{"100000"}}, nil
}

func TestLoadingRefusesCompany(t *testing.T) {
	ctx := context.Background()
	for name, load := range map[string]func(Server) error{
		"fill":            func(s Server) error { return Fill(ctx, s, 1<<20) },
		"fill replicated": func(s Server) error { return FillReplicated(ctx, s, 1<<20) },
		"many":            func(s Server) error { return ManyTables(ctx, s, 10) },
	} {
		f := &fake{size: "2"}
		if err := load(f); err == nil || len(f.said) != 0 {
			t.Errorf("%s in a cluster of two: error %v after %q", name, err, f.said)
		}
		if err := load(&fake{size: "1"}); err != nil {
			t.Errorf("%s alone: %v", name, err)
		}
		if err := load(&fake{size: "1", refuse: "CREATE TABLE"}); !errors.Is(err, errRefused) {
			t.Errorf("%s lost the server's error: %v", name, err)
		}
	}
}

func TestManyTablesMakesEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 250} {
		f := &fake{size: "1"}
		if err := ManyTables(context.Background(), f, n); err != nil {
			t.Fatal(err)
		}
		all := strings.Join(f.said, "\n")
		if got := strings.Count(all, "CREATE TABLE many."); got != n {
			t.Errorf("ManyTables(%d) makes %d tables", n, got)
		}
		for i := range n {
			if got := strings.Count(all, fmt.Sprintf("CREATE TABLE many.t%05d ", i)); got != 1 {
				t.Errorf("ManyTables(%d) makes table %d %d times", n, i, got)
			}
		}
	}
}

func TestTouchChecksItsShare(t *testing.T) {
	for _, percent := range []float64{0, -1, 100.5} {
		if err := Touch(context.Background(), &fake{}, percent, 1); err == nil {
			t.Errorf("Touch took %g percent", percent)
		}
	}
	f := &fake{}
	if err := Touch(context.Background(), f, 1, 1); err != nil || len(f.said) != 2 {
		t.Errorf("Touch: %v after %q", err, f.said)
	}
}

func TestSharesAddUp(t *testing.T) {
	for name, want := range map[string]struct {
		tables   []bulkTable
		n, least int
	}{
		"Fill":           {bulkTables(), 5, 100},
		"FillReplicated": {replicated(bulkTables()), 3, 99},
	} {
		sum := 0
		for _, table := range want.tables {
			sum += table.share
		}
		if len(want.tables) != want.n || sum < want.least || sum > 100 || want.tables[0].share != 50 {
			t.Errorf("the shares of %s's %d tables add up to %d percent, the first has %d", name, len(want.tables), sum, want.tables[0].share)
		}
	}
}
