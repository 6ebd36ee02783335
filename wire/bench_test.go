package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"golang.org/x/sys/unix"
)

// BenchmarkPipe moves 1 MiB frames over loopback, both ends in this process.
func BenchmarkPipe(b *testing.B) {
	for _, transport := range []string{"tls", "plain", "quic"} {
		for _, conns := range []int{1, 2, 4} {
			for _, coalesce := range []bool{true, false} {
				if transport == "quic" && !coalesce {
					continue // the stream does not care
				}
				b.Run(fmt.Sprintf("transport=%s/conns=%d/coalesce=%v", transport, conns, coalesce), func(b *testing.B) {
					benchmarkPipe(b, transport, conns, coalesce)
				})
			}
		}
	}
}

func benchmarkPipe(b *testing.B, transport string, conns int, coalesce bool) {
	c := config(b)
	plain := transport == "plain"
	if plain {
		c = plainConfig(b)
	}
	if transport == "quic" {
		c.Transport = QUIC
	}
	l := listen(b, c)
	control, _ := join(b, l, Control, Config{Plain: plain, MinVersion: 1, MaxVersion: 1})
	var left atomic.Int64
	var senders, receivers sync.WaitGroup
	var donors []*Conn
	for range conns {
		d, j := join(b, l, Data, Config{Plain: plain, MinVersion: 1, MaxVersion: 1, Session: control.Session()})
		if !coalesce {
			d.socket.wbuf, d.socket.rbuf, j.socket.wbuf, j.socket.rbuf = nil, nil, nil, nil
			for _, c := range []*Conn{d, j} {
				if c.sealed != nil {
					c.sealed.Widen(1)
				}
			}
		}
		donors = append(donors, d)
		receivers.Go(func() {
			buf := make([]byte, MaxFrame)
			for {
				if _, _, err := j.Recv(buf); err != nil {
					return
				}
			}
		})
	}
	body := make([]byte, 1<<20)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	// One loop feeds all connections; b.Loop counts in one goroutine only, so the others draw from a counter.
	left.Store(int64(b.N))
	b.ResetTimer()
	before := cpuSeconds(b)
	for _, d := range donors {
		senders.Go(func() {
			for left.Add(-1) >= 0 {
				if err := d.Send(1, nil, body); err != nil {
					b.Error(err)
					return
				}
			}
			if err := d.Flush(); err != nil {
				b.Error(err)
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	// On a machine that is shared with others this says more than the rate.
	b.ReportMetric((cpuSeconds(b)-before)*1e9/float64(b.N)/float64(len(body)), "cpu-s/GB")
	for _, d := range donors {
		_ = d.Close()
	}
	receivers.Wait()
}

// BenchmarkBareQUIC is what quic-go does without us: one stream for each connection, with a socket of its own at the sender.
// Compare with BenchmarkPipe/transport=quic, which should reach 80 % of it:
//
//	go test -run '^$' -bench 'Pipe/transport=quic|BareQUIC' -count 10 ./wire
func BenchmarkBareQUIC(b *testing.B) {
	for _, conns := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) { benchmarkBareQUIC(b, conns) })
	}
}

func benchmarkBareQUIC(b *testing.B, conns int) {
	c := config(b)
	socket := func() *endpoint {
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		return newEndpoint(udp)
	}
	joiner := socket()
	defer joiner.release()
	ln, err := joiner.transport.Listen(c.joinerTLS(), c.quicConfig(patience, 1))
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	ctx := testContext(b)
	var left atomic.Int64
	var senders, receivers sync.WaitGroup
	var streams []*quic.Stream
	for range conns {
		donor := socket()
		defer donor.release()
		d, err := donor.transport.Dial(ctx, joiner.udp.LocalAddr(), c.donorTLS(), c.quicConfig(patience, -1))
		if err != nil {
			b.Fatal(err)
		}
		out, err := d.OpenStream()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := out.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		j, err := ln.Accept(ctx)
		if err != nil {
			b.Fatal(err)
		}
		in, err := j.AcceptStream(ctx)
		if err != nil {
			b.Fatal(err)
		}
		streams = append(streams, out)
		receivers.Go(func() {
			buf := make([]byte, MaxFrame)
			for {
				if _, err := io.ReadFull(in, buf[:1<<20]); err != nil {
					_ = j.CloseWithError(0, "")
					return
				}
			}
		})
	}
	body := make([]byte, 1<<20)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	left.Store(int64(b.N))
	b.ResetTimer()
	before := cpuSeconds(b)
	for _, out := range streams {
		senders.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := out.Write(body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	b.ReportMetric((cpuSeconds(b)-before)*1e9/float64(b.N)/float64(len(body)), "cpu-s/GB")
	for _, out := range streams {
		_ = out.Close()
	}
	receivers.Wait()
}

func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// BenchmarkLink is BenchmarkPipe over links, which keep what the peer has not acknowledged.
func BenchmarkLink(b *testing.B) {
	for _, transport := range []string{"tls", "plain"} {
		for _, conns := range []int{1, 4} {
			b.Run(fmt.Sprintf("transport=%s/conns=%d", transport, conns), func(b *testing.B) {
				benchmarkLink(b, transport == "plain", conns)
			})
		}
	}
}

func benchmarkLink(b *testing.B, plain bool, conns int) {
	s := newSession(b, plain, conns)
	var left atomic.Int64
	var senders, receivers sync.WaitGroup
	var donors []*Link
	for i := range conns {
		d, j := s.data(i + 1)
		donors = append(donors, d)
		receivers.Go(func() {
			buf := make([]byte, MaxFrame)
			for {
				if _, _, err := j.Recv(buf); err != nil {
					return
				}
			}
		})
	}
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	left.Store(int64(b.N))
	b.ResetTimer()
	before := cpuSeconds(b)
	for _, d := range donors {
		senders.Go(func() {
			unit, head := make([]byte, 1<<20), make([]byte, 32)
			for left.Add(-1) >= 0 {
				if err := d.Give(1, head, unit, &unit); err != nil {
					b.Error(err)
					return
				}
			}
			if err := d.Flush(); err != nil {
				b.Error(err)
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	b.ReportMetric((cpuSeconds(b)-before)*1e9/float64(b.N)/(1<<20), "cpu-s/GB")
	s.close()
	receivers.Wait()
}

// BenchmarkPreface is what one more connection costs, TCP included.
func BenchmarkPreface(b *testing.B) {
	for _, plain := range []bool{false, true} {
		b.Run(fmt.Sprintf("plain=%v", plain), func(b *testing.B) {
			c := config(b)
			if plain {
				c = plainConfig(b)
			}
			l := listen(b, c)
			control, _ := join(b, l, Control, Config{Plain: plain, MinVersion: 1, MaxVersion: 1})
			dc := Config{Plain: plain, MinVersion: 1, MaxVersion: 1, Session: control.Session()}
			ticket := l.Ticket("127.0.0.1")
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(context.Background())
			wg.Go(func() {
				for {
					j, err := l.Accept(ctx)
					if err != nil {
						return
					}
					_ = j.Close()
				}
			})
			b.ReportAllocs()
			for b.Loop() {
				d, err := Dial(ctx, ticket, Data, dc)
				if err != nil {
					b.Fatal(err)
				}
				_ = d.Close()
			}
			cancel()
			wg.Wait()
		})
	}
}

// BenchmarkParseTicket is here to show allocations only.
func BenchmarkParseTicket(b *testing.B) {
	s := sampleTicket().String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTicket(s); err != nil {
			b.Fatal(err)
		}
	}
}
