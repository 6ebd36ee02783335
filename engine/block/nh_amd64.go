package block

import "golang.org/x/sys/cpu" // which instructions the processor and the kernel allow

var nhVector = cpu.X86.HasAVX2

// nhAVX2 is nhGeneric for n bytes at p, a multiple of nhStripe.
//
//go:noescape
func nhAVX2(sums *[nhPasses]uint64, k *nhKey, p *byte, n int)

func nh(sums *[nhPasses]uint64, k *nhKey, p []byte) {
	if nhVector && len(p) > 0 {
		nhAVX2(sums, k, &p[0], len(p))
		return
	}
	nhGeneric(sums, k, p)
}
