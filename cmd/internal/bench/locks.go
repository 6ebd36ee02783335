package bench

import (
	"encoding/json"
	"fmt"
	"os"

	"trireme/cmd/internal/bench/result"
)

// locks adds the lock races of some files to have. Each holds a list, as bench/lockrace writes it.
func locks(have []result.Lock, paths []string) ([]result.Lock, error) {
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("read lock races: %w", err)
		}
		var more []result.Lock
		if err := json.Unmarshal(b, &more); err != nil {
			return nil, fmt.Errorf("read lock races %s: %w", p, err)
		}
		have = append(have, more...)
	}
	return have, nil
}
