package proto

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDataBecomesHole is the other half of T-13: a page compressed table is a hole for three quarters, and pages that are freed become
// holes whole, after a pass has sent them and once more before the lock. The joiner gives back what the donor does.
func TestDataBecomesHole(t *testing.T) {
	r, s := liveRig(t, 61)
	const name, pages = "shop/pressed.ibd", 400
	path := filepath.Join(r.donor, name)
	write(t, r.donor, name, nil)
	if err := os.Truncate(path, pages*fakePageSize); err != nil {
		t.Fatal(err)
	}
	press := func(no int64) {
		s.change("shop/cold.ibd", 20) // a page of this size and with this LSN
		p := s.dirty[pageID{"shop/cold.ibd", 20}].body[:4096]
		binary.BigEndian.PutUint32(p[4:], uint32(no))
		if no == 0 {
			binary.BigEndian.PutUint32(p[46:], 400)
			binary.BigEndian.PutUint32(p[54:], 1<<4|5)
		}
		patch(t, r.donor, name, no*fakePageSize, p)
	}
	free := func(from, to int64) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from*fakePageSize, (to-from)*fakePageSize); err != nil {
			t.Skipf("the file system of the temporary directory punches no holes: %v", err)
		}
	}
	for no := range int64(pages) {
		press(no)
	}
	s.flush(1)
	s.checkpoint()
	sent := false
	r.tweakDonor = func(c *DonorConfig) {
		c.Passes, c.PageLSN = 3, true
		c.Note = func(format string, _ ...any) {
			if strings.HasPrefix(format, "%s pass %d") && !sent {
				sent = true
				free(100, 300)
				press(120) // used again
			}
		}
	}
	r.lock = lockFunc{
		lock: func(context.Context) (string, error) {
			free(320, 380)
			s.flush(1)
			s.checkpoint()
			return "at:1", nil
		},
		unlock: func() error { return nil },
	}
	r.mustRun()
	var blocks [2]int64
	for i, dir := range []string{r.donor, r.joiner} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		blocks[i] = st.Sys().(*syscall.Stat_t).Blocks
	}
	t.Logf("the donor's table takes %d blocks, the joiner's %d, of %d", blocks[0], blocks[1], pages*fakePageSize/512)
	if d := blocks[1] - blocks[0]; d*10 > blocks[0] || -d*10 > blocks[0] {
		t.Errorf("the donor's table takes %d blocks, the joiner's %d", blocks[0], blocks[1])
	}
}
