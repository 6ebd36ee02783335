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

// link is a link of 100 MiB/s; on it s2 shrinks content to 60 %, and zstd to a half.
var (
	link   = stretch{blocked: 0.9, idle: 1.5, speed: 100, shrunk: 1}
	byS2   = stretch{blocked: 0.8, idle: 1.4, speed: 160, shrunk: 0.6}
	byZstd = stretch{blocked: 0.7, idle: 0.6, speed: 195, shrunk: 0.5}
	narrow = stretch{blocked: 0.8, idle: 0.9, speed: 160, shrunk: 0.6} // too little processor for zstd at that speed
)

const (
	second = int(time.Second / SampleEvery)
	first  = int(prompt / SampleEvery) // samples until the first try
	later  = int(settle / SampleEvery)
	try    = int(trial / SampleEvery)
)

func (s stretch) times(n int) stretch { s.n = n; return s }

func (s stretch) sample() Sample {
	content := s.speed << 20 / int64(second)
	return Sample{
		Took: SampleEvery, Blocked: time.Duration(s.blocked * 4 * float64(SampleEvery)), Senders: 4,
		Content: content, Wire: int64(float64(content) * s.shrunk), Idle: s.idle,
	}
}

func TestGate(t *testing.T) {
	const (
		opens = "s2: the link is the bottleneck (90% of the time is spent waiting for it, 100 MiB/s)"
		gains = "s2: it gains (160 MiB/s with s2, 100 MiB/s before, content shrinks to 60%)"
		more  = "zstd: the link is still the bottleneck (80% of the time, 160 MiB/s), and processors are idle"
		wins  = "zstd: it gains (195 MiB/s with zstd, 160 MiB/s before, content shrinks to 50%)"
	)
	dense := stretch{blocked: 0.9, idle: 1.4, speed: 102, shrunk: 0.97}
	won := []stretch{link.times(first), byS2.times(try + later), byZstd.times(try)}
	for _, c := range []struct {
		name  string
		given []stretch
		want  []string // what is used afterwards and what is said, in order
	}{
		{"link", append(won, byZstd.times(60*second)), []string{opens, gains, more, wins}},
		{"narrow", []stretch{link.times(first), narrow.times(60 * second)}, []string{opens, gains}},
		{"too short", []stretch{link.times(first - 1), {n: 1, blocked: 0.1, idle: 1, speed: 500, shrunk: 1}, link.times(first - 1)}, nil},
		{"writes that began earlier", []stretch{{n: first, blocked: 1.46, idle: 1, speed: 100, shrunk: 1}}, []string{"s2: the link is the bottleneck (100% of the time"}},
		{"fast link", []stretch{{n: 60 * second, blocked: 0.3, idle: 1, speed: 900, shrunk: 1}}, nil},
		{"no processor", []stretch{{n: 60 * second, blocked: 0.9, idle: 0.2, speed: 300, shrunk: 1}}, nil},
		{"no processor, but a thin link", []stretch{{n: first, blocked: 0.9, idle: 0, speed: 100, shrunk: 1}}, []string{opens}},
		{"too little processor for that speed", []stretch{{n: 60 * second, blocked: 0.9, idle: 1, speed: 1000, shrunk: 1}}, nil},
		{"idle unknown", []stretch{{n: first, blocked: 0.9, idle: -1, speed: 100, shrunk: 1}}, []string{opens}},
		{"slow joiner", []stretch{link.times(first), {n: try, blocked: 0.9, idle: 1, speed: 105, shrunk: 0.6}, {n: try, blocked: 0.9, idle: 1, speed: 105, shrunk: 0.5}},
			[]string{opens, "zstd: that gained too little (105 MiB/s with s2, 100 MiB/s before, content shrinks to 60%)", "none: that gained too little (105 MiB/s with zstd, 100 MiB/s before, content shrinks to 50%)"}},
		{"digits", []stretch{link.times(first), dense.times(try), byZstd.times(60 * second)}, []string{opens, "zstd: that gained too little (102", "zstd: it gains (195 MiB/s with zstd, 100 MiB/s before"}},
		{"digits without a processor for zstd", []stretch{link.times(first), {n: try, blocked: 0.9, idle: 0.6, speed: 102, shrunk: 0.97}}, []string{opens, "none: that gained too little (102"}},
		{"zstd does not pay", []stretch{link.times(first), byS2.times(try + later), {n: try, blocked: 0.2, idle: 0, speed: 130, shrunk: 0.5}, byS2.times(15*second - 1)},
			[]string{opens, gains, more, "s2: that gained too little (130 MiB/s with zstd, 160 MiB/s before"}},
		{"zstd is tried again", []stretch{link.times(first), byS2.times(try + later), {n: try, blocked: 0.2, idle: 0, speed: 130, shrunk: 0.5}, byS2.times(16 * second)},
			[]string{opens, gains, more, "s2: that gained too little", more}},
		{"processors run out", append(won, stretch{n: later, blocked: 0.05, idle: 0, speed: 120, shrunk: 0.5}, byS2.times(try)),
			[]string{opens, gains, more, wins, "s2: the processors are the bottleneck now (120 MiB/s)", "s2: it gains (160 MiB/s with s2, 120 MiB/s before"}},
		{"processors run out for both", append(won, stretch{n: later + try + later, blocked: 0.05, idle: 0, speed: 120, shrunk: 0.5}, stretch{n: try, blocked: 0.05, idle: 0, speed: 150, shrunk: 1}, link.times(14*second)),
			[]string{opens, gains, more, wins, "s2: the processors", "s2: it gains (120", "none: the processors are the bottleneck now", "none: it gains (150 MiB/s with none, 120"}},
		{"the cheap one does not help", append(won, stretch{n: later, blocked: 0.05, idle: 0, speed: 120, shrunk: 0.5}, stretch{n: try, blocked: 0.05, idle: 0, speed: 90, shrunk: 0.5}),
			[]string{opens, gains, more, wins, "s2: the processors", "zstd: that gained too little (90 MiB/s with s2, 120"}},
		{"s2 runs out", []stretch{link.times(first), byS2.times(try), {n: later, blocked: 0.05, idle: 0, speed: 120, shrunk: 0.5}, {n: try, blocked: 0.05, idle: 0, speed: 100, shrunk: 1}, {n: 14 * second, blocked: 0.05, idle: 0, speed: 120, shrunk: 0.5}},
			[]string{opens, gains, "none: the processors are the bottleneck now (120", "s2: that gained too little (100 MiB/s with none, 120"}},
		{"content changes", []stretch{link.times(first), byS2.times(try), {n: later, blocked: 0.9, idle: 1, speed: 100, shrunk: 0.99}}, []string{opens, gains, "none: content shrinks to 99% only"}},
		{"rests after a failure", []stretch{link.times(first), dense.times(2 * try), link.times(15*second - 1 + later - 1)}, []string{opens, "zstd: that", "none: that"}},
		{"tries again", []stretch{link.times(first), dense.times(2 * try), link.times(15*second + later)}, []string{opens, "zstd: that", "none: that", opens}},
		{"pause between passes", []stretch{link.times(first), byS2.times(1), {n: 60 * second, blocked: 0, idle: 2}, byS2.times(try - 1)}, []string{opens, gains}},
		{"thin link", []stretch{{n: first, blocked: 1, idle: 2, speed: 4, shrunk: 1}, {n: 8 * second / 2, blocked: 1, idle: 2, speed: 4, shrunk: 0.5}}, []string{"s2: the link", "zstd: that gained"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewGate(Zstd, S2)
			var said []string
			for _, s := range c.given {
				for range s.n {
					if why := g.Add(s.sample()); why != "" {
						said = append(said, g.Codec().String()+": "+why)
					}
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
	g := NewGate(S2)
	var opened []time.Duration
	var now time.Duration
	for now < 30*time.Minute {
		was := g.Codec()
		now += SampleEvery
		g.Add(Sample{Took: SampleEvery, Blocked: SampleEvery, Senders: 1, Content: 32 << 20, Wire: 32 << 20, Idle: 2})
		if g.Codec() != None && was == None {
			opened = append(opened, now)
		}
	}
	for i := 1; i < len(opened); i++ {
		// The rest includes its last sample, which the next leaning begins with.
		want := min(retryFirst<<(i-1), retryMost) + settle + trial - SampleEvery
		if got := opened[i] - opened[i-1]; got != want {
			t.Errorf("try %d came after %v, want %v", i+1, got, want)
		}
	}
	if len(opened) < 8 {
		t.Errorf("%d tries in half an hour", len(opened))
	}
}

// TestGateChoice: a gate takes what both ends know, whatever the order, and one without a codec stays closed.
func TestGateChoice(t *testing.T) {
	for _, c := range []struct {
		codecs []Codec
		want   Codec
	}{{nil, None}, {[]Codec{None, 77}, None}, {[]Codec{Zstd}, Zstd}, {[]Codec{S2}, S2}, {[]Codec{Zstd, S2}, S2}, {[]Codec{S2, Zstd}, S2}} {
		g := NewGate(c.codecs...)
		for range first {
			g.Add(link.sample())
		}
		if g.Codec() != c.want {
			t.Errorf("%v: %v, want %v", c.codecs, g.Codec(), c.want)
		}
	}
	if g := new(Gate); g.Add(link.sample()) != "" || g.Codec() != None {
		t.Error("the zero value opened")
	}
}
