package netlab

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"testing"
	"time"
)

// BenchmarkTruth measures links with plain TCP and UDP and fails where one is not what its shape says: rate within 5 percent, round
// trips within 2 ms, loss within a fifth. It wants a quiet machine:
//
//	go test -run '^$' -bench Truth -benchtime 1x ./bench/netlab
func BenchmarkTruth(b *testing.B) {
	for _, c := range []struct {
		name string
		c    Config
	}{
		{"kind=wire/rate=100M", Config{Shape: Shape{Rate: 100e6}}},
		{"kind=wire/rate=1G", Config{Shape: Shape{Rate: 1e9}}},
		{"kind=relay/rate=20M", Config{Relay: true, Shape: Shape{Rate: 20e6}}},
		{"kind=relay/rate=200M", Config{Relay: true, Shape: Shape{Rate: 200e6}}},
		{"kind=relay/rate=500M", Config{Relay: true, Shape: Shape{Rate: 500e6}}},
		{"kind=relay/rate=200M/delay=25ms", Config{Shape: Shape{Rate: 200e6, Delay: 25 * time.Millisecond}}},
		{"kind=relay/rate=20M/delay=5ms/loss=1pct", Config{Shape: Shape{Rate: 20e6, Delay: 5 * time.Millisecond, Loss: 0.01}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				l := build(b, c.c)
				rtt, lost := echoes(b, l, echoCount)
				b.ReportMetric(float64(rtt)/1e6, "rtt-ms")
				if extra := rtt - 2*c.c.Shape.Delay; extra < 0 || extra > 2*time.Millisecond {
					b.Errorf("a round trip takes %v", rtt)
				}
				stream := tcpRate(b, l, 3*time.Second)
				b.ReportMetric(stream/1e6, "tcp-Mbit/s")
				blast := udpRate(b, l, float64(c.c.Shape.Rate)*1.2, 2*time.Second)
				b.ReportMetric(blast/1e6, "udp-Mbit/s")
				// A packet of 1500 bytes carries 1448 bytes of TCP; of a wire's 1514 as well.
				want := float64(c.c.Shape.Rate) * 1448 / 1500
				if c.c.Shape.Loss == 0 && math.Abs(stream/want-1) > 0.05 {
					b.Errorf("TCP carries %.1f Mbit/s, want %.1f", stream/1e6, want/1e6)
				}
				if want := float64(c.c.Shape.Rate) * (1 - c.c.Shape.Loss) * 1472 / 1500; c.c.Shape.Rate <= mostUDP && math.Abs(blast/want-1) > 0.05 {
					b.Errorf("UDP carries %.1f Mbit/s, want %.1f", blast/1e6, want/1e6)
				}
				if c.c.Shape.Loss > 0 {
					n := l.Link(0, 1).CountFrom(l.Host(0))
					share := float64(n.Lost) / float64(n.Lost+n.Packets+n.Overflow)
					b.ReportMetric(100*share, "loss-pct")
					if math.Abs(share/c.c.Shape.Loss-1) > 0.2 {
						b.Errorf("%.2f%% are lost, %d of %d echoes among it", 100*share, lost, echoCount)
					}
				}
			}
		})
	}
}

const (
	// echoCount is how many round trips are measured.
	echoCount = 100
	// mostUDP is the rate up to which one system call for each packet keeps a link full, whatever else a machine does.
	mostUDP = 200e6
)

// echoes returns the median round trip of small datagrams, and how many did not come back.
func echoes(b *testing.B, l *Lab, n int) (time.Duration, int) {
	to, err := l.Host(1).ListenPacket("udp", l.Host(1).Addr().String()+":0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 100)
		for {
			n, from, err := to.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = to.WriteTo(buf[:n], from)
		}
	}()
	defer func() { to.Close(); <-done }()
	from, err := l.Host(0).Dial(b.Context(), "udp", to.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	var trips []time.Duration
	buf := make([]byte, 8)
	for i := range n {
		binary.BigEndian.PutUint64(buf, uint64(i))
		start := time.Now()
		if _, err := from.Write(buf); err != nil {
			b.Fatal(err)
		}
		if err := from.SetReadDeadline(start.Add(200 * time.Millisecond)); err != nil {
			b.Fatal(err)
		}
		if _, err := from.Read(buf); err == nil && binary.BigEndian.Uint64(buf) == uint64(i) {
			trips = append(trips, time.Since(start))
		}
	}
	return median(trips), n - len(trips)
}

func median(d []time.Duration) time.Duration {
	for i := range d {
		for j := i; j > 0 && d[j] < d[j-1]; j-- {
			d[j], d[j-1] = d[j-1], d[j]
		}
	}
	return d[len(d)/2]
}

// tcpRate returns the bits a second that a stream carries, its first second left out.
func tcpRate(b *testing.B, l *Lab, span time.Duration) float64 {
	from, to := connect(b, l, false)
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 256<<10)
		for {
			if _, err := from.Write(buf); err != nil {
				return
			}
		}
	}()
	defer func() { from.Close(); <-done }()
	buf := make([]byte, 256<<10)
	read := func(until time.Time) (n int64, took time.Duration) {
		start := time.Now()
		for now := start; now.Before(until); now = time.Now() {
			k, err := to.Read(buf)
			if err != nil && err != io.EOF {
				b.Fatal(err)
			}
			n += int64(k)
		}
		return n, time.Since(start)
	}
	read(time.Now().Add(time.Second))
	n, took := read(time.Now().Add(span))
	return float64(n) * 8 / took.Seconds()
}

// udpRate sends faster than the link is and returns the bits a second that arrive.
func udpRate(b *testing.B, l *Lab, rate float64, span time.Duration) float64 {
	to, err := l.Host(1).ListenPacket("udp", l.Host(1).Addr().String()+":0")
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	if u, ok := to.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(4 << 20) // as much as we may have
	}
	from, err := l.Host(0).Dial(b.Context(), "udp", to.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	const size = 1472
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		buf := make([]byte, size)
		for sent := 0.0; time.Since(start) < span+time.Second; {
			// A wire holds the sender back, so that it may never catch up.
			for end := time.Since(start); sent < end.Seconds()*rate/8; sent += size {
				_, _ = from.Write(buf) // what does not fit is dropped, here or later
			}
			time.Sleep(500 * time.Microsecond)
		}
	}()
	defer func() { <-done }()
	var n int64
	buf := make([]byte, size)
	for {
		if err := to.SetReadDeadline(start.Add(span + time.Second)); err != nil {
			b.Fatal(err)
		}
		k, _, err := to.ReadFrom(buf)
		if err != nil {
			break
		}
		if time.Since(start) > time.Second {
			n += int64(k)
		}
	}
	return float64(n) * 8 / span.Seconds()
}
