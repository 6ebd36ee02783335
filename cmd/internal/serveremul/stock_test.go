package serveremul

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStockRsync plays server for the rsync script that MariaDB ships, which was written for the real one: if the
// emulator were wrong about the contract, the script would fail here.
func TestStockRsync(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"wsrep_sst_rsync", "rsync", "mariadbd", "my_print_defaults"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	p := ByName("M10.11")
	dir := t.TempDir()
	cnf := filepath.Join(dir, "my.cnf")
	joinerDir, donorDir := filepath.Join(dir, "joiner"), filepath.Join(dir, "donor")
	for path, content := range map[string]string{
		cnf:                                     "[mysqld]\n",
		filepath.Join(joinerDir, "x"):           "",
		filepath.Join(donorDir, "ibdata1"):      strings.Repeat("a", 1<<16),
		filepath.Join(donorDir, "ib_logfile0"):  strings.Repeat("b", 1<<16),
		filepath.Join(donorDir, "db", "t.ibd"):  strings.Repeat("c", 1<<16),
		filepath.Join(donorDir, "db", "db.opt"): "x",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Started by root, the script's rsync daemon works as nobody.
	if nobody, err := user.Lookup("nobody"); err == nil && os.Getuid() == 0 {
		uid, _ := strconv.Atoi(nobody.Uid)
		for _, path := range []string{dir, joinerDir} {
			if err := os.Chown(path, uid, -1); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, bypass := range []bool{false, true} {
		o := Options{Datadir: joinerDir, Address: "127.0.3.7:24444", Method: "rsync", DefaultsFile: cnf, GTID: position, Domain: "3", Timeout: 30 * time.Second}
		j := StartJoiner(t, p, nil, o)
		o.Datadir, o.Address, o.Bypass = donorDir, j.Ready(), bypass
		if o.Address == "" {
			r := j.Wait()
			t.Fatalf("no address: %v\n%s", r.Err, r.Stderr)
		}
		d := StartDonor(t, p, nil, o).Wait()
		r := j.Wait()
		if d.Err != nil || r.Err != nil || r.Line != position+" 3" || d.Done != position+" 3" {
			t.Fatalf("bypass %v: donor %v %q, joiner %v %q\n%s\n%s", bypass, d.Err, d.Done, r.Err, r.Line, d.Stderr, r.Stderr)
		}
		if len(d.Locks) != map[bool]int{false: 1, true: 0}[bypass] {
			t.Errorf("bypass %v: locks %+v", bypass, d.Locks)
		}
	}
	if data, err := os.ReadFile(filepath.Join(joinerDir, "db", "t.ibd")); err != nil || len(data) != 1<<16 {
		t.Errorf("the table did not arrive: %d bytes, %v", len(data), err)
	}
}
