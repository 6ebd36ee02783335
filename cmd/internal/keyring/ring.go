package keyring

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/engine/tree"
)

// Ring is where a server keeps its keys. The zero value means that there is no keyring.
type Ring struct {
	Name string // of the plugin or component
	From string // what made us think so: an option with its place, or a file
	// Value is what both ends must have in common: "file", or the place of a vault
	// without its secrets. Empty: the name says it all.
	Value string
	// Path is the file that holds the keys; empty when they are elsewhere.
	Path string
}

// IsSet reports whether there is a keyring.
func (r Ring) IsSet() bool { return r.Name != "" }

// fileValue is the Value of rings that are files, wherever those lie.
const fileValue = "file"

// maxValue keeps a Value within a text of the protocol (msg.MaxText).
const maxValue = 400

// Server says what is known about the server beside its options.
type Server struct {
	// MySQL: of that family, so that there may be components.
	MySQL bool
	// Program is the server's running program; empty when it is not known.
	Program string
}

// Find finds the keyring of a node. Its errors are about set-ups whose keys could not be
// compared or carried, and say what to do; nothing may be copied then.
func Find(set *settings.Settings, server Server) (Ring, error) {
	var ring, component Ring
	var err error
	switch set.EncryptionPlugin {
	case "keyring_file":
		if set.KeyringFile == "" {
			return Ring{}, fmt.Errorf("the plugin keyring_file is configured and keyring_file_data is not, so the place of the keys is only known to the server; set keyring_file_data in [mysqld], to the value that SHOW VARIABLES LIKE 'keyring_file_data' gives now")
		}
		ring = Ring{Name: "keyring_file", From: "keyring_file_data", Value: fileValue, Path: set.KeyringFile}
	case "keyring_vault":
		if set.VaultConfig == "" {
			return Ring{}, fmt.Errorf("the plugin keyring_vault is configured and keyring_vault_config is not; set it in [mysqld]")
		}
		ring = Ring{Name: "keyring_vault", From: set.VaultConfig}
		if ring.Value, err = vault(set.VaultConfig); err != nil {
			return Ring{}, err
		}
	default:
		if strings.HasPrefix(set.EncryptionPlugin, "keyring_") {
			ring = Ring{Name: set.EncryptionPlugin, From: "an option of the server"}
		}
	}
	if server.MySQL {
		if component, err = findComponent(set, server); err != nil {
			return Ring{}, err
		}
	}
	switch {
	case component.IsSet() && ring.IsSet():
		return Ring{}, fmt.Errorf("keys are configured twice: %s (%s) and %s (%s); remove one of them", ring.Name, ring.From, component.Name, component.From)
	case component.IsSet():
		ring = component
	}
	if len(ring.Value) > maxValue {
		return Ring{}, fmt.Errorf("%s: the place of the keys takes %d bytes, at most %d can be compared", ring.From, len(ring.Value), maxValue)
	}
	return ring, nil
}

// Apart makes sure that the keyring file is not one of those that are copied or removed
// like any other of the datadir: keys have a way of their own.
func (r Ring) Apart(lay tree.Layout) error {
	if r.Path == "" {
		return nil
	}
	if dir, yes := ends.AmongData(lay, r.Path); yes {
		return fmt.Errorf("the keyring %s lies among the data of the server in %s; move it to a directory of its own, as the server's manual demands", r.Path, dir)
	}
	return nil
}

// vault names the place of the keys in a configuration of the plugin keyring_vault. The
// token in there is not part of it.
func vault(path string) (string, error) {
	data, err := readSmall(path)
	if err != nil {
		return "", fmt.Errorf("read the configuration of the vault: %w", err)
	}
	var url, mount string
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch strings.TrimSpace(name) {
		case "vault_url":
			url = strings.TrimSpace(value)
		case "secret_mount_point":
			mount = strings.TrimSpace(value)
		}
	}
	if url == "" {
		return "", fmt.Errorf("%s names no vault_url; both nodes must name the same vault", path)
	}
	return strings.TrimSpace("vault " + url + " " + mount), nil
}
