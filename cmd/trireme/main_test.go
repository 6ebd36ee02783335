//go:build !integration

package main

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs more tests at a time than there are processors: most of their time passes in the waits that servers impose.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
