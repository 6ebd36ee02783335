package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"trireme/wire/identity"
)

func TestMeet(t *testing.T) { each(t, testMeet) }

func testMeet(t *testing.T) {
	a := authority(t, "authority")
	joiner, donor := node(t, a, "joiner", "127.0.0.1"), node(t, a, "donor")
	for _, tc := range []struct {
		name          string
		joiner, donor Config
		suite         string
		shown         [2]int // certificates that joiner and donor see
	}{
		{name: "ephemeral", joiner: Config{Material: ephemeral(t)}, shown: [2]int{0, 1}},
		{name: "ephemeral on both ends", joiner: Config{Material: ephemeral(t)}, donor: Config{Material: ephemeral(t)}, shown: [2]int{1, 1}},
		{name: "mutual chain", joiner: Config{Material: joiner, Policy: chainPolicy(identity.Chain, a)}, donor: Config{Material: donor, Policy: chainPolicy(identity.Chain, a)}, shown: [2]int{1, 1}},
		{name: "chain and name", joiner: Config{Material: joiner, Policy: chainPolicy(identity.Chain, a)}, donor: Config{Material: donor, Policy: chainPolicy(identity.ChainAndName, a, "127.0.0.1")}, shown: [2]int{1, 1}},
		{name: "exact", joiner: Config{Material: joiner, Policy: identity.Policy{Level: identity.Exact, Exact: donor.Leaf}}, donor: Config{Material: donor, Policy: identity.Policy{Level: identity.Exact, Exact: joiner.Leaf}}, shown: [2]int{1, 1}},
		{name: "plain", joiner: Config{Plain: true}, donor: Config{Plain: true}, suite: plainWord},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			tc.joiner.Nonce = NewNonce()
			tc.joiner.MinVersion, tc.joiner.MaxVersion = 1, 4
			tc.donor.MinVersion, tc.donor.MaxVersion = 2, 3
			l := listen(t, tc.joiner)
			d, j := join(t, l, Control, tc.donor)
			if d.Session() != j.Session() || d.Session() == ([32]byte{}) {
				t.Error("the ends do not share a session")
			}
			if d.Peer().Version != 3 || j.Peer().Version != 3 || d.Kind() != Control || j.Kind() != Control {
				t.Errorf("donor %+v, joiner %+v: want version 3", d.Peer(), j.Peer())
			}
			if got := [2]int{len(j.Peer().Certificates), len(d.Peer().Certificates)}; got != tc.shown {
				t.Errorf("certificates seen: %v, want %v", got, tc.shown)
			}
			if s := d.Peer().Suite; s != j.Peer().Suite || tc.suite != "" && s != tc.suite || tc.suite == "" && !strings.HasPrefix(s, "TLS_") {
				t.Errorf("suites %q and %q", s, j.Peer().Suite)
			}
			chat(t, d, j)

			tc.donor.Session = d.Session()
			for range 3 {
				d, j := join(t, l, Data, tc.donor)
				if j.Kind() != Data || j.Session() != ([32]byte{}) {
					t.Errorf("kind %d, session %v", j.Kind(), j.Session())
				}
				chat(t, d, j)
				chat(t, j, d)
			}
		})
	}
}

// chat sends one frame and compares what arrives.
func chat(t testing.TB, from, to *Conn) {
	t.Helper()
	body := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	if err := errors.Join(from.Send(7, []byte("head"), body), from.Flush()); err != nil {
		t.Fatal(err)
	}
	typ, got, err := to.Recv(make([]byte, MaxFrame))
	if err != nil || typ != 7 || string(got) != "head"+string(body) {
		t.Fatalf("got type %d, %d bytes, %v", typ, len(got), err)
	}
}

// What the policy refuses is told to both ends, with the same text.
func TestPolicyRefusalReachesBothEnds(t *testing.T) { each(t, testPolicyRefusalReachesBothEnds) }

