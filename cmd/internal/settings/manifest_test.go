package settings

import (
	"strings"
	"testing"
)

// TestManifest: on unless it is switched off, or somebody asks for everything to be compared; then that is shown as the reason.
func TestManifest(t *testing.T) {
	get := func(s *Settings) any {
		for _, row := range s.Table() {
			if row.Name == "manifest" {
				_, line, _ := strings.Cut(row.Origin, "my.cnf:")
				return s.Manifest + " " + row.Value + " " + line
			}
		}
		return "not shown"
	}
	runRows(t, []row{
		{name: "default", get: get, want: "auto auto "},
		{name: "off", cnf: "[trireme]\nmanifest=off\n", get: get, want: "off off 2 [trireme]"},
		{name: "paranoid", cnf: "[trireme]\nmanifest=auto\nparanoid\n", get: get, want: "off off 3 [trireme]"},
		{name: "verify", cnf: "[trireme]\n\n\nverify=full\n", get: get, want: "off off 4 [trireme]"},
		{name: "not paranoid", cnf: "[trireme]\nmanifest=off\nparanoid=0\nverify=tag\n", get: get, want: "off off 2 [trireme]"},
		{name: "another word", cnf: "[trireme]\nmanifest=on\n", bad: `"on" is not one of auto, off`},
	})
}
