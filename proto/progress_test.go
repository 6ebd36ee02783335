package proto

import (
	"fmt"
	"strings"
	"testing"
)

// TestSmallAmountsAreSaid: figures of a transfer smaller than any of their units are no zeroes.
func TestSmallAmountsAreSaid(t *testing.T) {
	r := newRig(t)
	write(t, r.donor, "ibdata1", random(3*16384, 1))
	write(t, r.donor, "shop/db.opt", []byte("default-character-set=latin1\n"))
	hear := func(said *string) func(string, ...any) {
		return func(format string, args ...any) { *said += fmt.Sprintf(format, args...) + "\n" }
	}
	var donor, joiner string
	r.tweakDonor = func(c *DonorConfig) { c.Note = hear(&donor) }
	r.tweakJoiner = func(c *JoinerConfig) { c.Note = hear(&joiner) }
	r.mustRun()
	for want, said := range map[string]string{
		"files and directories, 48 KiB\n": donor, "read 48 KiB, sent 48 KiB, 0 B of holes": donor,
		"files and directories, 48 KiB, from d\n": joiner, "received 48 KiB, 0 B of holes": joiner,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
}
