package proto

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trireme/engine/store"
	"trireme/engine/tree"
	"trireme/proto/msg"
	"trireme/wire"
	"trireme/wire/identity"
	"trireme/wire/identity/ca"
)

// mutual makes the configurations of two ends that check each other's certificate.
func mutual(t testing.TB) (donor, joiner wire.Config) {
	t.Helper()
	dir := t.TempDir()
	a, err := ca.NewCA("test CA", ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Issue("node", []string{"127.0.0.1"}, ca.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) identity.Source {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return identity.Source{Path: path}
	}
	m, err := identity.Load(identity.Files{CA: put("ca.pem", a.CertificatePEM()), Cert: put("node.pem", append(cert, key...))})
	if err != nil {
		t.Fatal(err)
	}
	c := wire.Config{MinVersion: 1, MaxVersion: 1, Material: m, Policy: identity.Policy{Level: identity.Chain, Anchors: m.Anchors}}
	donor, joiner = c, c
	joiner.Nonce = wire.NewNonce()
	return donor, joiner
}

// keys is a keyring at each end.
type keys struct {
	ring   []byte // the donor's
	locked bool
	reads  int
	taken  []byte // what the joiner was given, as it was
	given  []byte // the same memory
}

func fact(content string) string { return "digest of " + content }

// rig lets r copy with a keyring at each end.
func (k *keys) rig(r *rig, donors, joiners string) {
	k.ring = []byte(donors)
	r.lock = lockFunc{
		lock:   func(context.Context) (string, error) { k.locked = true; return "at:1", nil },
		unlock: func() error { k.locked = false; return nil },
	}
	before := r.tweakDonor
	r.tweakDonor = func(c *DonorConfig) {
		if before != nil {
			before(c)
		}
		c.Facts = []msg.Fact{{Name: FactKeyring, Value: "file"}, {Name: FactKeys, Value: fact(donors), From: "/d/keyring"}}
		c.Keyring = func() ([]byte, string, error) {
			k.reads++
			if !k.locked {
				r.t.Error("the keyring was read without the lock")
			}
			return bytes.Clone(k.ring), fact(string(k.ring)), nil
		}
	}
	prepare := r.tweakJoiner
	r.tweakJoiner = func(c *JoinerConfig) {
		if prepare != nil {
			prepare(c)
		}
		c.Facts = []msg.Fact{{Name: FactKeyring, Value: "file"}, {Name: FactKeys, Value: fact(joiners), From: "/j/keyring"}}
		c.Keyring = func(b []byte) error {
			if k.taken != nil {
				r.t.Error("the joiner was given keys twice")
			}
			k.taken, k.given = bytes.Clone(b), b
			if p := r.progress[1].Snapshot().Phase; p != PhaseCommit {
				r.t.Errorf("the joiner was given keys in the phase %q", p)
			}
			return nil
		}
	}
}

// certificates lets both ends of r check each other.
func (r *rig) certificates() {
	d, j := mutual(r.t)
	r.donorWire, r.joinerWire = &d, &j
}

// TestKeyringTravels: between ends that check each other's certificate the donor's keys arrive as they are at the end of the lock,
// whatever the joiner had, on every way through a transfer.
func TestKeyringTravels(t *testing.T) {
	latest := "key 1 key 2" + strings.Repeat("k", msg.MaxKeyring-11) // as large as may be
	for name, tweak := range map[string]func(*DonorConfig){
		"live":     func(c *DonorConfig) { c.Passes = 2 },
		"one lock": func(*DonorConfig) {},
		"paranoid": func(c *DonorConfig) { c.Passes, c.VerifyAll = 2, true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			write(t, r.donor, "ibdata1", random(1<<20, 1))
			r.certificates()
			var k keys
			k.rig(r, "key 1", "another")
			configure, relock := r.tweakDonor, r.lock
			r.tweakDonor = func(c *DonorConfig) { configure(c); tweak(c) }
			r.lock = lockFunc{
				// A key that is made until the lock ends must arrive as well.
				lock:   func(ctx context.Context) (string, error) { k.ring = []byte(latest); return relock.Lock(ctx) },
				unlock: relock.Unlock,
			}
			r.mustRun()
			if string(k.taken) != latest || k.reads != 1 {
				t.Errorf("%.20q... arrived after %d reads", k.taken, k.reads)
			}
			if len(k.given) == 0 || !bytes.Equal(k.given, make([]byte, len(k.given))) {
				t.Errorf("the keys are still in memory: %.20q...", k.given)
			}
		})
	}
}

