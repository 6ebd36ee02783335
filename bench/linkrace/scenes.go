package main

import (
	"time"

	"trireme/bench/netlab"
)

// scene is a link and who takes part on it.
type scene struct {
	name, about string
	mb          int // of data, unless the command line says otherwise
	link        *netlab.Config
	cut         time.Duration // between two resets of all connections; 0: none
	in          []contestant
	target      string
}

// contestant is a way to call the program.
type contestant struct {
	name   string
	set    []string // settings of [trireme] at the sender
	words  []string // flags of the sender
	listen []string // flags of the receiver
}

func compress(how string) contestant {
	return contestant{name: "compress=" + how, set: []string{"compress=" + how}}
}

var (
	oneStream = contestant{name: "tls, 1 stream", set: []string{"compress=off"}, words: []string{"--streams", "1"}}
	streams   = contestant{name: "tls, streams by itself", set: []string{"compress=off"}}
	eight     = contestant{name: "tls, 8 streams", set: []string{"compress=off"}, words: []string{"--streams", "8"}}
	quic      = contestant{name: "quic", set: []string{"compress=off"}, words: []string{"--transport", "quic"}, listen: []string{"--transport", "quic"}}
	auto      = contestant{name: "auto", set: []string{"compress=off"}, words: []string{"--transport", "auto"}, listen: []string{"--transport", "auto"}}
)

var scenes = []scene{
	{
		name: "thin", about: "1 Gbit/s, data that shrinks to a half", mb: 1200,
		link:   &netlab.Config{Shape: netlab.Shape{Rate: 1e9}},
		in:     []contestant{compress("off"), compress("auto"), compress("zstd"), compress("s2")},
		target: "compress=auto at least 1.6 times as fast as compress=off",
	},
	{
		name: "loopback", about: "no link at all", mb: 2000,
		in:     []contestant{compress("off"), compress("auto")},
		target: "compress=auto within 3 % of compress=off",
	},
	{
		name: "lossy", about: "200 Mbit/s, 50 ms round trip, 0.5 % loss each way", mb: 64,
		link:   &netlab.Config{Shape: netlab.Shape{Rate: 200e6, Delay: 25 * time.Millisecond, Loss: 0.005}},
		in:     []contestant{oneStream, streams, eight, quic, auto},
		target: "quic or auto at least twice as fast as TLS over one connection, auto within 10 % of the better",
	},
	{
		name: "cut", about: "200 Mbit/s, all connections reset every 5 s", mb: 400,
		link: &netlab.Config{Relay: true, Shape: netlab.Shape{Rate: 200e6}}, cut: 5 * time.Second,
		in:     []contestant{{name: "tls", set: []string{"compress=off"}}},
		target: "completes, and sends at most 64 MiB again for each cut",
	},
}
