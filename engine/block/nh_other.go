//go:build !amd64

package block

func nh(sums *[nhPasses]uint64, k *nhKey, p []byte) { nhGeneric(sums, k, p) }
