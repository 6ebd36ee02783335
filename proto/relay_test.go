package proto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"trireme/wire"
	"trireme/wire/pack"
)

// relay stands between donor and joiner as a link of limited speed, shared by all
// connections in each direction.
type relay struct {
	ln    net.Listener
	to    string
	speed [2]*rate.Limiter // towards the joiner, and back
	wg    sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

// relayBurst is what passes at once, the buffer of a small switch.
const relayBurst = 256 << 10

// newRelay forwards to addr with bytesPerSecond in each direction, until the test ends.
func newRelay(t testing.TB, addr string, bytesPerSecond int) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{ln: ln, to: addr}
	for i := range r.speed {
		r.speed[i] = rate.NewLimiter(rate.Limit(bytesPerSecond), relayBurst)
	}
	r.wg.Go(r.accept)
	return r
}

// close cuts everything and waits.
func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.ln.Close()
	r.wg.Wait()
}

// keep notes a connection for close; false means that it came too late.
func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		c.Close()
		return false
	}
	r.conns = append(r.conns, c)
	return true
}

func (r *relay) accept() {
	for {
		a, err := r.ln.Accept()
		if err != nil {
			return
		}
		if !r.keep(a) {
			continue
		}
		b, err := net.Dial("tcp", r.to)
		if err != nil || !r.keep(b) {
			a.Close()
			continue
		}
		r.wg.Go(func() { r.pass(b, a, r.speed[0]) })
		r.wg.Go(func() { r.pass(a, b, r.speed[1]) })
	}
}

// pass copies one direction, and closes both when it ends.
func (r *relay) pass(to, from net.Conn, speed *rate.Limiter) {
	defer to.Close()
	// Small socket buffers: the sender shall notice the link, not the relay's memory.
	_ = from.(*net.TCPConn).SetReadBuffer(relayBurst)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if speed.WaitN(context.Background(), n) != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				from.Close()
			}
			return
		}
	}
}

// BenchmarkLink copies content of ratio two and a half over a link of 1 Gbit. The figure is content bytes a second.
func BenchmarkLink(b *testing.B) {
	const gigabit = 118 << 20
	for _, mode := range []struct {
		word string
		mode pack.Mode
	}{{"off", pack.Off}, {"auto", pack.Auto}, {"zstd", pack.AlwaysZstd}, {"s2", pack.AlwaysS2}} {
		b.Run("link=1Gbit/compress="+mode.word, func(b *testing.B) {
			benchmarkCopy(b, gigabit, mode.mode)
		})
	}
	for _, mode := range []struct {
		word string
		mode pack.Mode
	}{{"off", pack.Off}, {"auto", pack.Auto}} {
		b.Run("link=loopback/compress="+mode.word, func(b *testing.B) { benchmarkCopy(b, 0, mode.mode) })
	}
}

func benchmarkCopy(b *testing.B, speed int, mode pack.Mode) {
	const files, size = 6, 128 << 20
	donor := b.TempDir()
	for i := range files {
		write(b, donor, fmt.Sprintf("d/t%d.ibd", i), pages(size, uint64(i)))
	}
	write(b, donor, "ibdata1", random(1<<20, 1))
	b.SetBytes(files * size)
	var said notes
	for b.Loop() {
		b.StopTimer()
		r := &rig{t: b, donor: donor, joiner: b.TempDir()}
		var link *relay
		r.tweakJoiner = func(j *JoinerConfig) { j.Compress = pack.Auto }
		r.tweakDonor = func(d *DonorConfig) {
			d.Compress, d.Note, d.Streams = mode, said.add, 4
			if speed > 0 {
				link = newRelay(b, fmt.Sprintf("127.0.0.1:%d", d.Ticket.Port), speed)
				d.Ticket = through(d.Ticket, link)
			}
		}
		b.StartTimer()
		_, _, derr, jerr := r.run()
		b.StopTimer()
		if link != nil {
			link.close()
		}
		if derr != nil || jerr != nil {
			b.Fatal(derr, jerr)
		}
		b.StartTimer()
	}
	b.Log(said.String())
}

// through is a ticket for the same joiner by way of a relay.
func through(t wire.Ticket, r *relay) wire.Ticket {
	t.Port = r.ln.Addr().(*net.TCPAddr).Port
	return t
}

// TestRelay: a transfer through a slow link is exact, and the address that the donor dials need not be the one the joiner has.
func TestRelay(t *testing.T) {
	r := newRig(t)
	write(t, r.donor, "ibdata1", random(1<<20, 1))
	write(t, r.donor, "d/t.ibd", pages(2<<20, 1))
	var link *relay
	r.tweakDonor = func(d *DonorConfig) {
		link = newRelay(t, fmt.Sprintf("127.0.0.1:%d", d.Ticket.Port), 20<<20)
		d.Ticket = through(d.Ticket, link)
	}
	start := time.Now()
	r.mustRun()
	link.close()
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("3 MiB over 20 MiB/s took %v: the relay does not slow down", took)
	}
}
