package proto

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestChurn is the locked-state test with names that come, go and change places, files
// that shrink and grow, databases that are dropped, and windows that overrun.
func TestChurn(t *testing.T) {
	for seed := range soak(modelSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r, s := liveRig(t, seed+1000)
			rng := rand.New(rand.NewPCG(seed, 99))
			p := func(n string) string { return filepath.Join(r.donor, n) }
			write(t, r.donor, "shop/f.frm2", random(5000, 1))
			write(t, r.donor, "shop/g.MYD", random(1500000, 2))
			write(t, r.donor, "shop/h.MYI", random(2500000, 3))
			write(t, r.donor, "shop/#sql-ib1.x", random(100000, 4))
			write(t, r.donor, "mysql/general_log.CSV", random(1000, 5))
			names := []string{"shop/f.frm2", "shop/g.MYD", "shop/h.MYI", "shop/cold.ibd", "other/x"}
			write(t, r.donor, "other/x", random(70000, 9))
			old := map[string][]byte{}
			other := func(n int) {
				for range n {
					name := names[rng.IntN(len(names))]
					b, err := os.ReadFile(p(name))
					switch rng.IntN(7) {
					case 0: // away or back
						if err == nil {
							os.Rename(p(name), p(name+"_"))
						} else {
							os.Rename(p(name+"_"), p(name))
						}
					case 1: // shrink
						if err == nil && !strings.HasSuffix(name, "ibd") {
							old[name] = b
							os.Truncate(p(name), rng.Int64N(int64(len(b))+1))
						}
					case 2: // regrow with the same bytes
						if o := old[name]; err == nil && o != nil && len(o) > len(b) {
							patch(t, r.donor, name, int64(len(b)), o[len(b):])
						}
					case 3:
						if err == nil && len(b) > 100 && !strings.HasSuffix(name, "ibd") {
							patch(t, r.donor, name, rng.Int64N(int64(len(b)-50)), random(50, byte(rng.Uint32())))
						}
					case 4: // file <-> directory, drop database
						if name == "other/x" && rng.IntN(3) == 0 {
							if _, e := os.Stat(p("other")); e == nil {
								os.RemoveAll(p("other"))
							} else {
								write(t, r.donor, "other/x", random(70000, 9))
							}
						}
					case 5: // swap
						n2 := names[rng.IntN(3)]
						if n3 := names[rng.IntN(3)]; n2 != n3 {
							os.Rename(p(n2), p("shop/swap"))
							os.Rename(p(n3), p(n2))
							os.Rename(p("shop/swap"), p(n3))
						}
					case 6:
						f, _ := os.OpenFile(p("mysql/general_log.CSV"), os.O_APPEND|os.O_WRONLY, 0)
						f.Write(random(100, byte(n)))
						f.Close()
					}
				}
			}
			atLock := ""
			windows := 0
			r.tweakDonor = func(c *DonorConfig) {
				c.Passes, c.PageLSN, c.LockTarget = 2+int(seed%4), seed%4 != 3, time.Nanosecond
				if seed%2 == 0 {
					c.LockMax = 150 * time.Millisecond
				}
				c.Note = func(format string, _ ...any) {
					if strings.Contains(format, "%s pass %d") {
						s.work(40)
						other(6)
					}
				}
			}
			if seed%5 == 0 {
				r.run()
			}
			r.lock = lockFunc{
				lock: func(context.Context) (string, error) {
					windows++
					s.work(20)
					other(6)
					s.flush(1)
					s.checkpoint()
					atLock = listing(t, r.donor)
					return fmt.Sprintf("at:%d", windows), nil
				},
				unlock: func() error { s.work(30); other(6); s.flush(0.5); return nil },
			}
			testOnlyBeforeRound = func() {
				if windows < 3 && seed%2 == 0 && rng.IntN(2) == 0 {
					time.Sleep(200 * time.Millisecond)
				}
			}
			defer func() { testOnlyBeforeRound = func() {} }()
			_, got, derr, jerr := r.run()
			if derr != nil || jerr != nil {
				t.Fatalf("donor: %v; joiner: %v", derr, jerr)
			}
			if got.State != fmt.Sprintf("at:%d", windows) {
				t.Fatal("state", got.State, windows)
			}
			if l := listing(t, r.joiner); l != atLock {
				t.Fatalf("not the locked state (window %d):\n--- locked\n%s\n--- joiner\n%s", windows, onlyIn(atLock, l), onlyIn(l, atLock))
			}
		})
	}
}
