package zoo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// ServerOptions are the [mysqld] options that a server needs for the zoo. The key file is written by WriteKeyFile; donor and
// joiner must have the same keys (consistency.md 6). The undo tablespaces count from the initialisation of the datadir on.
func ServerOptions(keyFile string) map[string]string {
	return map[string]string{
		"plugin-load-add":                          "file_key_management;ha_archive;ha_blackhole",
		"file-key-management-filename":             keyFile,
		"file-key-management-encryption-algorithm": "AES_CTR",
		"innodb-undo-tablespaces":                  "3",
		"innodb-file-per-table":                    "ON",
		"event-scheduler":                          "ON",
		"log-bin-trust-function-creators":          "ON",
		"max-heap-table-size":                      "16M",
	}
}

// WriteKeyFile writes the keys 1 and 2 for file_key_management. They are fixed: this is test data, and every node needs the same.
// The caller makes the file readable for the server (cluster: Node.Give).
func WriteKeyFile(path string) error {
	text := ""
	for id := 1; id <= 2; id++ {
		key := sha256.Sum256(fmt.Appendf(nil, "zoo key %d", id))
		text += fmt.Sprintf("%d;%s\n", id, hex.EncodeToString(key[:]))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}
