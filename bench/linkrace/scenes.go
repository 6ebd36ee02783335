package main

import (
	"time"

	"trireme/bench/netlab"
)

// scene is a link and who takes part on it.
type scene struct {
	name, about string
	mb, rounds  int // of data, and transfers by each contestant, unless the command line says otherwise
	link        *netlab.Config
	modest      bool          // the sender may choose no congestion control but the link's, as a server's user on most systems no better one
	cut         time.Duration // between two resets of all connections; 0: none
	in          []contestant
	targets     []target
	rare        bool // played only when it is asked for
}

// contestant is a way to call the program.
type contestant struct {
	name   string
	set    []string // settings of [trireme] at the sender
	words  []string // flags of the sender
	listen []string // flags of the receiver
	mb     int      // of data, where it is too slow for what the others move; 0: as much as they
	bare   bool     // not our program: a stream of quic-go, from memory to memory
}

// target is what a scene has to show: the goodput of the best in of, as a multiple of that of the best in over, by the medians of the
// rounds' ratios; or, with most, how many MiB a cut may make travel again in the worst transfer.
type target struct {
	text     string
	of, over []string
	least    float64
	most     float64
}

func compress(how string) contestant {
	return contestant{name: "compress=" + how, set: []string{"compress=" + how}}
}

// over is a contestant that does not compress, and so shows what the network does.
func over(name, transport string, words ...string) contestant {
	how := []string{"--transport", transport}
	return contestant{name: name, set: []string{"compress=off"}, words: append(words, how...), listen: how}
}

var (
	one    = over("tls, 1 connection", "tls", "--streams", "1")
	many   = over("tls", "tls")
	byQUIC = over("quic", "quic")
	auto   = over("auto", "auto")
)

// far is a link between regions.
var far = netlab.Shape{Rate: 200e6, Delay: 25 * time.Millisecond, Loss: 0.005}

// nearBest is that auto chooses well.
var nearBest = target{text: "auto within 10 % of the better transport", of: []string{auto.name}, over: []string{many.name, byQUIC.name}, least: 0.9}

var scenes = []scene{
	{
		name: "thin", about: "1 Gbit/s, data that shrinks to a half", mb: 700, rounds: 5,
		link:    &netlab.Config{Shape: netlab.Shape{Rate: 1e9}},
		in:      []contestant{compress("off"), compress("auto")},
		targets: []target{{text: "compress=auto at least 1.6 times as fast as compress=off", of: []string{"compress=auto"}, over: []string{"compress=off"}, least: 1.6}},
	},
	{
		name: "loopback", about: "no link at all", mb: 1200, rounds: 9,
		in:      []contestant{compress("off"), compress("auto")},
		targets: []target{{text: "compress=auto within 3 % of compress=off", of: []string{"compress=auto"}, over: []string{"compress=off"}, least: 0.97}},
	},
	{
		name: "lossy", about: "200 Mbit/s, 50 ms round trip, 0.5 % loss each way, this system's own congestion control", mb: 72, rounds: 5,
		link: &netlab.Config{Shape: far},
		in:   []contestant{one, many, byQUIC, auto},
		targets: []target{
			{text: "quic or auto at least twice as fast as TLS over one TCP connection", of: []string{byQUIC.name, auto.name}, over: []string{one.name}, least: 2},
			nearBest,
		},
	},
	{
		name: "lossy-reno", about: "the same with reno, and no other control to be had", mb: 72, rounds: 5, modest: true,
		link: &netlab.Config{Shape: far, Congestion: "reno"},
		in:   []contestant{one.with(6), many, byQUIC, auto},
		targets: []target{
			{text: "quic or auto at least twice as fast as TLS over one TCP connection", of: []string{byQUIC.name, auto.name}, over: []string{one.name}, least: 2},
			nearBest,
		},
	},
	{
		name: "long", about: "200 Mbit/s, 50 ms round trip, no loss, reno, and no other control to be had", mb: 80, rounds: 5, modest: true, rare: true,
		link:    &netlab.Config{Shape: netlab.Shape{Rate: far.Rate, Delay: far.Delay}, Congestion: "reno"},
		in:      []contestant{one, many, byQUIC, auto},
		targets: []target{nearBest},
	},
	{
		name: "cut", about: "200 Mbit/s, all connections reset every 5 s", mb: 300, rounds: 3,
		link: &netlab.Config{Relay: true, Shape: netlab.Shape{Rate: 200e6}}, cut: 5 * time.Second,
		in:      []contestant{many},
		targets: []target{{text: "completes, and sends at most 64 MiB again for each cut", most: 64}},
	},
	{
		name: "quic", about: "QUIC on loopback against a bare stream of quic-go", mb: 400, rounds: 7,
		in:      []contestant{{name: "quic-go, bare", bare: true}, byQUIC},
		targets: []target{{text: "quic at least 80 % of a bare stream of quic-go", of: []string{byQUIC.name}, over: []string{"quic-go, bare"}, least: 0.8}},
	},
	{
		name: "codecs", about: "1 Gbit/s, data that shrinks to a half, by each codec", mb: 800, rounds: 3, rare: true,
		link: &netlab.Config{Shape: netlab.Shape{Rate: 1e9}},
		in:   []contestant{compress("off"), compress("auto"), compress("zstd"), compress("s2")},
	},
}

// with is the contestant with less to do.
func (c contestant) with(mb int) contestant {
	c.mb = mb
	return c
}