func testPolicyRefusalReachesBothEnds(t *testing.T) {
	ours, theirs := authority(t, "ours"), authority(t, "theirs")
	chain := chainPolicy(identity.Chain, ours)
	good := func(cn string) *identity.Material { return node(t, ours, cn, "n1.db.local") }
	for _, tc := range []struct {
		name          string
		joiner, donor Config
		byDonor       bool
		kind          identity.Kind
		text          string
	}{
		{name: "donor without certificate", joiner: Config{Material: good("joiner"), Policy: chain}, donor: Config{Policy: chain}, kind: identity.NoCertificate, text: "no certificate"},
		{name: "donor of another CA", joiner: Config{Material: good("joiner"), Policy: chain}, donor: Config{Material: node(t, theirs, "donor"), Policy: chain}, kind: identity.Untrusted, text: "CN=theirs"},
		{name: "joiner of another CA", joiner: Config{Material: node(t, theirs, "joiner")}, donor: Config{Material: good("donor"), Policy: chain}, byDonor: true, kind: identity.Untrusted, text: "CN=theirs"},
		{name: "joiner with another name", joiner: Config{Material: good("joiner")}, donor: Config{Material: good("donor"), Policy: chainPolicy(identity.ChainAndName, ours, "n2.db.local")}, byDonor: true, kind: identity.WrongName, text: "n2.db.local"},
		{name: "joiner not the pinned one", joiner: Config{Material: good("joiner")}, donor: Config{Material: good("donor"), Policy: identity.Policy{Level: identity.Exact, Exact: good("x").Leaf}}, byDonor: true, kind: identity.WrongCertificate, text: "SHA-256"},
		{name: "both object", joiner: Config{Material: node(t, theirs, "joiner"), Policy: chainPolicy(identity.Exact, ours)}, donor: Config{Policy: chain}, byDonor: true, kind: identity.Untrusted, text: "CN=theirs"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			tc.joiner.Nonce = NewNonce()
			if tc.joiner.Policy.Level == identity.Exact {
				tc.joiner.Policy.Exact = good("x").Leaf
			}
			tc.joiner.MinVersion, tc.joiner.MaxVersion, tc.donor.MinVersion, tc.donor.MaxVersion = 1, 1, 1, 1
			l := listen(t, tc.joiner)
			o := meet(t, l, l.Ticket(host(t)), Control, tc.donor)
			d, j := refusal(t, "donor", o.donorErr), refusal(t, "joiner", o.joinerErr)
			if d.Code != CodePolicy || j.Code != CodePolicy || d.Reason != j.Reason || !strings.Contains(d.Reason, tc.text) {
				t.Errorf("donor: %v\njoiner: %v\nwant both to say %q", d, j, tc.text)
			}
			if d.ByPeer == tc.byDonor || j.ByPeer != tc.byDonor {
				t.Errorf("donor says by peer %v, joiner %v", d.ByPeer, j.ByPeer)
			}
			local := d
			if !tc.byDonor {
				local = j
			}
			var ce *identity.CheckError
			if !errors.As(local, &ce) || ce.Kind != tc.kind {
				t.Errorf("local cause %v, want kind %v", local.Err, tc.kind)
			}

			// The listener goes on, and once the set-up is right, the same ticket works: no control connection was used up.
			fixed := tc.donor
			fixed.Policy = identity.Policy{}
			if !tc.byDonor || tc.joiner.Policy.Level != identity.None {
				return
			}
			dc, jc := join(t, l, Control, fixed)
			chat(t, dc, jc)
		})
	}
}

// The refused end names its own file, which the other end cannot know, and an identity made for one transfer is called what it is.
func TestPolicyRefusalNamesOurFile(t *testing.T) { each(t, testPolicyRefusalNamesOurFile) }

