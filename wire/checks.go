package wire

import "trireme/wire/identity"

// ChecksPeer says whether this end asks the other one for a certificate and judges it.
// Pin and nonce, which every encrypted connection checks too, vouch for the other end only
// as far as the channel can be trusted that carried the ticket.
func (c Config) ChecksPeer() bool { return !c.Plain && c.Policy.Level >= identity.Chain }

// ChecksPeer is that of the listener's Config.
func (l *Listener) ChecksPeer() bool { return l.config.ChecksPeer() }
