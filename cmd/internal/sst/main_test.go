package sst

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"trireme/cmd/internal/serveremul"
)

// TestMain is also the program under test, when it is called by its name, and the stand-in for its server.
func TestMain(m *testing.M) {
	serveremul.Main()
	if strings.HasPrefix(filepath.Base(os.Args[0]), "wsrep_sst_") {
		os.Exit(Main("trireme", os.Args[1:], "trireme 1.2.3"))
	}
	goleak.VerifyTestMain(m)
}
