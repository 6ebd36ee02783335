package gcm

import (
	"fmt"
	"testing"
)

// The sizes of records, and what crypto/cipher takes for them.
func bench(b *testing.B, what string) {
	std, ours := pair(b, random(16, 1))
	for _, size := range []int{1 << 10, 1 << 12, 1<<14 + 1} {
		for by, a := range map[string]interface {
			Seal(dst, nonce, plaintext, additionalData []byte) []byte
			Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
		}{"ours": ours, "std": std} {
			b.Run(fmt.Sprintf("size=%d/by=%s", size, by), func(b *testing.B) {
				text, nonce, header := random(size, 2), random(nonceSize, 3), random(5, 4)
				sealed := a.Seal(nil, nonce, text, header)
				out := make([]byte, 0, len(sealed))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if what == "seal" {
						a.Seal(out, nonce, text, header)
					} else if _, err := a.Open(out, nonce, sealed, header); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkSeal(b *testing.B) { bench(b, "seal") }
func BenchmarkOpen(b *testing.B) { bench(b, "open") }