func testPolicyRefusalNamesOurFile(t *testing.T) {
	ours, theirs := authority(t, "ours"), authority(t, "theirs")
	foreign := node(t, theirs, "donor")
	foreign.LeafFrom = "tcert=donor.pem (from my.cnf:3)"
	for _, tc := range []struct {
		shown *identity.Material
		donor string // part of the donor's text
		both  string
	}{
		{foreign, "what this node showed is tcert=donor.pem (from my.cnf:3)", "CN=theirs"},
		{ephemeral(t), "set tcert and tkey on that node", "made for this transfer"},
	} {
		l := listen(t, Config{Material: node(t, ours, "joiner"), Policy: chainPolicy(identity.Chain, ours), Nonce: NewNonce(), MinVersion: 1, MaxVersion: 1})
		o := meet(t, l, l.Ticket(host(t)), Control, Config{Material: tc.shown, MinVersion: 1, MaxVersion: 1})
		d, j := refusal(t, "donor", o.donorErr), refusal(t, "joiner", o.joinerErr)
		if !strings.Contains(d.Reason, tc.donor) || !strings.Contains(d.Reason, tc.both) || !strings.Contains(j.Reason, tc.both) {
			t.Errorf("donor: %v\njoiner: %v\nwant %q, and %q on both", d, j, tc.donor, tc.both)
		}
		if strings.Contains(j.Reason, "donor.pem") {
			t.Errorf("the joiner was told a file name of the donor: %v", j)
		}
	}
}

func TestVersionMismatchReachesBothEnds(t *testing.T) { each(t, testVersionMismatchReachesBothEnds) }

func testVersionMismatchReachesBothEnds(t *testing.T) {
	for _, tc := range [][4]uint16{{1, 2, 3, 4}, {5, 9, 1, 4}} {
		jc := config(t)
		jc.MinVersion, jc.MaxVersion = tc[0], tc[1]
		l := listen(t, jc)
		o := meet(t, l, l.Ticket(host(t)), Control, Config{MinVersion: tc[2], MaxVersion: tc[3]})
		for end, err := range map[string]error{"donor": o.donorErr, "joiner": o.joinerErr} {
			r := refusal(t, end, err)
			for _, want := range []string{fmt.Sprintf("joiner %d to %d", tc[0], tc[1]), fmt.Sprintf("donor speaks %d to %d", tc[2], tc[3])} {
				if r.Code != CodeVersion || !strings.Contains(r.Reason, want) {
					t.Errorf("%s: %v, want code version and %q", end, r, want)
				}
			}
		}
	}
}

func TestRefuse(t *testing.T) { each(t, testRefuse) }

func testRefuse(t *testing.T) {
	a := authority(t, "authority")
	for _, jc := range []Config{plainConfig(t), config(t), {Material: node(t, a, "joiner"), Policy: chainPolicy(identity.Chain, a), Nonce: NewNonce(), MinVersion: 1, MaxVersion: 1}} {
		l := listen(t, jc)
		ctx := testContext(t)
		reason := "tcert=/etc/x.pem: the file does not exist\n\x1b[31m" + strings.Repeat("x", 1000)
		got := make(chan error, 1)
		go func() {
			_, err := l.Accept(ctx)
			got <- err
		}()
		if err := Refuse(ctx, l.Ticket(host(t)), Config{MinVersion: 1, MaxVersion: 1}, reason); err != nil {
			t.Fatalf("plain=%v: %v", jc.Plain, err)
		}
		r := refusal(t, "joiner", <-got)
		if !r.ByPeer || r.Code != CodeSetup || !strings.Contains(r.Reason, "does not exist") || strings.ContainsAny(r.Reason, "\n\x1b") || len(r.Reason) > maxReason || strings.Contains(r.Reason, "objects") {
			t.Errorf("plain=%v: %+v", jc.Plain, r)
		}
	}
}

func TestRefuseWithoutListener(t *testing.T) {
	l := listen(t, config(t))
	ticket := l.Ticket(host(t))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err := Refuse(testContext(t), ticket, Config{MinVersion: 1, MaxVersion: 1}, "x")
	if err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("got %v", err)
	}
}

// A second objection stands behind the first, in the same text: that is all that gets into a log.
func TestSecondObjectionIsToldAsWell(t *testing.T) { each(t, testSecondObjectionIsToldAsWell) }

