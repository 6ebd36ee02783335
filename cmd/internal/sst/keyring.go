package sst

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"trireme/cmd/internal/settings"
	"trireme/proto"
	"trireme/proto/msg"
)

// keyringFact is the name under which both ends state their keyring.
const keyringFact = "keyring"

// maxKeyring bounds what is read of a keyring or of its configuration; real ones have some hundred bytes for each key.
const maxKeyring = 16 << 20

// keyring states which keys this node holds, without giving them away, so that a transfer between nodes with different ones is
// refused before anything changes: encrypted tablespaces travel as they are, and a joiner could not open them. ok is false where no
// keyring is configured. A digest of a keyring file tells nothing of keys that are random, as the server's are.
func keyring(s *settings.Settings) (fact msg.Fact, ok bool) {
	switch {
	case s.KeyringFile != "":
		return msg.Fact{Name: keyringFact, Value: keyringDigest(s.KeyringFile, s.Role), From: s.KeyringFile}, true
	case s.VaultConfig != "":
		return msg.Fact{Name: keyringFact, Value: vault(s.VaultConfig, s.Role), From: s.VaultConfig}, true
	}
	return msg.Fact{}, false
}

// keyringDigest names the content of a keyring file. One that is missing and one that is empty hold the same: nothing.
func keyringDigest(path string, role settings.Role) string {
	data, err := readSome(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(data) == 0:
		return "empty"
	case err != nil:
		return unreadable(role, err)
	}
	return fmt.Sprintf("sha256 %x", sha256.Sum256(data))
}

// vault names the place of the keys in a configuration of keyring_vault. The token in there is not part of it.
func vault(path string, role settings.Role) string {
	data, err := readSome(path)
	if err != nil {
		return unreadable(role, err)
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
	return "vault " + url + " " + mount
}

// unreadable is a value that the other end cannot have, so that it becomes a refusal which shows the reason.
func unreadable(role settings.Role, err error) string {
	return fmt.Sprintf("unreadable (%s: %v)", role, err)
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, maxKeyring+1))
	if err == nil && len(data) > maxKeyring {
		return nil, fmt.Errorf("%s is larger than %d MiB, which no keyring is", path, maxKeyring>>20)
	}
	return data, err
}

// sameKeys is asked under the lock: keys that were rotated while the files were copied are unknown to the joiner.
func sameKeys(s *settings.Settings, before string) error {
	if now, ok := keyring(s); ok && now.Value != before {
		return proto.Fail(proto.CodeMismatch, fmt.Errorf("the keyring %s has changed during the transfer (a key was made or rotated): bring the joiner's up to date and start it again", now.From))
	}
	return nil
}

func factOf(facts []msg.Fact, name string) string {
	for _, f := range facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
