package proto

import (
	"context"
	"strings"
	"testing"
	"time"

	"trireme/engine/store"
	"trireme/wire"
)

// TestRotation: connections whose keys are worn out are replaced within a pass, many times over and by all workers at once, and
// nothing of what travelled on them is lost or counted twice.
func TestRotation(t *testing.T) {
	heavy(t)
	r := newRig(t)
	fill(t, r.donor, 3)
	write(t, r.donor, "shop/big.ibd", random(80<<20, 4)) // keys are looked at between leases
	r.lock = lockFunc{func(context.Context) (string, error) { return "here:1", nil }, func() error { return nil }}
	var said notes
	r.tweakDonor = func(d *DonorConfig) {
		d.Wire.KeyBytes, d.Passes, d.Streams, d.Note = 1<<20, 3, 2, said.add
	}
	r.mustRun()
	if n := strings.Count(said.String(), "replaced a data connection"); n < 3 {
		t.Errorf("%d connections were replaced; said:\n%s", n, said.String())
	}
	if d, j := r.progress[0].Snapshot(), r.progress[1].Snapshot(); d.Sent != j.Sent {
		t.Errorf("donor sent %d bytes, joiner took %d", d.Sent, j.Sent)
	}
	// The bound is the donor's alone: its peer counts for itself.
	patch(t, r.donor, "shop/items.ibd", 0, random(8<<20, 5))
	r.mustRun()
}

// TestTooManyConnections: a donor gets no more data connections than it was allowed, and none before it was.
func TestTooManyConnections(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	c := wire.Config{Plain: true, MinVersion: 1, MaxVersion: 1, Nonce: wire.NewNonce()}
	ln, err := wire.Listen(ctx, "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := Receive(ctx, JoinerConfig{Listener: ln, Store: func(Offer) (*store.Store, error) { panic("no offer was made") }})
		failed <- err
	}()
	control, err := wire.DialLink(ctx, ln.Ticket("127.0.0.1"), c, wire.LinkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	data := control.Branch(1, wire.Limits{})
	defer data.Close()
	_ = data.Open() // the joiner tells
	if err := <-failed; CodeOf(err) != CodeProtocol || !strings.Contains(err.Error(), "more than the 0 data connections") {
		t.Errorf("joiner: %v", err)
	}
}
