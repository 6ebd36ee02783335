package wire

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// donorHandshake speaks the donor's half of the preface. refusal, if not nil, is delivered instead of asking for a connection.
// The caller has compared the pin already and has set a deadline.
func donorHandshake(ch *channel, t Ticket, kind Kind, c Config, refusal *objection) (*Conn, error) {
	mine := newHello(donorMagic, uint8(kind), c)
	said := appendHello(nil, mine)
	if err := ch.send("preface", said); err != nil {
		return nil, err
	}
	theirs, raw, err := ch.readHello(joinerMagic)
	if err != nil {
		return nil, err
	}
	tr := transcript{key: t.Nonce[:], exporter: ch.exporter, said: append(said, raw...)}
	if kind == Data {
		tr.key = dataKey(t.Nonce, c.Session)
	}
	version, own := agree(mine, theirs)
	var warnings []string
	if own == nil {
		warnings, own = ch.judge(c.Policy, x509.ExtKeyUsageServerAuth)
	}
	if refusal != nil {
		own = refusal
	}

	v := verdict{}
	if own != nil {
		v.code, v.reason = own.code, own.text
	}
	v.proof = tr.prove(labelDonor, v)
	out := appendVerdict(nil, v)
	if err := ch.send("proof", out); err != nil {
		return nil, err
	}
	tr.said = append(tr.said, out...)
	answer, _, err := ch.readVerdict()
	if err != nil {
		if own != nil {
			// Whether or not it was heard, the reason must not get lost behind a broken connection.
			return nil, errors.Join(own.refused(ch.remote), err)
		}
		return nil, err
	}
	if !tr.good(labelJoiner, answer) {
		return nil, &StrangerError{ch.remote, CauseNonce, unproved(kind, answer)}
	}
	switch {
	case own != nil:
		refused := own.refused(ch.remote)
		if answer.code != CodeOK && answer.code != own.code {
			refused.Reason += "; the other end objects too: " + c.ours(answer)
		}
		return nil, refused
	case answer.code != CodeOK:
		return nil, &RefusedError{Remote: ch.remote, ByPeer: true, Code: answer.code, Reason: c.ours(answer)}
	}
	var session [32]byte
	if kind == Control {
		session = tr.session()
	}
	return ch.conn(kind, version, warnings, session, c)
}

// unproved reads a verdict without a good proof. The code in it may come from anybody, so it only flavours the text.
func unproved(kind Kind, v verdict) error {
	switch {
	case v.code == CodeNonce:
		return errors.New("the joiner does not know this ticket's nonce: the ticket belongs to another state request")
	case v.code == CodeSession && kind == Data:
		return errors.New("the joiner does not know the control connection that this data connection belongs to")
	}
	return errors.New("the joiner could not prove that it issued this ticket")
}

func (o *objection) refused(remote string) *RefusedError {
	return &RefusedError{Remote: remote, Code: o.code, Reason: o.text, Err: o.err}
}

// checkPin compares the joiner's certificate with the ticket. Nothing secret has been said before it succeeded.
func checkPin(ch *channel, t Ticket, pin func(*x509.Certificate) [32]byte) error {
	if len(ch.peer) == 0 {
		return &StrangerError{ch.remote, CausePin, errors.New("the peer showed no certificate")}
	}
	if got := pin(ch.peer[0]); got != t.Pin {
		return &StrangerError{ch.remote, CausePin, fmt.Errorf(
			"its certificate has SHA-256 %x, the ticket demands %x: another program answers on this port, or somebody sits in between", got[:8], t.Pin[:8])}
	}
	return nil
}
