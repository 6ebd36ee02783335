package ends

import (
	"context"
	"crypto/x509"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"trireme/cmd/internal/settings"
	"trireme/proto"
	"trireme/wire"
	"trireme/wire/identity"
)

// reverseLimit bounds the question which names an address has.
const reverseLimit = 5 * time.Second

func source(s settings.Setting) identity.Source {
	return identity.Source{Option: s.Name, Origin: s.Origin, Path: s.Value}
}

// transports are the words of the setting.
var transports = map[string]wire.Transport{"tls": wire.TCP, "quic": wire.QUIC, "auto": wire.Auto}

// Channel turns the TLS settings into one end of the channel (design section 4).
// Names are left to the donor, which alone knows whom it calls.
func Channel(set *settings.Settings, joiner bool) (wire.Config, error) {
	c := wire.Config{MinVersion: proto.Version, MaxVersion: proto.Version, Socket: socketOptions(set.SockOpts(), set.InitialTimeout)}
	c.Transport = transports[set.Transport]
	if !joiner {
		c.Choice, c.HandshakeTimeout = new(wire.Choice), set.DonorTimeout
	}
	t := &set.TLS
	if t.Mode == settings.Plain {
		c.Plain = true
		return c, nil
	}
	// The script hands this mode to stunnel as verifyPeer, which wants the other end's own certificate in the file of the CA;
	// others read it as a CA that has to sign. Both kinds of files are in use (sst-options 2.1).
	listed := t.Mode == settings.VerifyIdentity && t.Decider.Name == "ssl-mode"
	var err error
	switch {
	case t.Cert.Value != "":
		c.Material, err = identity.Load(identity.Files{CA: source(t.CA), CAPath: source(t.CAPath), Cert: source(t.Cert), Key: source(t.Key), AcceptListed: listed})
	case joiner:
		// A listener cannot do without a certificate: where none is configured
		// the pin in the address vouches for this one. A donor's would prove nothing.
		c.Material, err = identity.Ephemeral(time.Now())
	}
	if err != nil {
		return wire.Config{}, err
	}
	switch t.Mode {
	case settings.VerifyCA, settings.VerifyIdentity:
		c.Policy.Level, c.Policy.AcceptListed = identity.Chain, listed
		c.Policy.Anchors, c.Policy.AnchorsFrom = c.Material.Anchors, c.Material.AnchorsFrom
		if cn := t.CommonName; cn.Value != "" {
			c.Policy.Level = identity.ChainAndName
			c.Policy.Names, c.Policy.NamesFrom = []string{cn.Value}, cn.Name+" from "+cn.Origin
		}
	case settings.Certificates:
		// Read like a CA: the peer's certificate has no key here.
		peer, err := identity.Load(identity.Files{CA: source(t.PeerCert)})
		if err != nil {
			return wire.Config{}, err
		}
		c.Policy.Level, c.Policy.Exact = identity.Exact, peer.Anchors[0]
	}
	return c, nil
}

// Name makes a donor check the joiner's name against the host it calls, where the
// settings ask for it and give no name of their own.
func Name(ctx context.Context, set *settings.Settings, p *identity.Policy, host string) {
	if p.Level != identity.Chain || !set.TLS.NameCheck {
		return
	}
	p.Level = identity.ChainAndName
	ctx, cancel := context.WithTimeout(ctx, reverseLimit)
	defer cancel()
	p.Names, p.NamesFrom = identity.Reverse(ctx, host), "the joiner's address and what it resolves back to"
}

// Describe is the effective channel in one line: what is shown and what is checked.
func Describe(set *settings.Settings, c wire.Config) string {
	if c.Plain {
		return "NOT ENCRYPTED, as configured (" + why(&set.TLS) + "); the donor is still proved by the address" + inForce(set)
	}
	own := "no certificate of our own"
	if c.Material != nil {
		own = "showing " + subject(c.Material.Leaf) + ", of " + c.Material.LeafFrom
		if set.TLS.Cert.Value == "" {
			own = "showing a certificate made for this transfer"
		}
	}
	var check string
	switch c.Policy.Level {
	case identity.None:
		check = "the other end is proved by pin and nonce of the address only"
	case identity.Chain:
		check = "the other end must chain to " + c.Policy.AnchorsFrom + orListed(c.Policy, "")
	case identity.ChainAndName:
		check = fmt.Sprintf("the other end must chain to %s and be named %s (%s)", c.Policy.AnchorsFrom+orListed(c.Policy, ","), strings.Join(c.Policy.Names, " or "), c.Policy.NamesFrom)
	case identity.Exact:
		check = "the other end must show exactly " + set.TLS.PeerCert.Value
	}
	return fmt.Sprintf("TLS 1.3, %s; %s (%s)%s", own, check, why(&set.TLS), inForce(set))
}

// orListed says that a certificate need not chain if it stands in the file itself.
func orListed(p identity.Policy, end string) string {
	if !p.AcceptListed {
		return ""
	}
	return ", or be listed there" + end
}

// channelOptions are the settings beside those of trust that change a connection.
var channelOptions = []string{"transport", "sockopt", "streams", "backup-threads", "rate-limit", "sst-initial-timeout", "sst-idle-timeout", "donor-timeout"}

// inForce names what somebody has written down about the connections, with its place. None of it is secret.
func inForce(set *settings.Settings) string {
	var all []string
	for _, s := range set.Table() {
		if slices.Contains(channelOptions, s.Name) && s.Origin != settings.OriginDefault {
			all = append(all, fmt.Sprintf("%s=%s from %s", s.Name, s.Value, s.Origin))
		}
	}
	if all == nil {
		return ""
	}
	return "; in force: " + strings.Join(all, ", ")
}

func subject(c *x509.Certificate) string {
	if c == nil {
		return "a certificate"
	}
	return fmt.Sprintf("%q, valid until %s", c.Subject.String(), c.NotAfter.UTC().Format(time.DateOnly))
}

// why names the option that decided the mode.
func why(t *settings.TLS) string {
	if !t.Decider.IsSet() {
		return "no TLS option is set"
	}
	return t.Decider.Name + " from " + t.Decider.Origin
}

// socketOptions translates what sockopt asked for (sst-options 5). A donor does not try for longer than a joiner with the same
// settings waits; 0 is a joiner that has no limit, and then one that shall try for ever has.
func socketOptions(o settings.SockOpts, waits time.Duration) wire.SocketOptions {
	s := wire.SocketOptions{
		Bind: strings.Trim(o.Bind, "[]"), SourcePort: o.SourcePort, Device: o.Interface, NoKeepAlive: o.KeepAlive == settings.Off,
		KeepIdle: o.KeepIdle, KeepInterval: o.KeepInterval, KeepCount: o.KeepCount, UserTimeout: o.UserTimeout,
		SendBuffer: o.SndBuf, ReceiveBuffer: o.RcvBuf, Congestion: o.Congestion, MaxSegment: o.MSS, TOS: o.TOS,
		Delay: o.NoDelay == settings.Off, Allow: o.Ranges, ConnectTimeout: o.ConnectTimeout,
		Retries: o.Retry, RetryEvery: o.Interval, RetryFor: waits,
	}
	if !o.NoSNI {
		s.ServerName = o.SNIHost
	}
	if o.Forever {
		s.Retries = math.MaxInt
		if waits == 0 || waits > settings.Forever {
			s.RetryFor = settings.Forever
		}
	}
	switch o.Family {
	case "ip4":
		s.Family = 4
	case "ip6":
		s.Family = 6
	}
	return s
}
