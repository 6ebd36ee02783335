package identity

import "time"

// Limits of what is read and of what a peer may send. Everything above is refused before it costs memory or time.
const (
	// A certificate file with key and chain has some kilobytes; a CA bundle of a whole distribution has 300 KiB.
	maxFileSize = 4 << 20

	// Files of a capath directory. A distribution's hashed store has about 450, links included.
	maxDirFiles = 4096

	// Certificates in a peer's chain. Every one may cost signature checks.
	maxChain = 16

	// Go's TLS refuses RSA keys above 8192 bits and crypto/rsa those below 1024.
	minRSABits = 1024
	maxRSABits = 8192

	// OpenSSL's security level 2, the default of Debian and Red Hat, refuses RSA below this. Weaker ones get a warning.
	commonRSABits = 2048

	// A certificate that ends within this time is warned about.
	soonExpired = 30 * 24 * time.Hour

	// Bound of all look-ups of Reverse together: the joiner is waiting and a broken resolver answers never.
	reverseTimeout = 2 * time.Second

	// Addresses of one host that Reverse looks at.
	maxReverse = 8
)