func testSecondObjectionIsToldAsWell(t *testing.T) {
	jc := config(t)
	jc.MinVersion, jc.MaxVersion = 3, 4
	l := listen(t, jc)
	o := meet(t, l, l.Ticket(host(t)), Control, Config{Plain: true, MinVersion: 1, MaxVersion: 2})
	for _, tc := range []struct {
		end  string
		err  error
		also string
	}{
		{"donor", o.donorErr, "; the other end objects too: no common protocol version"},
		{"joiner", o.joinerErr, "; this end objects too: no common protocol version"},
	} {
		r := refusal(t, tc.end, tc.err)
		if r.Code != CodeMode || !strings.HasPrefix(r.Reason, "the joiner encrypts") || !strings.Contains(r.Reason, tc.also) || !strings.Contains(r.Error(), r.Reason) {
			t.Errorf("%s: %v, want %q", tc.end, r, tc.also)
		}
	}
}

// Neither end ever gives in to the other's mode.
func TestModesMustAgree(t *testing.T) { each(t, testModesMustAgree) }

func testModesMustAgree(t *testing.T) {
	for _, tc := range []struct {
		name   string
		joiner Config
		donor  Config
		text   string
	}{
		{"joiner encrypts, donor plain", config(t), Config{Plain: true, MinVersion: 1, MaxVersion: 1}, "this donor is told not to"},
		{"joiner plain, donor encrypts", plainConfig(t), Config{Material: ephemeral(t), MinVersion: 1, MaxVersion: 1}, "joiner does not encrypt"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			l := listen(t, tc.joiner)
			o := meet(t, l, l.Ticket(host(t)), Control, tc.donor)
			for end, err := range map[string]error{"donor": o.donorErr, "joiner": o.joinerErr} {
				if r := refusal(t, end, err); r.Code != CodeMode || !strings.Contains(r.Reason, tc.text) {
					t.Errorf("%s: %v, want %q", end, r, tc.text)
				}
			}
		})
	}
}

// A ticket that was tampered with to say plain leads nowhere.
func TestForgedPlainTicket(t *testing.T) {
	var seen strangers
	jc := config(t)
	jc.OnStranger = seen.add
	l := listen(t, jc)
	ticket := l.Ticket(host(t))
	ticket.Plain = true
	if _, err := Dial(testContext(t), ticket, Control, Config{Plain: true, MinVersion: 1, MaxVersion: 1}); err == nil {
		t.Fatal("connected")
	}
	seen.has(t, CausePlain)
}

func TestWrongPin(t *testing.T) { each(t, testWrongPin) }

func testWrongPin(t *testing.T) {
	l := listen(t, config(t))
	ticket := l.Ticket(host(t))
	ticket.Pin[31] ^= 1
	_, err := Dial(testContext(t), ticket, Control, Config{MinVersion: 1, MaxVersion: 1})
	if causeOf(err) != CausePin {
		t.Errorf("got %v", err)
	}
}

func TestWrongNonce(t *testing.T) { each(t, testWrongNonce) }

func testWrongNonce(t *testing.T) {
	for _, jc := range []Config{config(t), plainConfig(t)} {
		var seen strangers
		jc.OnStranger = seen.add
		l := listen(t, jc)
		ticket := l.Ticket(host(t))
		ticket.Nonce[0] ^= 1
		_, err := Dial(testContext(t), ticket, Control, Config{Plain: jc.Plain, MinVersion: 1, MaxVersion: 1})
		if causeOf(err) != CauseNonce || !strings.Contains(err.Error(), "another state request") {
			t.Errorf("plain=%v: got %v", jc.Plain, err)
		}
		seen.has(t, CauseNonce)
		d, j := join(t, l, Control, Config{Plain: jc.Plain, MinVersion: 1, MaxVersion: 1})
		chat(t, d, j)
	}
}

func TestNonceIsGoodForOneControlConnection(t *testing.T) {
	each(t, testNonceIsGoodForOneControlConnection)
}

