package pack

import (
	"strings"
	"testing"
	"time"
)

// stretch is a number of samples that are alike.
type stretch struct {
	n       int
	blocked float64 // share
	idle    float64
	speed   int64 // content, MiB/s
	shrunk  float64
}

// link is a link of 100 MiB/s; packed halves content on it.
var (
	link   = stretch{blocked: 0.9, idle: 1.5, speed: 100, shrunk: 1}
	packed = stretch{blocked: 0.8, idle: 0.8, speed: 190, shrunk: 0.5}
)

func (s stretch) times(n int) stretch { s.n = n; return s }

func TestGate(t *testing.T) {
	second := int(time.Second / SampleEvery)
	for _, c := range []struct {
		name  string
		given []stretch
		want  []string // what is said, in order; "+" opens, "-" closes
	}{
		{"link", []stretch{link.times(2 * second), packed.times(30 * second)}, []string{"+the link is the bottleneck (90% of the time is spent waiting for it, 100 MiB/s)"}},
		{"too short", []stretch{link.times(2*second - 1), {n: 1, blocked: 0.1, idle: 1, speed: 500, shrunk: 1}, link.times(2*second - 1)}, nil},
		{"fast link", []stretch{{n: 60 * second, blocked: 0.3, idle: 1, speed: 900, shrunk: 1}}, nil},
		{"no processor", []stretch{{n: 60 * second, blocked: 0.9, idle: 0.2, speed: 900, shrunk: 1}}, nil},
		{"idle unknown", []stretch{{n: 2 * second, blocked: 0.9, idle: -1, speed: 90, shrunk: 1}}, []string{"+the link"}},
		{"slow joiner", []stretch{link.times(2 * second), {n: 2 * second, blocked: 0.9, idle: 1, speed: 105, shrunk: 0.5}}, []string{"+the link", "-it gained too little (100 MiB/s before, 105 MiB/s with it, content shrank to 50%)"}},
		{"rests after a failure", []stretch{link.times(2 * second), link.times(2 * second), link.times(15 * second), link.times(2*second - 1)}, []string{"+the link", "-it gained too little"}},
		{"tries again", []stretch{link.times(2 * second), link.times(2 * second), link.times(15 * second), link.times(2 * second), packed.times(5 * second)}, []string{"+the link", "-it gained too little", "+the link"}},
		{"processors run out", []stretch{link.times(2 * second), packed.times(4 * second), {n: 2 * second, blocked: 0.05, idle: 0, speed: 150, shrunk: 0.5}}, []string{"+the link", "-the processors are the bottleneck now"}},
		{"content changes", []stretch{link.times(2 * second), packed.times(4 * second), {n: 2 * second, blocked: 0.9, idle: 1, speed: 100, shrunk: 0.99}}, []string{"+the link", "-content shrinks to 99% only"}},
		{"pause between passes", []stretch{link.times(2 * second), packed.times(second), {n: 60 * second, blocked: 0, idle: 2}, packed.times(second)}, []string{"+the link"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var g Gate
			var said []string
			for _, s := range c.given {
				for range s.n {
					content := s.speed << 20 / int64(second)
					why := g.Add(Sample{
						Took: SampleEvery, Blocked: time.Duration(s.blocked * 4 * float64(SampleEvery)), Senders: 4,
						Content: content, Wire: int64(float64(content) * s.shrunk), Idle: s.idle,
					})
					if why == "" {
						continue
					}
					if g.Open() {
						why = "+" + why
					} else {
						why = "-" + why
					}
					said = append(said, why)
				}
			}
			if len(said) != len(c.want) {
				t.Fatalf("said %q, want %q", said, c.want)
			}
			for i := range said {
				if !strings.HasPrefix(said[i], c.want[i]) {
					t.Errorf("said %q, want %q", said[i], c.want[i])
				}
			}
		})
	}
}

// TestGatePauses: the rests between tries that fail grow to a limit.
func TestGatePauses(t *testing.T) {
	var g Gate
	var opened []time.Duration
	var now time.Duration
	for now < 30*time.Minute {
		was := g.Open()
		now += SampleEvery
		g.Add(Sample{Took: SampleEvery, Blocked: SampleEvery, Senders: 1, Content: 1 << 20, Wire: 1 << 20, Idle: 2})
		if g.Open() && !was {
			opened = append(opened, now)
		}
	}
	for i := 1; i < len(opened); i++ {
		want := min(retryFirst<<(i-1), retryMost) + 2*settle
		if got := opened[i] - opened[i-1]; got != want {
			t.Errorf("try %d came after %v, want %v", i+1, got, want)
		}
	}
	if len(opened) < 8 {
		t.Errorf("%d tries in half an hour", len(opened))
	}
}
