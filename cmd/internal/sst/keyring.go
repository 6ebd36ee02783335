package sst

import (
	"fmt"

	"trireme/cmd/internal/galera"
	"trireme/cmd/internal/keyring"
	"trireme/engine/tree"
	"trireme/wire"
)

// findKeyring looks where the keys of encrypted tables are and whether they can be compared
// or carried, before the other end is told anything.
func (c *call) findKeyring(ch wire.Config, lay tree.Layout) error {
	ring, err := keyring.Find(c.set, keyring.Server{MySQL: c.args.Family != galera.MariaDB, Program: c.parent.Program()})
	if err == nil {
		err = ring.Apart(lay)
	}
	if err == nil && ring.IsSet() && ch.Plain {
		// Percona's rule; settings apply it to plugins, which they can see.
		err = fmt.Errorf("a keyring is configured (%s, %s), and then the transfer must be encrypted", ring.Name, ring.From)
	}
	if err == nil && ring.Path != "" && ch.ChecksPeer() && c.args.Role == galera.RoleJoiner {
		_, err = ring.Place()
	}
	var keys []byte
	if err == nil && ring.Path != "" {
		keys, err = ring.Read()
	}
	if err != nil {
		return &galera.ExitError{Code: galera.ExitInvalid, Err: err}
	}
	if ring.Path != "" {
		c.keys = keyring.Digest(keys)
		clear(keys)
	}
	c.ring = ring
	c.tellKeyring(ch)
	return nil
}

// tellKeyring says in the log what becomes of the keys.
func (c *call) tellKeyring(ch wire.Config) {
	if c.ring.Path == "" {
		return
	}
	if text := c.ring.Exposed(); text != "" {
		c.log.Warningf("%s; chmod 0600", text)
	}
	switch {
	case !ch.ChecksPeer():
		c.log.Warningf("the keyring %s is not sent, because this end does not check the other one's certificate: both nodes must hold the same keys", c.ring.Path)
	case c.args.Role == galera.RoleJoiner:
		c.log.Infof("keys of encrypted tables come from the donor's keyring and replace %s", c.ring.Path)
	default:
		c.log.Infof("keys of encrypted tables are sent from %s, at the end of the lock", c.ring.Path)
	}
}

// readKeys is what the donor calls under the lock; nil without a keyring file.
func (c *call) readKeys() func() ([]byte, string, error) {
	if c.ring.Path == "" {
		return nil
	}
	return func() ([]byte, string, error) {
		keys, err := c.ring.Read()
		if err != nil {
			return nil, "", err
		}
		return keys, keyring.Digest(keys), nil
	}
}

// installKeys is what the joiner calls when all else is there; nil without a keyring file.
func (c *call) installKeys() func([]byte) error {
	if c.ring.Path == "" {
		return nil
	}
	return func(keys []byte) error {
		return c.ring.Install(keys, c.set.Datadir)
	}
}
