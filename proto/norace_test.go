//go:build !race

package proto

import "testing"

// heavy: see race_test.go.
func heavy(*testing.T) {}