// TestEmptyKeyringTravels: a donor without keys takes none away from the joiner.
func TestEmptyKeyringTravels(t *testing.T) {
	r := newRig(t)
	write(t, r.donor, "ibdata1", random(1<<20, 1))
	r.certificates()
	var k keys
	k.rig(r, "", "own")
	r.mustRun()
	if k.taken != nil {
		t.Errorf("the joiner was given %q", k.taken)
	}
}

// TestKeyringStays: where an end does not check certificates no key is sent; the same keys are needed at both, and they must
// stay what they are.
func TestKeyringStays(t *testing.T) {
	lax := func(end string) func(*rig) {
		return func(r *rig) {
			r.certificates()
			c := r.joinerWire
			if end == "donor" {
				c = r.donorWire
			}
			c.Policy = identity.Policy{}
		}
	}
	for _, c := range []struct {
		name           string
		setup          func(*rig)
		donors, joiner string
		later          string // the donor's keys under the lock
		err            string
	}{
		{"pinned, same", func(*rig) {}, "a", "a", "a", ""},
		{"pinned, none", func(*rig) {}, "", "", "", ""},
		{"pinned, different", func(*rig) {}, "a", "b", "a", "but neither end does"},
		{"plain, different", func(r *rig) { r.plain = true }, "a", "b", "a", "but neither end does"},
		{"joiner lax", lax("joiner"), "a", "b", "a", "but the joiner does not"},
		{"donor lax", lax("donor"), "a", "b", "a", "but the donor does not"},
		{"joiner lax, same", lax("joiner"), "a", "a", "a", ""},
		{"rotated", func(*rig) {}, "a", "a", "c", "the keyring (/d/keyring) has changed during the transfer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			write(t, r.donor, "ibdata1", random(1<<20, 1))
			c.setup(r)
			var k keys
			k.rig(r, c.donors, c.joiner)
			lock := r.lock
			r.lock = lockFunc{
				lock:   func(ctx context.Context) (string, error) { k.ring = []byte(c.later); return lock.Lock(ctx) },
				unlock: lock.Unlock,
			}
			_, _, derr, jerr := r.run()
			if k.taken != nil {
				t.Errorf("the joiner was given %q", k.taken)
			}
			if c.err == "" {
				if derr != nil || jerr != nil {
					t.Errorf("donor: %v; joiner: %v", derr, jerr)
				}
				return
			}
			for _, err := range []error{derr, jerr} {
				if CodeOf(err) != CodeMismatch || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "digest") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// TestKeyringFails: what goes wrong with the keys at either end is the cause that both report, and the copy is not committed.
func TestKeyringFails(t *testing.T) {
	for _, end := range []string{"donor", "joiner"} {
		t.Run(end, func(t *testing.T) {
			r := newRig(t)
			write(t, r.donor, "ibdata1", random(1<<20, 1))
			r.certificates()
			var k keys
			k.rig(r, "a", "b")
			configure, prepare := r.tweakDonor, r.tweakJoiner
			if end == "donor" {
				r.tweakDonor = func(c *DonorConfig) {
					configure(c)
					c.Keyring = func() ([]byte, string, error) { return nil, "", errors.New("ring is gone") }
				}
			} else {
				r.tweakJoiner = func(c *JoinerConfig) {
					prepare(c)
					c.Keyring = func([]byte) error { return errors.New("ring is gone") }
				}
			}
			_, _, derr, jerr := r.run()
			for _, err := range []error{derr, jerr} {
				if CodeOf(err) != CodeIO || !strings.Contains(err.Error(), "ring is gone") {
					t.Errorf("%v", err)
				}
			}
			if !exists(r.joiner, tree.MarkerName) {
				t.Error("the copy counts as complete")
			}
		})
	}
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// TestKeyringOutOfPlace: a donor that sends keys when it must not, or does not when it must, is refused, and no key is kept.
func TestKeyringOutOfPlace(t *testing.T) {
	type step struct {
		typ msg.Type
		m   appender
	}
	pass := func(n uint16, k msg.PassKind) []step {
		return []step{{msg.TypePassBegin, msg.PassBegin{Number: n, Kind: k}}, {msg.TypePassEnd, msg.PassEnd{Number: n}}}
	}
	ring := step{msg.TypeKeyring, msg.Keyring{Content: []byte("secret")}}
	commit := step{msg.TypeCommit, msg.Commit{Entries: 1, State: "x"}}
	whole := append(append(pass(1, msg.PassLive), pass(2, msg.PassLocked)...), pass(3, msg.PassVerify)...)
	join := func(s ...[]step) (all []step) {
		for _, s := range s {
			all = append(all, s...)
		}
		return all
	}
	for _, c := range []struct {
		name   string
		agreed bool
		steps  []step
		err    string
	}{
		{"at once", true, []step{ring}, "before its last verify pass"},
		{"after a live pass", true, join(pass(1, msg.PassLive), []step{ring}), "before its last verify pass"},
		{"under the lock", true, join(pass(1, msg.PassLive), pass(2, msg.PassLocked), []step{ring}), "before its last verify pass"},
		{"verify without lock", true, join(pass(1, msg.PassLive), pass(2, msg.PassVerify), []step{ring}), "before its last verify pass"},
		{"the lock was given back", true, join(pass(1, msg.PassLocked), pass(2, msg.PassLive), pass(3, msg.PassVerify), []step{ring}), "before its last verify pass"},
		{"twice", true, join(whole, []step{ring, ring}), "sent Keyring where Commit was due"},
		{"another pass after it", true, join(whole, []step{ring}, pass(4, msg.PassLocked)), "sent PassBegin where Commit was due"},
		{"too long", true, join(whole, []step{{msg.TypeKeyring, msg.Keyring{Content: make([]byte, msg.MaxKeyring+1)}}}), "over the limit"},
		{"not agreed", false, join(whole, []step{ring, commit}), "keys that were not agreed on"},
		{"forgotten", true, join(whole, []step{commit}), "without the keys that were agreed on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			dc, jc := mutual(t)
			ln, err := wire.Listen(ctx, "127.0.0.1:0", jc)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			dirs, err := tree.Open(tree.Layout{Data: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer dirs.Close()
			failed := make(chan error, 1)
			go func() {
				_, err := Receive(ctx, JoinerConfig{
					Listener: ln, Node: "j",
					Store: func(o Offer) (*store.Store, error) {
						return store.Open(store.Config{Dirs: dirs, Layout: *dirs.Layout(), TransferID: o.ID, DonorID: o.Node}), nil
					},
					Keyring: func([]byte) error { t.Error("keys were taken"); return nil },
				})
				failed <- err
			}()
			conn, err := wire.DialLink(ctx, ln.Ticket("127.0.0.1"), dc, wire.LinkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			hello := msg.Hello{Streams: 1, Node: "d"}
			if c.agreed {
				hello.Facts = []msg.Fact{{Name: FactKeysTravel, Value: FactYes}}
			}
			steps := append([]step{{msg.TypeHello, hello}, {msg.TypeMode, msg.Mode{Files: 1}}}, c.steps...)
			buf := make([]byte, msg.MaxBody)
			for _, s := range steps {
				if err := conn.Send(uint8(s.typ), s.m.Append(nil), nil); err != nil {
					break // the joiner has had enough
				}
				if err := conn.Flush(); err != nil {
					break
				}
				for want := map[msg.Type]msg.Type{msg.TypeMode: msg.TypeAccept, msg.TypePassEnd: msg.TypePassDone}[s.typ]; want != 0; {
					typ, _, err := conn.Recv(buf)
					if err != nil || msg.Type(typ) == want {
						break
					}
				}
			}
			for typ := msg.Type(0); err == nil && typ != msg.TypeAbort; { // hanging up before would be another failure
				var n uint8
				n, _, err = conn.Recv(buf)
				typ = msg.Type(n)
			}
			conn.Close()
			if err := <-failed; err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("joiner: %v, want %q", err, c.err)
			}
		})
	}
}
