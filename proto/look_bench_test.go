package proto

import (
	"context"
	"testing"
)

// BenchmarkLook is what compress=auto costs four times a second where it does not compress. For each block it is one atomic load.
func BenchmarkLook(b *testing.B) {
	d := newDonor(context.Background(), DonorConfig{})
	for b.Loop() {
		d.look()
	}
}
