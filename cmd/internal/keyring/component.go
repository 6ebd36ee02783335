package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"trireme/cmd/internal/settings"
)

// manifestName is the file that tells a server which components to load before it opens
// its tables: beside the program, and for one of several servers in the datadir.
const manifestName = "mysqld.my"

// places lists for each service component the fields of its configuration that say where
// the keys are. Everything else in there may be secret.
var places = map[string][]string{
	"component_keyring_vault": {"vault_url", "secret_mount_point", "secret_mount_point_version"},
	"component_keyring_kmip":  {"server_addr", "server_port", "object_group"},
	"component_keyring_kms":   {"region", "kms_key"},
}

// fileComponent keeps its keys in a file.
const fileComponent = "component_keyring_file"

// findComponent returns the keyring component that the server loads.
func findComponent(set *settings.Settings, server Server) (Ring, error) {
	name, from, err := manifest(set, server)
	if name == "" || err != nil {
		return Ring{}, err
	}
	ring := Ring{Name: name, From: from}
	fields, known := places[name]
	if !known && name != fileComponent {
		return Ring{}, fmt.Errorf("the keyring component %s (%s) is not known here, so nobody can tell whether both nodes have the same keys; use %s or a vault", name, from, fileComponent)
	}
	config, path, err := configuration(set, server, name)
	if err != nil {
		return Ring{}, err
	}
	ring.From = path
	if name == fileComponent {
		file, _ := config["path"].(string)
		if file == "" {
			return Ring{}, fmt.Errorf("%s has no \"path\", which names the file with the keys", path)
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(set.Datadir, file) // the server's working directory
		}
		ring.Value, ring.Path = fileValue, filepath.Clean(file)
		return ring, nil
	}
	for _, field := range fields {
		if v, ok := config[field]; ok {
			ring.Value += fmt.Sprintf(" %s=%v", field, v)
		}
	}
	if ring.Value = strings.TrimSpace(ring.Value); ring.Value == "" {
		return Ring{}, fmt.Errorf("%s has none of %s, which name the place of the keys", path, strings.Join(fields, ", "))
	}
	return ring, nil
}

// manifest returns the keyring component of the server's manifest, "" for none. Where the
// server's own manifest cannot be found, one in the datadir counts: nobody puts it there
// for another reason.
func manifest(set *settings.Settings, server Server) (name, from string, err error) {
	local := filepath.Join(set.Datadir, manifestName)
	for _, dir := range programDirs(set, server) {
		global := filepath.Join(dir, manifestName)
		m, err := readJSON(global)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("read which components the server loads: %w", err)
		}
		if here, _ := m["read_local_manifest"].(bool); here {
			break
		}
		return keyringOf(m), global, nil
	}
	m, err := readJSON(local)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read which components the server loads: %w", err)
	}
	return keyringOf(m), local, nil
}

// keyringOf finds a keyring in "file://component_a,file://component_b".
func keyringOf(manifest map[string]any) string {
	list, _ := manifest["components"].(string)
	for _, url := range strings.Split(list, ",") {
		name := strings.TrimPrefix(strings.TrimSpace(url), "file://")
		if strings.HasPrefix(name, "component_keyring_") {
			return name
		}
	}
	return ""
}

// configuration reads the file that belongs to a component.
func configuration(set *settings.Settings, server Server, name string) (map[string]any, string, error) {
	local := filepath.Join(set.Datadir, name+".cnf")
	dirs := pluginDirs(set, server)
	for _, dir := range dirs {
		path := filepath.Join(dir, name+".cnf")
		m, err := readJSON(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("read the configuration of %s: %w", name, err)
		}
		if here, _ := m["read_local_config"].(bool); !here {
			return m, path, nil
		}
		break
	}
	m, err := readJSON(local)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("the server loads %s, and its configuration %s.cnf is neither in %s nor in %s; set plugin_dir in [mysqld] to the directory of the plugins", name, name, strings.Join(dirs, ", "), set.Datadir)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the configuration of %s: %w", name, err)
	}
	return m, local, nil
}

// programDirs are the directories where the server's program may lie: one when it is known.
func programDirs(set *settings.Settings, server Server) []string {
	switch {
	case server.Program != "":
		return []string{filepath.Dir(server.Program)}
	case set.BaseDir != "":
		return []string{filepath.Join(set.BaseDir, "sbin"), filepath.Join(set.BaseDir, "bin")}
	}
	return []string{"/usr/sbin", "/usr/bin"}
}

// pluginDirs are the directories where the server may look for plugins: one when it is
// written down.
func pluginDirs(set *settings.Settings, server Server) []string {
	if set.PluginDir != "" {
		return []string{set.PluginDir}
	}
	base := set.BaseDir
	if base == "" && server.Program != "" {
		base = filepath.Dir(filepath.Dir(server.Program))
	}
	if base == "" {
		base = "/usr"
	}
	return []string{filepath.Join(base, "lib64/mysql/plugin"), filepath.Join(base, "lib/mysql/plugin"), filepath.Join(base, "lib/plugin")}
}

func readJSON(path string) (map[string]any, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		// The text of the error could quote the file.
		return nil, fmt.Errorf("%s is not an object in JSON", path)
	}
	return m, nil
}
