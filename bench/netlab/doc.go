// Package netlab makes network scenes on one machine: two or more hosts, each a network namespace of its own, joined pairwise by
// links with a rate, a delay, a loss, and a firewall in the middle. Tests and races run programs on these hosts.
//
//	lab, err := netlab.New(netlab.Config{Shape: netlab.Shape{Rate: 100e6, Delay: 25 * time.Millisecond}})
//	defer lab.Close()
//	cmd := exec.Command("trireme", "receive", "--listen", lab.Host(0).Addr().String()+":0", dir)
//	err = lab.Host(0).Start(cmd)
//
// There are two kinds of link. A wire is a veth pair with a token bucket of the kernel (tbf) at each end: it costs next to no
// processor time and has a rate only. A relay takes each packet from one host's TUN device and puts it into the other's, through
// a queue of its own; it has delay, loss and a firewall as well and works for TCP, UDP and everything else on IP, but costs
// processor time of this process: about a core for 1 Gbit/s. New takes a wire unless the scene needs a relay.
//
// Guarantees: what a lab makes has no name outside of it, so that any number of labs may exist beside each other, and the kernel
// removes all of it when the lab is closed or the process that made it is gone, however it went, and the last program on its hosts
// has ended. Loss is decided by a seeded generator per direction, so the n-th packet of a direction has the same fate in each run.
//
// Not guaranteed: timing below a millisecond, anything on machines whose processors are busy, and reordering, jitter and duplicates,
// which no link here makes. A relay's rate counts IP bytes, a wire's the 14 bytes of Ethernet for each packet as well. Programs on the hosts share everything with this machine
// but the network.
//
// Ownership: a Lab owns its goroutines (two for each direction of a relay); Close ends them. It does not end programs. All methods
// are safe for concurrent use. Everything needs root; see Possible and Need.
package netlab
