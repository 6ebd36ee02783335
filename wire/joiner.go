package wire

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// admission is what the joiner's half of the preface needs to know about its session. A Listener implements it.
type admission interface {
	// key returns what a connection of this kind must prove to know; false when there is nothing it could know.
	key(Kind) ([]byte, bool)
	// claim takes the one place of a control connection, before the donor is told and can dial data connections. The
	// returned function ends the claim: it fills the place, or frees it again when it is given no connection.
	claim(session [32]byte) (settle func(*Conn), ok bool)
	// settled says that a control connection was accepted, after which refusals are no news for the caller any more.
	settled() bool
}

// joinerHandshake speaks the joiner's half of the preface. It returns a connection, a *RefusedError when the real donor cannot be
// used, or a *StrangerError. The caller has set a deadline and closes the channel after an error.
func joinerHandshake(ch *channel, c Config, adm admission) (*Conn, error) {
	theirs, said, err := ch.readHello(donorMagic)
	if err != nil {
		return nil, err
	}
	kind := Kind(theirs.word)
	if kind != Control && kind != Data {
		return nil, &StrangerError{ch.remote, CauseProtocol, fmt.Errorf("the peer asks for a connection of kind %d, which is unknown", kind)}
	}
	mine := newHello(joinerMagic, 0, c)
	version, own := agree(theirs, mine)
	if own != nil {
		mine.word = uint8(own.code)
	}
	said = appendHello(said, mine)
	if err := ch.send("preface", said[helloSize:]); err != nil {
		return nil, err
	}
	proof, raw, err := ch.readVerdict()
	if err != nil {
		return nil, err
	}
	key, known := adm.key(kind)
	tr := transcript{key: key, exporter: ch.exporter, said: said}
	if !known || !tr.good(labelDonor, proof) {
		return nil, ch.dismiss(kind)
	}
	tr.said = append(tr.said, raw...)
	if ch.proved != nil {
		if err := ch.proved(); err != nil {
			return nil, err
		}
	}

	// From here on the peer is the donor. Its own complaint goes first, because a donor that cannot start has no certificate.
	var warnings []string
	if own == nil && proof.code != CodeSetup && proof.code != CodeMode && proof.code != CodeTransport {
		if own = c.onlyQUIC(ch.transport); own == nil {
			warnings, own = ch.judge(c.Policy, x509.ExtKeyUsageClientAuth)
		}
	}
	if proof.code != CodeOK || own != nil {
		return nil, ch.decline(tr, proof, own, c, adm)
	}
	var session [32]byte
	settle := func(*Conn) {}
	if kind == Control {
		session = tr.session()
		var ok bool
		if settle, ok = adm.claim(session); !ok {
			busy := errors.New("this state request has its control connection already; a ticket is good for one")
			// A second use of the nonce is a replay, however well it was proved, and must not disturb the first.
			_ = ch.answer(tr, &objection{CodeBusy, busy.Error(), busy}) // the peer is turned away; it need not hear why
			return nil, &StrangerError{ch.remote, CauseLate, busy}
		}
	}
	if err := ch.answer(tr, nil); err != nil {
		settle(nil)
		return nil, err
	}
	conn, err := ch.conn(kind, version, warnings, session, c)
	settle(conn)
	return conn, err
}

// answer sends the joiner's verdict.
func (ch *channel) answer(tr transcript, own *objection) error {
	v := verdict{}
	if own != nil {
		v.code, v.reason = own.code, own.text
	}
	v.proof = tr.prove(labelJoiner, v)
	return ch.send("proof", appendVerdict(nil, v))
}

// decline tells the donor the joiner's side of a refusal and reports the refusal itself.
func (ch *channel) decline(tr transcript, proof verdict, own *objection, c Config, adm admission) error {
	sendErr := ch.answer(tr, own)
	var refused *RefusedError
	if proof.code != CodeOK {
		refused = &RefusedError{Remote: ch.remote, ByPeer: true, Code: proof.code, Reason: c.ours(proof)}
		if own != nil && own.code != proof.code {
			refused.Reason += "; this end objects too: " + own.text
		}
	} else {
		refused = own.refused(ch.remote)
	}
	if adm.settled() {
		// Whoever comes with the nonce but without a good certificate while a donor is at work is not that donor.
		return &StrangerError{ch.remote, CauseLate, refused}
	}
	if sendErr != nil && proof.code == CodeOK {
		refused.Reason += "; the other end could not be told: " + cleanReason(sendErr.Error())
	}
	return refused
}

// dismiss turns away a peer without proof. It is told so with an empty proof: it learns nothing that the closed door would not
// tell, and an honest donor with an old ticket gets a clear message.
func (ch *channel) dismiss(kind Kind) error {
	v, err := verdict{code: CodeNonce}, errors.New("the peer does not know the nonce of this state request")
	if kind == Data {
		v, err = verdict{code: CodeSession}, errors.New("the peer does not know the control connection of this state request")
	}
	_ = ch.send("refusal", appendVerdict(nil, v)) // a stranger need not hear it
	return &StrangerError{ch.remote, CauseNonce, err}
}
