package peer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"trireme/cmd/internal/bench/meter"
	"trireme/proto"
)

// Job is one transfer.
type Job struct {
	Source, Target string
	Scratch        string   // a directory for option files, lists and certificates
	Fresh          bool     // the target does not exist; otherwise it holds an old copy
	Holes          bool     // ask for holes to be kept where that is an option
	Parallel       int      // processes side by side of those that can be divided
	Streams        int      // most data connections of ours; 0: its own choice
	Extra          []string // further lines of [trireme]
}

// Own is what a contestant says about a transfer itself.
type Own struct {
	Wire    int64             `json:"wire_bytes"` // both directions, 0: it does not say
	Sent    int64             `json:"sent_bytes"` // content
	Streams int               `json:"streams,omitempty"`
	Passes  []proto.PassStats `json:"passes,omitempty"`
	Marks   []Mark            `json:"marks,omitempty"`
}

// Mark is when a phase began.
type Mark struct {
	At    float64 `json:"at_seconds"`
	Phase string  `json:"phase"`
}

// Contestant is one way to copy a directory.
type Contestant struct {
	Name      string
	Ours      bool
	Encrypted bool
	// Delta is false for those that always copy everything.
	Delta bool
	// SlowFiles marks those that take milliseconds for each file.
	SlowFiles bool
	// Hops is how often a byte passes the loopback device on its way.
	Hops int
	// Needs are the programs without which it cannot take part.
	Needs []string
	// Lacks says of what else is missing; nil or "": nothing.
	Lacks func() string
	// Binary is the program where that is not a question of PATH.
	Binary string

	run func(ctx context.Context, g *meter.Group, c *Contestant, j *Job) (Own, error)
}

// Run copies, and stops the clock of g.
func (c *Contestant) Run(ctx context.Context, g *meter.Group, j *Job) (Own, error) {
	own, err := c.run(ctx, g, c, j)
	if err != nil {
		return Own{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	return own, nil
}

// missing says why it cannot take part, "" when it can.
func (c *Contestant) missing() string {
	var lacks []string
	for _, p := range c.Needs {
		if _, err := exec.LookPath(p); err != nil {
			lacks = append(lacks, p)
		}
	}
	if len(lacks) > 0 {
		return "needs " + strings.Join(lacks, ", ")
	}
	if c.Lacks != nil {
		return c.Lacks()
	}
	return ""
}

// All are those that can be asked for. binary is ours; against, when not empty, is another build of it that races as well.
func All(binary, against string) []*Contestant {
	all := []*Contestant{ours("trireme", binary, tls), ours("trireme-plain", binary, plain), ours("trireme-quic", binary, quic)}
	if against != "" {
		all = append(all, ours("other", against, tls), ours("other-plain", against, plain))
	}
	return append(all,
		&Contestant{Name: "cp", Hops: 0, Needs: []string{"cp"}, run: runCp},
		&Contestant{Name: "rsync", Delta: true, Hops: 1, Needs: []string{"rsync"}, run: runRsync},
		&Contestant{Name: "rsync+socat", Delta: true, Encrypted: true, Hops: 3, Needs: []string{"rsync", "socat"}, run: runRsyncSocat},
		&Contestant{Name: "rsync+stunnel", Delta: true, Encrypted: true, Hops: 3, Needs: []string{"rsync", "stunnel4"}, run: runRsyncStunnel},
		&Contestant{Name: "tar+socat", Encrypted: true, Hops: 1, Needs: []string{"tar", "socat"}, run: runTarSocat},
		&Contestant{Name: "rclone", SlowFiles: true, Encrypted: true, Hops: 1, Needs: []string{"rclone"}, run: runRclone},
		&Contestant{Name: "mariabackup", Lacks: func() string {
			return "copies a running server only: make race-lock races it, and rsync and tar, on a real cluster"
		}},
	)
}

// Pick returns the named contestants of all, or all for "all", and says of each of them that cannot take part why.
func Pick(all []*Contestant, names []string) (in []*Contestant, missing []string, err error) {
	for _, n := range names {
		if n != "all" && !slices.ContainsFunc(all, func(c *Contestant) bool { return c.Name == n }) {
			var known []string
			for _, c := range all {
				known = append(known, c.Name)
			}
			return nil, nil, fmt.Errorf("no contestant %q; known are %s", n, strings.Join(known, ", "))
		}
	}
	for _, c := range all {
		if !slices.Contains(names, "all") && !slices.Contains(names, c.Name) {
			continue
		}
		if why := c.missing(); why != "" {
			missing = append(missing, c.Name+": "+why)
			continue
		}
		in = append(in, c)
	}
	return in, missing, nil
}

// quietEnv is the environment without what would make a program read somebody's own settings.
func quietEnv(more ...string) []string {
	return append(append(os.Environ(), "LC_ALL=C", "RCLONE_CONFIG=/dev/null"), more...)
}
