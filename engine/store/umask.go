package store

import (
	"bytes"
	"os"
	"strconv"
)

// processUmask returns the permission bits that the kernel takes from new files of this process, 0777 when it does not
// say (before Linux 4.7, or without /proc): then each file is given its mode in a call of its own. Asking by setting it
// would change it for whoever makes a file at that moment.
func processUmask() uint32 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o777
	}
	for line := range bytes.Lines(text) {
		if octal, ok := bytes.CutPrefix(line, []byte("Umask:")); ok {
			if n, err := strconv.ParseUint(string(bytes.TrimSpace(octal)), 8, 32); err == nil {
				return uint32(n) & 0o777
			}
		}
	}
	return 0o777
}
