package gcm

const (
	blockSize = 16
	nonceSize = 12
	tagSize   = 16
	// chunkSize is what one turn of the loops takes.
	chunkSize = 16 * blockSize
	// narrowest is the least content that wide takes: below, a tail and two calls cost what it saves.
	narrowest = 4 * chunkSize
)
