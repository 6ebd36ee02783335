package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"trireme/bench/cluster"
)

// lookEvery is the distance of two looks at an error log: the precision of a timeline. Servers stamp their lines to the second only.
const lookEvery = 2 * time.Millisecond

// event is a line of an error log and when it was there, counted from the start of the join.
type event struct {
	at   time.Duration
	node string
	line string
}

// timeline collects what both servers write to their error logs while a node joins. Its goroutines end in stop.
type timeline struct {
	began  time.Time
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	events []event
}

func newTimeline(ctx context.Context, began time.Time) (*timeline, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	return &timeline{began: began, cancel: cancel}, ctx
}

// watch follows the node's error log from an offset on.
func (t *timeline) watch(ctx context.Context, name string, n *cluster.Node, offset int64) {
	t.wg.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		rest := ""
		for ctx.Err() == nil {
			more, err := readFrom(n.LogPath(), offset)
			if err != nil {
				return // it is a service to the reader of the race, and fails no join
			}
			offset += int64(len(more))
			rest = t.add(name, rest+more)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
}

// add notes the whole lines of text and returns what is behind the last of them.
func (t *timeline) add(node, text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			return text
		}
		t.events = append(t.events, event{time.Since(t.began), node, line})
		text = rest
	}
}

func readFrom(path string, offset int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, offset, 1<<62))
	return string(b), err
}

// milestones are the lines of a server in which a join moves on. The lines of the transfer's program are all told.
var milestones = regexp.MustCompile(`WSREP: (Running: 'wsrep_sst_|SST request sent|Prepared SST|Member .* requested state transfer|State transfer required|` +
	`Preparing to receive IST|Receiving IST\.\.\.|IST received|Donor state reached|SST received|SST complete|SST sent|Server status change|` +
	`.*(STATE_TRANSFER|state transfer).*complete|Synchronized with group|Shifting )|InnoDB: (Initializing buffer pool|.*log sequence number|Buffer pool\(s\) load)|ready for connections`)

var serverStamp = regexp.MustCompile(`^\d{4}-\d\d-\d\d +\d+:\d\d:\d\d \d+ `)

// stop ends the watching and prints what was collected, in order of time.
func (t *timeline) stop(w io.Writer) {
	t.cancel()
	t.wg.Wait()
	slices.SortStableFunc(t.events, func(a, b event) int { return int(a.at - b.at) })
	for _, e := range t.events {
		if ours := strings.Contains(e.line, "WSREP_SST"); !ours && !milestones.MatchString(e.line) {
			continue
		}
		// Widest, what a terminal shows without turning a race into a wall of settings.
		const widest = 220
		text := serverStamp.ReplaceAllString(e.line, "")
		fmt.Fprintf(w, "%8.3f %-6s %.*s\n", e.at.Seconds(), e.node, widest, text)
	}
}
