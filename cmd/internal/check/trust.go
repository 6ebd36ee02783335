package check

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/wire"
	"trireme/wire/identity"
)

// certificate describes the one that this node would show, and what the other end's would be compared with.
type certificate struct {
	Subject     string   `json:"subject"`
	Issuer      string   `json:"issuer"`
	NotBefore   string   `json:"not_before"`
	NotAfter    string   `json:"not_after"`
	Names       []string `json:"names"`
	Key         string   `json:"key"`
	From        string   `json:"from"`
	Anchors     []string `json:"anchors,omitempty"` // subjects of what the other end must chain to
	AnchorsFrom string   `json:"anchors_from,omitempty"`
}

// certificates describes the configured certificate; nil when none is.
func (x *examination) certificates(role settings.Role, set *settings.Settings, ch wire.Config) *certificate {
	x.readable(role, set)
	m := ch.Material
	if m == nil || m.Leaf == nil || m.LeafFrom == "" {
		return nil
	}
	trap := identity.SharedName(m.Leaf)
	if trap != "" {
		x.add(levelWarn, "certificates", role, trap, "issue the node's certificate again with another common name than the CA's")
	}
	for _, w := range m.Warnings {
		if w == trap {
			continue // the transfer looks where there is a CA to chain to, and says no more
		}
		text, do := splitHint(w)
		x.add(levelWarn, "certificates", role, text, do)
	}
	c := &certificate{
		Subject: m.Leaf.Subject.String(), Issuer: m.Leaf.Issuer.String(),
		NotBefore: day(m.Leaf.NotBefore), NotAfter: day(m.Leaf.NotAfter),
		Names: names(m.Leaf), Key: keyKind(m.Leaf), From: m.LeafFrom, AnchorsFrom: m.AnchorsFrom,
	}
	for _, a := range ch.Policy.Anchors {
		c.Anchors = append(c.Anchors, a.Subject.String()+", until "+day(a.NotAfter))
		if left := time.Until(a.NotAfter); left < 30*24*time.Hour {
			x.add(levelWarn, "certificates", role, fmt.Sprintf("the CA certificate %q of %s ends on %s", a.Subject, m.AnchorsFrom, day(a.NotAfter)),
				"put its successor into the same file on every node before that day, then renew the nodes' certificates")
		}
	}
	if e := ch.Policy.Exact; e != nil {
		c.Anchors, c.AnchorsFrom = []string{e.Subject.String() + ", until " + day(e.NotAfter)}, set.TLS.PeerCert.Value
	}
	x.add(levelOK, "certificates", role, fmt.Sprintf("%q, until %s, belongs to its key and passes its own CA", c.Subject, c.NotAfter), "")
	return c
}

// readable asks whether the server's user gets at the files: whoever runs the check may be somebody else.
func (x *examination) readable(role settings.Role, set *settings.Settings) {
	if x.user == nil {
		return
	}
	t := &set.TLS
	for _, f := range []settings.Setting{t.CA, t.CAPath, t.Cert, t.Key, t.PeerCert} {
		if !f.IsSet() {
			continue
		}
		rights := uint32(mayRead)
		if info, err := os.Stat(f.Value); err == nil && info.IsDir() {
			rights = mayRead | mayEnter
		}
		if err := x.user.may(f.Value, rights); err != nil && !errors.Is(err, fs.ErrNotExist) {
			x.add(levelBad, "certificates", role, fmt.Sprintf("%s: %v", named(f), err), fmt.Sprintf("chown %s: %s, or open the directories above it", x.user.name, f.Value))
		}
	}
	key := t.Key
	if !key.IsSet() {
		key = t.Cert
	}
	if info, err := os.Stat(key.Value); err == nil && info.Mode().Perm()&0o020 != 0 {
		x.add(levelWarn, "certificates", role, fmt.Sprintf("%s: the group may change the file with the private key (mode %04o)", named(key), info.Mode().Perm()), "chmod 0600 "+filepath.Clean(key.Value))
	}
}

// ownName compares the joiner's own certificate with the name that a donor with these settings would want to see.
func (x *examination) ownName(ctx context.Context, host string, ch wire.Config) {
	in := x.in
	in.Role = settings.Donor
	set, _, err := settings.Resolve(in)
	if host == "" || err != nil || ch.Material == nil || ch.Material.LeafFrom == "" {
		return
	}
	donor, err := ends.Channel(set, false)
	if err != nil {
		return // reported in the donor's own part
	}
	ends.Name(ctx, set, &donor.Policy, host)
	if donor.Policy.Level != identity.ChainAndName {
		return
	}
	chain := append([]*x509.Certificate{ch.Material.Leaf}, ch.Material.Extra...)
	if _, err := donor.Policy.Check(chain); err != nil {
		text, do := splitHint(err.Error())
		x.add(levelBad, "name", settings.Joiner, "a donor would refuse this node: "+text, do)
		return
	}
	x.add(levelOK, "name", settings.Joiner, fmt.Sprintf("the certificate has one of the names that a donor compares: %s", strings.Join(donor.Policy.Names, ", ")), "")
}

func names(c *x509.Certificate) []string {
	out := []string{}
	for _, n := range c.DNSNames {
		out = append(out, "DNS:"+n)
	}
	for _, ip := range c.IPAddresses {
		out = append(out, "IP:"+net.IP(ip).String())
	}
	if len(out) == 0 && c.Subject.CommonName != "" {
		out = append(out, "CN="+c.Subject.CommonName)
	}
	return out
}

func keyKind(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown kind of key"
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
