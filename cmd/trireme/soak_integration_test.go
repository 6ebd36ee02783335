//go:build integration

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// SOAK says how often the tests that repeat themselves do so: a number, or FROM-TO for a piece of a longer soak, which then has the
// seeds and the moments of that piece.

// repeats are the numbers of the repeats to be made, from 1 on: those of SOAK, without it the least that a test makes.
func repeats(t *testing.T, least int) []int {
	t.Helper()
	from, to, err := parseSoak(os.Getenv("SOAK"), least)
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

func parseSoak(text string, least int) (from, to int, err error) {
	if text == "" {
		return 1, least, nil
	}
	first, last, piece := strings.Cut(text, "-")
	if !piece {
		first, last = "1", text
	}
	from, err = strconv.Atoi(first)
	if err == nil {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to < from {
		return 0, 0, fmt.Errorf("SOAK=%q is neither a number of repeats nor a range of them like 11-20", text)
	}
	return from, to, nil
}

// soaking says whether this is a soak, in which tests also look longer.
func soaking() bool { return os.Getenv("SOAK") != "" }

func TestSoakPieces(t *testing.T) {
	for _, c := range []struct {
		text     string
		from, to int
	}{{"", 1, 2}, {"50", 1, 50}, {"11-20", 11, 20}, {"7-7", 7, 7}, {"0", 0, 0}, {"3-2", 0, 0}, {"-4", 0, 0}, {"many", 0, 0}, {"1-", 0, 0}} {
		from, to, err := parseSoak(c.text, 2)
		if from != c.from || to != c.to || (err != nil) != (c.to == 0) {
			t.Errorf("SOAK=%q: %d to %d, %v", c.text, from, to, err)
		}
	}
}

// count is how often something was looked at, and how often it did not hold.
type count struct{ looks, broken int }

// tallied is what the repeats of one test came to.
type tallied struct {
	joins, failed, kills int
	locks                []float64 // s for which the donor was locked, each join
	waited               int       // locks that waited longer for a statement than they were to last
	accuracy             []float64 // the others' true length as a multiple of the predicted one
	took                 time.Duration
}

// tally adds up what repeated tests and oracles come to. It is printed at the end of a soak.
type tally struct {
	mu      sync.Mutex
	tests   map[string]*tallied
	oracles map[string]*count
}

var soaked = tally{tests: map[string]*tallied{}, oracles: map[string]*count{}}

// of changes what is known about a test.
func (y *tally) of(t *testing.T, change func(*tallied)) {
	y.mu.Lock()
	defer y.mu.Unlock()
	name, _, _ := strings.Cut(t.Name(), "/")
	if y.tests[name] == nil {
		y.tests[name] = &tallied{}
	}
	change(y.tests[name])
}

// judged notes the verdict of an oracle (consistency 12).
func (y *tally) judged(oracle string, held bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.oracles[oracle] == nil {
		y.oracles[oracle] = &count{}
	}
	y.oracles[oracle].looks++
	if !held {
		y.oracles[oracle].broken++
	}
}

// oracle notes the verdict of an oracle and stops the test when it is bad.
func oracle(t *testing.T, name string, err error) {
	t.Helper()
	soaked.judged(name, err == nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// repeat is one repeat of a test, under a name of its own. What the function does is a join unless it says otherwise.
func repeat(t *testing.T, i int, f func(t *testing.T)) bool {
	began := time.Now()
	ok := t.Run(fmt.Sprintf("repeat=%d", i), f)
	soaked.of(t, func(k *tallied) {
		k.joins++
		k.took += time.Since(began)
		if !ok {
			k.failed++
		}
	})
	return ok
}

// accurate holds the predictions of a test's locks against the truth (T-30). Load that nobody could foresee may make single joins far off;
// the middle of several may not be.
func (y *tally) accurate(t *testing.T) {
	t.Helper()
	const enough = 5
	y.of(t, func(k *tallied) {
		if v := slices.Sorted(slices.Values(k.accuracy)); len(v) >= enough && (v[len(v)/2] < 0.5 || v[len(v)/2] > 2) {
			t.Errorf("locks lasted %s times as long as predicted", spread(v))
		}
	})
}

// print writes the figures of a soak.
func (y *tally) print(w io.Writer) {
	y.mu.Lock()
	defer y.mu.Unlock()
	var names []string
	for name := range y.tests {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k := y.tests[name]
		fmt.Fprintf(w, "soak: %s: %d joins, %d of them failed or differed, %.1f s each", name, k.joins, k.failed, k.took.Seconds()/float64(max(1, k.joins)))
		if k.kills > 0 {
			fmt.Fprintf(w, "; %d kills healed", k.kills)
		}
		if len(k.locks) > 0 {
			fmt.Fprintf(w, "; donor locked for %s s", spread(k.locks))
		}
		if len(k.accuracy) > 0 {
			fmt.Fprintf(w, "; true length of a lock over predicted: %s", spread(k.accuracy))
		}
		if k.waited > 0 {
			fmt.Fprintf(w, " (without %d that waited for statements)", k.waited)
		}
		fmt.Fprintln(w)
	}
	names = names[:0]
	for name := range y.oracles {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		o := y.oracles[name]
		fmt.Fprintf(w, "soak: oracle %s: held %d times of %d\n", name, o.looks-o.broken, o.looks)
	}
}

// spread is the median between the smallest and the largest value.
func spread(v []float64) string {
	v = slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.3f (%.3f to %.3f)", v[len(v)/2], v[0], v[len(v)-1])
}

func TestSpread(t *testing.T) {
	if got := spread([]float64{3, 1, 2}); got != "2.000 (1.000 to 3.000)" {
		t.Error(got)
	}
}