func testNonceIsGoodForOneControlConnection(t *testing.T) {
	var seen strangers
	jc := config(t)
	jc.OnStranger = seen.add
	l := listen(t, jc)
	dc := Config{MinVersion: 1, MaxVersion: 1}
	d, j := join(t, l, Control, dc)
	for range 2 {
		_, err := Dial(testContext(t), l.Ticket(host(t)), Control, dc)
		if r := refusal(t, "donor", err); r.Code != CodeBusy {
			t.Errorf("got %v", err)
		}
	}
	seen.has(t, CauseLate)
	chat(t, d, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(testContext(t), l.Ticket(host(t)), Control, dc); refusal(t, "donor", err).Code != CodeBusy {
		t.Errorf("after the first was closed: got %v", err)
	}
}

func TestManyControls(t *testing.T) { each(t, testManyControls) }

func testManyControls(t *testing.T) {
	jc := config(t)
	jc.ManyControls = true
	l := listen(t, jc)
	dc := Config{MinVersion: 1, MaxVersion: 1}
	_, j := join(t, l, Control, dc)
	if _, err := Dial(testContext(t), l.Ticket(host(t)), Control, dc); refusal(t, "donor", err).Code != CodeBusy {
		t.Errorf("while the first is open: got %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	d, j := join(t, l, Control, dc)
	chat(t, d, j)
}

// Somebody who knows the nonce, but not the control connection, gets no data connection.
func TestDataConnectionsBelongToTheirControl(t *testing.T) {
	each(t, testDataConnectionsBelongToTheirControl)
}

func testDataConnectionsBelongToTheirControl(t *testing.T) {
	var seen strangers
	jc := config(t)
	jc.OnStranger = seen.add
	l := listen(t, jc)
	dc := Config{MinVersion: 1, MaxVersion: 1}
	if _, err := Dial(testContext(t), l.Ticket(host(t)), Data, dc); err == nil || !strings.Contains(err.Error(), "Config.Session") {
		t.Errorf("without session: got %v", err)
	}
	dc.Session = [32]byte{1}
	if _, err := Dial(testContext(t), l.Ticket(host(t)), Data, dc); causeOf(err) != CauseNonce {
		t.Errorf("before the control connection: got %v", err)
	}
	d, _ := join(t, l, Control, Config{MinVersion: 1, MaxVersion: 1})
	if _, err := Dial(testContext(t), l.Ticket(host(t)), Data, dc); causeOf(err) != CauseNonce || !strings.Contains(err.Error(), "control connection") {
		t.Errorf("with a wrong session: got %v", err)
	}
	seen.has(t, CauseNonce)
	dc.Session = d.Session()
	join(t, l, Data, dc)
}

// After the control connection stands, a nonce thief without a good certificate must not end the transfer through Accept.
func TestLateRefusalsAreStrangers(t *testing.T) { each(t, testLateRefusalsAreStrangers) }

func testLateRefusalsAreStrangers(t *testing.T) {
	a := authority(t, "authority")
	var seen strangers
	jc := Config{Material: node(t, a, "joiner"), Policy: chainPolicy(identity.Chain, a), Nonce: NewNonce(), MinVersion: 1, MaxVersion: 1, OnStranger: seen.add}
	l := listen(t, jc)
	join(t, l, Control, Config{Material: node(t, a, "donor"), MinVersion: 1, MaxVersion: 1})
	if err := Refuse(testContext(t), l.Ticket(host(t)), Config{MinVersion: 1, MaxVersion: 1}, "stop"); err != nil {
		t.Error(err)
	}
	seen.has(t, CauseLate)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Accept: %v", err)
	}
}

func TestWarningsReachTheCaller(t *testing.T) { each(t, testWarningsReachTheCaller) }

func testWarningsReachTheCaller(t *testing.T) {
	a := authority(t, "authority")
	l := listen(t, Config{Material: node(t, a, "127.0.0.1"), Nonce: NewNonce(), MinVersion: 1, MaxVersion: 1})
	d, _ := join(t, l, Control, Config{Policy: chainPolicy(identity.ChainAndName, a, "127.0.0.1"), MinVersion: 1, MaxVersion: 1})
	if w := strings.Join(d.Peer().Warnings, ""); !strings.Contains(w, "as text") {
		t.Errorf("warnings %q", w)
	}
}
