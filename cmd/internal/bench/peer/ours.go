package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"trireme/cmd/internal/bench/meter"
	"trireme/cmd/internal/status"
)

// Lines of an option file that choose the channel. Without any, the ends are proved by pin and nonce, over TLS.
const (
	tls   = ""
	plain = "[sst]\nencrypt=0\n"
	quic  = "[trireme]\ntransport=quic\n"
)

// ours is this program, both ends driven by hand.
func ours(name, binary, channel string) *Contestant {
	c := &Contestant{Name: name, Ours: true, Delta: true, Encrypted: channel != plain, Hops: 1, Binary: binary}
	c.run = func(ctx context.Context, g *meter.Group, c *Contestant, j *Job) (Own, error) {
		return runOurs(ctx, g, binary, channel, j)
	}
	if channel == quic {
		c.Lacks = func() string { return lacksQUIC(binary) }
	}
	return c
}

// lacksQUIC asks the program itself; a build without QUIC refuses the setting.
func lacksQUIC(binary string) string {
	dir, err := os.MkdirTemp("", "trireme-bench-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "my.cnf")
	if err := os.WriteFile(file, []byte(quic), 0o600); err != nil {
		return err.Error()
	}
	cmd := exec.Command(binary, "receive", filepath.Join(dir, "target"), "--dry-run", "--defaults-file", file)
	if cmd.Run() != nil {
		return "this build refuses transport=quic"
	}
	return ""
}

// heard takes the events that one end prints.
type heard struct {
	mu      sync.Mutex
	rest    []byte
	ticket  chan string // has room for one
	got     bool
	marks   []Mark
	began   time.Time
	summary status.Status
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rest = append(h.rest, p...)
	for {
		line, rest, ok := bytes.Cut(h.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		h.take(line)
		h.rest = rest
	}
}

func (h *heard) take(line []byte) {
	var e struct {
		Event  string `json:"event"`
		Ticket string `json:"ticket"`
		status.Status
	}
	if json.Unmarshal(line, &e) != nil {
		return // the exit code tells whether all is well
	}
	switch e.Event {
	case "listening":
		if !h.got {
			h.got = true
			h.ticket <- e.Ticket
		}
	case "progress":
		if n := len(h.marks); n == 0 || h.marks[n-1].Phase != e.Phase {
			h.marks = append(h.marks, Mark{time.Since(h.began).Seconds(), e.Phase})
		}
	case "end":
		h.summary = e.Status
	}
}

// optionFile writes what both ends read.
func optionFile(j *Job, channel string) (string, error) {
	text := channel
	if len(j.Extra) > 0 {
		text += "[trireme]\n" + strings.Join(j.Extra, "\n") + "\n"
	}
	file := filepath.Join(j.Scratch, "trireme.cnf")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

const ready = 20 * time.Second // for what listens, on a busy machine

func runOurs(ctx context.Context, g *meter.Group, binary, channel string, j *Job) (Own, error) {
	file, err := optionFile(j, channel)
	if err != nil {
		return Own{}, err
	}
	common := []string{"--json", "--status-file", "none", "--defaults-file", file}
	if j.Streams > 0 {
		common = append(common, "--streams", strconv.Itoa(j.Streams))
	}
	receive := exec.Command(binary, append([]string{"receive", j.Target, "--listen", "127.0.0.1:0"}, common...)...)
	if !j.Fresh {
		receive.Args = append(receive.Args, "--into-existing")
	}
	theirs := &heard{ticket: make(chan string, 1), began: time.Now()}
	receive.Stdout = theirs
	joiner, err := g.Start(meter.Joiner, receive)
	if err != nil {
		return Own{}, err
	}
	var ticket string
	select {
	case ticket = <-theirs.ticket:
	case <-time.After(ready):
		return Own{}, errors.New("the receiver does not listen")
	case <-ctx.Done():
		return Own{}, context.Cause(ctx)
	}
	send := exec.Command(binary, append([]string{"send", j.Source, "-"}, common...)...)
	send.Stdin = strings.NewReader(ticket + "\n")
	if err := g.Begin(); err != nil {
		return Own{}, err
	}
	mine := &heard{ticket: make(chan string, 1), began: time.Now()}
	send.Stdout = mine
	donor, err := g.Start(meter.Donor, send)
	if err != nil {
		return Own{}, err
	}
	if err := g.Wait(ctx, joiner, donor); err != nil {
		if s := mine.summary.Error; s != "" {
			err = fmt.Errorf("%w (the sender: %s)", err, s)
		}
		return Own{}, err
	}
	if err := g.Lap(); err != nil {
		return Own{}, err
	}
	s := &mine.summary
	return Own{Wire: s.Wire, Sent: s.Sent, Streams: s.Streams, Passes: s.Passes, Marks: mine.marks}, nil
}
