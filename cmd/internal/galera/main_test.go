package galera

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"trireme/cmd/internal/serveremul"
)

func TestMain(m *testing.M) {
	serveremul.Main()
	if mode := os.Getenv("GALERA_TEST_PLAY"); mode != "" {
		os.Exit(play(mode))
	}
	goleak.VerifyTestMain(m)
}
