// Package gcm is AES-GCM (NIST SP 800-38D) as crypto/cipher has it, faster for long messages where the processor can do two blocks with one instruction.
//
// Why it exists: over TLS, AES-GCM is a quarter of all processor time of a copy, and the assembly of Go's crypto/cipher uses instructions for one block
// only. Processors since AMD Zen 3 and Intel Ice Lake also have VAES and VPCLMULQDQ, which do two in vectors of 256 bits; Go has been asked for
// them in golang.org/issue/42726, and no library for Go has them. bench/NOTES.md says what it gives. When crypto/cipher uses them, this package goes: New has the
// signature of what would take its place.
//
// What is ours is how messages of 1 KiB and more are done on such a processor: shorter ones, other nonces, other processors, Go's
// FIPS 140-3 mode and processes under GODEBUG=cpu.avx2=off have crypto/cipher's alone. Both make the same bytes, which is what the tests compare, and
// what is looked at once in each process before ours is trusted (check.go). Neither tables nor branches depend on key or content.
//
// Not guaranteed: keys, powers of the hash key and what was on the stack are not wiped. Neither are crypto/cipher's.
package gcm
