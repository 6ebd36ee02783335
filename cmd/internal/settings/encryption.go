package settings

import (
	"strings"

	"trireme/cmd/internal/mycnf"
)

// keyPlugins lists the plugins that hold keys for data at rest, with the prefix their options have. An option alone is
// proof enough: the server does not start with an option of a plugin that is not loaded.
var keyPlugins = []struct{ plugin, option string }{
	{"file_key_management", "file-key-management-"},
	{"hashicorp_key_management", "hashicorp-key-management-"},
	{"aws_key_management", "aws-key-management-"},
	{"example_key_management", "example-key-management-"},
	{"debug_key_management", "debug-key-management-"},
	{"keyring_file", "keyring-file-"},
	{"keyring_vault", "keyring-vault-"},
	{"keyring_kms", "keyring-kms-"},
	{"keyring_okv", "keyring-okv-"},
}

// encryption finds out whether tables may be encrypted, and where the keys are. The conversation compares what is found here;
// MariaDB's key files never travel, a keyring file does under conditions (consistency 6).
func (r *resolver) encryption() {
	var found []Setting
	add := func(plugin, origin string) {
		for _, f := range found {
			if f.Value == plugin {
				return
			}
		}
		found = append(found, Setting{Name: "encryption-plugin", Value: plugin, Origin: origin})
	}
	see := func(name, value, origin string, bare bool) {
		switch name {
		case "plugin-load", "plugin-load-add", "early-plugin-load":
			for _, item := range strings.Split(value, ";") {
				// An item is name=library, a library, or a library without its suffix.
				plugin, _, _ := strings.Cut(strings.TrimSpace(item), "=")
				plugin = strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(plugin, ".so")), "-", "_")
				for _, k := range keyPlugins {
					if plugin == k.plugin {
						add(plugin, origin)
					}
				}
			}
			return
		}
		for _, k := range keyPlugins {
			if name == strings.TrimSuffix(k.option, "-") && !isOff(value) || strings.HasPrefix(name, k.option) && (value != "" || bare) {
				add(k.plugin, origin)
			}
		}
	}
	for _, values := range r.values(server) {
		for _, v := range values {
			// A loose option counts too: the plugin may be loaded from the server's own table of plugins.
			see(mycnf.Fold(v.Name), strings.TrimSpace(v.Value), v.Origin.String(), v.Bare)
		}
	}
	for _, a := range r.args {
		see(a.name, a.value, OriginMysqldArgs, a.bare)
	}
	var at Setting
	if len(found) > 0 {
		at = found[0]
		r.s.EncryptionPlugin = at.Value
	}
	if len(found) > 1 {
		r.reject(found[1], "configure one of them", "encryption at rest is configured twice: %s and %s (%s)", found[1].Value, at.Value, at.Origin)
	}
	r.show("encryption-plugin", at, r.s.EncryptionPlugin)
	ring := r.serverOption("keyring-file-data", "")
	if r.s.EncryptionPlugin == "keyring_file" && ring.IsSet() {
		r.s.KeyringFile = r.abs(ring.Value)
	}
	r.show("keyring-file-data", ring, r.s.KeyringFile)
	vault := r.serverOption("keyring-vault-config", "")
	if r.s.EncryptionPlugin == "keyring_vault" && vault.IsSet() {
		r.s.VaultConfig = r.abs(vault.Value)
	}
	r.show("keyring-vault-config", vault, r.s.VaultConfig)
	key := r.serverOption("file-key-management-filename", "")
	if key.IsSet() {
		r.s.EncryptionKeyFile = r.abs(key.Value)
	}
	r.show("file-key-management-filename", key, r.s.EncryptionKeyFile)
	// Components of a keyring are configured in files beside the program and the plugins.
	if base := r.serverOption("basedir", ""); base.IsSet() {
		r.s.BaseDir = base.Value
		r.show("basedir", base, r.s.BaseDir)
	}
	if plugins := r.serverOption("plugin-dir", ""); plugins.IsSet() {
		r.s.PluginDir = r.abs(plugins.Value)
		r.show("plugin-dir", plugins, r.s.PluginDir)
	}
}

func isOff(value string) bool {
	on, err := parseBool(value)
	return err == nil && !on
}

// keyringChannel refuses to copy tables whose keys lie in a keyring over a line that everybody can read: Percona's rule, which holds
// for the keys and is kept for what they protect.
func (r *resolver) keyringChannel() {
	if r.s.TLS.Mode == Plain && strings.HasPrefix(r.s.EncryptionPlugin, "keyring_") {
		r.reject(r.s.TLS.Decider, "remove it: the transfer is encrypted by default", "a keyring is configured (%s), and then the transfer must be encrypted", r.s.EncryptionPlugin)
	}
}
