package bench

import (
	"fmt"
	"strings"

	"trireme/cmd/internal/cli"
	"trireme/cmd/internal/mycnf"
	"trireme/cmd/internal/settings"
)

// checkSet judges what --set would write into the option files of our contestants as those will judge it. A race takes minutes
// before the first of them reads its file.
func checkSet(set []string) error {
	flags := map[string]string{}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if name = mycnf.Fold(strings.TrimSpace(name)); !ok || name == "" {
			return cli.Usage(fmt.Errorf("flag --set %q: expected NAME=VALUE, an option of the group [%s]", s, settings.Group))
		}
		flags[name] = value
	}
	if _, _, err := settings.Resolve(settings.Input{Datadir: "/", Flags: flags}); err != nil {
		return cli.Usage(fmt.Errorf("flag --set: %w", err))
	}
	return nil
}
