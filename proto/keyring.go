package proto

import (
	"fmt"
	"slices"

	"trireme/proto/msg"
)

// Facts about the keys of encrypted tables (SPEC.md section 3). FactKeyring is compared
// like any other. FactKeys, a digest of the keys, must be alike unless the keys travel,
// which they do when both ends state FactKeysTravel with the value FactYes.
const (
	FactKeyring    = "keyring"
	FactKeys       = "keyring-keys"
	FactKeysTravel = "keyring-travels"
	FactYes        = "yes"
)

// withTravel adds the fact that this end lets keys travel, if it does. The caller's list
// stays as it is.
func withTravel(facts []msg.Fact, yes bool) []msg.Fact {
	if !yes {
		return facts
	}
	return append(slices.Clone(facts), msg.Fact{Name: FactKeysTravel, Value: FactYes, From: "the other end's certificate is checked"})
}

// keysTravel says whether the donor sends its keys: both ends must agree, and the same
// question is asked at both.
func keysTravel(donor, joiner []msg.Fact) bool {
	return states(donor, FactKeysTravel, FactYes) && states(joiner, FactKeysTravel, FactYes)
}

// keysApart says why two ends whose keys stay where they are cannot go on; "" when they
// can. The digests are no text for a log.
func keysApart(donor, joiner []msg.Fact) string {
	d, j := factNamed(donor, FactKeys), factNamed(joiner, FactKeys)
	if d.Value == "" || j.Value == "" || d.Value == j.Value || keysTravel(donor, joiner) {
		return ""
	}
	who := "neither end does"
	switch {
	case states(donor, FactKeysTravel, FactYes):
		who = "the joiner does not"
	case states(joiner, FactKeysTravel, FactYes):
		who = "the donor does not"
	}
	return fmt.Sprintf("the keyring of the donor%s and that of the joiner%s hold different keys, and keys are sent only where both ends check each other's certificate, but %s: set tca, tcert and tkey, or bring the joiner's keyring up to date by hand",
		from(d), from(j), who)
}

func factNamed(facts []msg.Fact, name string) msg.Fact {
	for _, f := range facts {
		if f.Name == name {
			return f
		}
	}
	return msg.Fact{}
}

// readKeys takes the keys at the end of a lock window, after the data: a key that was
// made in between is in them, and nothing that was read needs a newer one.
func (d *donor) readKeys(w *window) error {
	if d.c.Keyring == nil {
		return nil
	}
	content, fact, err := d.c.Keyring()
	if err != nil {
		return Fail(CodeIO, err)
	}
	clear(w.keys) // of a window before this one
	w.keys = nil
	if len(content) > msg.MaxKeyring {
		return failf(CodeRefused, "the keyring has %d bytes, at most %d are sent", len(content), msg.MaxKeyring)
	}
	if d.sendKeys {
		w.keys = content
		return nil
	}
	clear(content)
	if was := factNamed(d.c.Facts, FactKeys); was.Value != fact {
		return failf(CodeMismatch, "the keyring%s has changed during the transfer (a key was made or rotated) and is not sent, because the ends do not check each other's certificates: bring the joiner's up to date and start it again", from(was))
	}
	return nil
}

// tellKeys sends what the last window has read, if keys travel.
func (d *donor) tellKeys(w *window) error {
	if !d.sendKeys {
		return nil
	}
	err := d.s.tell(msg.TypeKeyring, msg.Keyring{Content: w.keys})
	if err == nil {
		d.c.Note("sent the keyring as it was under the lock")
	}
	clear(w.keys)
	return err
}

// keyring takes the donor's keys; they are put in their place by commit.
func (j *joiner) keyring(body []byte) error {
	defer clear(body)
	switch {
	case !j.takeKeys:
		return failf(CodeProtocol, "the donor sends keys that were not agreed on")
	case !j.complete():
		return failf(CodeProtocol, "the donor sends keys before its last verify pass")
	}
	k, err := msg.ParseKeyring(body)
	if err != nil {
		return err
	}
	j.keys, j.gotKeys = k.Content, true
	return nil
}

// installKeys is called when everything else has arrived and no server can start yet.
// A donor without keys takes none away from this node.
func (j *joiner) installKeys() error {
	if !j.takeKeys {
		return nil
	}
	defer clear(j.keys)
	if !j.gotKeys {
		return failf(CodeProtocol, "the donor commits without the keys that were agreed on")
	}
	if len(j.keys) == 0 {
		j.c.Note("the donor's keyring is empty; this node's stays as it is")
		return nil
	}
	if err := j.c.Keyring(j.keys); err != nil {
		return Fail(CodeIO, err)
	}
	j.c.Note("the donor's keyring is in place")
	return nil
}
