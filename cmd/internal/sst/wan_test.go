package sst

import (
	"testing"

	"trireme/cmd/internal/galera"
)

// TestWAN: a method's name with _wan behind it asks to save the line, as it does for the stock scripts.
func TestWAN(t *testing.T) {
	for wan, want := range map[bool]string{false: "auto auto", true: "on zstd"} {
		c := &call{wan: wan, args: galera.Args{Role: galera.RoleJoiner, Datadir: t.TempDir(), MysqldArgs: []string{"--no-defaults"}}}
		set, _, err := c.settings()
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Delta + " " + set.Compress; got != want {
			t.Errorf("wan %v: %s, want %s", wan, got, want)
		}
	}
}
