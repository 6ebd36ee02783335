package check

import (
	"fmt"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/keyring"
	"trireme/cmd/internal/settings"
	"trireme/wire"
)

// keyring says what would become of the keys of encrypted tables, by the code of the transfer. The server's program is not known
// here, so that its components are looked for in the usual places.
func (x *examination) keyring(role settings.Role, set *settings.Settings, ch wire.Config) {
	ring, err := keyring.Find(set, keyring.Server{MySQL: x.family != "mariadb"})
	if lay, lerr := ends.Layout(set); err == nil && lerr == nil {
		err = ring.Apart(lay)
	}
	if err != nil {
		text, do := splitHint(err.Error())
		x.add(levelBad, "keys", role, text, do)
		return
	}
	switch {
	case !ring.IsSet():
		return
	case ch.Plain:
		x.add(levelBad, "keys", role, fmt.Sprintf("a keyring is configured (%s), and the transfer is not encrypted", ring.Name), "remove what switches the encryption off")
		return
	case ring.Path == "":
		x.add(levelInfo, "keys", role, fmt.Sprintf("the keys of %s stay where they are; both nodes must name the same place", ring.Name), "")
		return
	}
	if text := ring.Exposed(); text != "" {
		x.add(levelWarn, "keys", role, text, "chmod 0600 "+ring.Path)
	}
	if !ch.ChecksPeer() {
		x.add(levelWarn, "keys", role, fmt.Sprintf("the keyring %s is not sent, because the other end's certificate is not checked: both nodes must hold the same keys", ring.Path), "set tca, tcert and tkey on both nodes, or bring the joiner's keyring up to date by hand")
		return
	}
	if role == settings.Donor {
		x.add(levelOK, "keys", role, fmt.Sprintf("the keyring %s would be sent at the end of the lock", ring.Path), "")
		return
	}
	if _, err := ring.Place(); err != nil {
		text, do := splitHint(err.Error())
		x.add(levelBad, "keys", role, text, do)
		return
	}
	x.add(levelOK, "keys", role, fmt.Sprintf("the donor's keyring would replace %s", ring.Path), "")
}
