package netlab

import (
	"net/netip"
	"testing"
)

// TestParse: what is no packet, or half of one, does no harm; ports are found where there are any.
func TestParse(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:2000")
	c, d := netip.MustParseAddrPort("[fd00::1]:1"), netip.MustParseAddrPort("[fd00::2]:2")
	for _, whole := range [][]byte{reset(a, b, 1, 2, flagACK), reset(c, d, 3, 4, 0)} {
		for n := range len(whole) {
			p := parse(whole[:n])
			if ahead, back := p.resets(); ahead != nil || back != nil {
				t.Errorf("a piece of %d bytes has resets", n)
			}
		}
	}
	for _, ends := range [][2]netip.AddrPort{{a, b}, {c, d}} {
		p := parse(reset(ends[0], ends[1], 1, 2, flagACK))
		if p.Protocol != TCP || p.From != ends[0] || p.To != ends[1] || !p.Port(ends[0].Port()) || p.Port(9) {
			t.Errorf("%+v", p)
		}
		if p.Flow() != parse(reset(ends[1], ends[0], 5, 6, 0)).Flow() {
			t.Error("the two directions are different flows")
		}
		if ahead, _ := p.resets(); ahead != nil {
			t.Error("a reset is answered by a reset")
		}
	}
	fragment := reset(a, b, 1, 2, 0)
	fragment[7] = 1
	if p := parse(fragment); p.From.Port() != 0 || p.Protocol != TCP {
		t.Errorf("a fragment has the ports of what lies in its middle: %+v", p)
	}
}
