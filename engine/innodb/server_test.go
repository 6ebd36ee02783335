package innodb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// server makes datadirs with the installed MariaDB and runs statements in them without a network.
type server struct {
	t    *testing.T
	dir  string
	args []string
}

func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	for _, program := range []string{"mariadb-install-db", "mariadbd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: nothing proves these formats against a real server", program)
		}
	}
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data"), args: append(args, "--innodb-log-file-size=8M",
		"--innodb-buffer-pool-size=24M", "--innodb-fast-shutdown=1", "--innodb-flush-method=nosync", "--performance-schema=off", "--loose-user=root")}
	s.run("mariadb-install-db", append([]string{"--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
		"--skip-name-resolve", "--datadir=" + s.dir}, s.args...), "")
	return s
}

func (s *server) run(program string, args []string, input string) string {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out[max(0, len(out)-3000):])
	}
	return string(out)
}

// sql runs one statement per line and returns the server's log.
func (s *server) sql(lines ...string) string {
	s.t.Helper()
	return s.run("mariadbd", append([]string{"--no-defaults", "--bootstrap", "--datadir=" + s.dir}, s.args...), strings.Join(lines, "\n")+"\n")
}

func (s *server) pageSizes(name string) (logical, physical int, full bool) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	logical, physical, full, err = PageSize(b)
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	if len(b)%physical != 0 || PageLSN(b) == 0 {
		s.t.Errorf("%s: %d bytes in pages of %d, LSN of page 0 is %d", name, len(b), physical, PageLSN(b))
	}
	for at := 0; at < len(b); at += physical {
		page := b[at : at+physical]
		packed := binary.BigEndian.Uint16(page[offType:])&typePackedBit != 0 // its checksum lies where its content ends
		if full && PageLSN(page) != 0 && !packed && !Whole(page) {
			s.t.Errorf("%s: page %d of full_crc32 is not whole", name, at/physical)
		}
		page[physical/2] ^= 1
		if Whole(page) {
			s.t.Errorf("%s: page %d is whole with a wrong byte in it", name, at/physical)
		}
	}
	return logical, physical, full
}

// packing looks for what is not worth compressing in tables of every kind.
func (s *server) packing() {
	s.t.Helper()
	keys := filepath.Join(s.t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("1;a7addd9adea9978fda19f21e6be987880e68ac92632ca052e5bb42b1a506939a\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.args = append(s.args, "--plugin-load-add=file_key_management", "--file-key-management-filename="+keys, "--loose-innodb-encryption-threads=0")
	s.sql("use d;",
		"create table p(a int primary key, b text) page_compressed=1;",
		"create table e(a int primary key, b text) encrypted=yes;",
		"create table pe(a int primary key, b text) page_compressed=1 encrypted=yes;",
		"insert into p select seq, repeat('x',100) from seq_1_to_2000;",
		"insert into e select seq, repeat('x',100) from seq_1_to_2000;",
		"insert into pe select seq, repeat('x',100) from seq_1_to_2000;")
	for _, c := range []struct {
		name           string
		packed, opaque bool // the flags, most pages
	}{{"t", false, false}, {"z", true, false}, {"p", true, true}, {"e", false, true}, {"pe", true, true}} {
		b, err := os.ReadFile(filepath.Join(s.dir, "d", c.name+".ibd"))
		if err != nil {
			s.t.Fatal(err)
		}
		if got := Packed(b); got != c.packed {
			s.t.Errorf("table %s: flags say packed %v", c.name, got)
		}
		_, size, _ := s.pageSizes("d/" + c.name + ".ibd")
		used, opaque := 0, 0
		for at := 3 * size; at < len(b); at += size {
			if PageLSN(b[at:]) != 0 {
				used++
				if Opaque(b[at : at+size]) {
					opaque++
				}
			}
		}
		if used == 0 || c.opaque && opaque < used/2 || !c.opaque && opaque != 0 {
			s.t.Errorf("table %s: %d of %d pages look encrypted or compressed", c.name, opaque, used)
		}
	}
}

func (s *server) checkpoint() Checkpoint {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "ib_logfile0"))
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := ReadCheckpoint(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestRealServer(t *testing.T) {
	for _, c := range []struct {
		page int
		args []string
		full bool
	}{
		{4 << 10, []string{"--innodb-checksum-algorithm=crc32"}, false},
		{16 << 10, nil, true},
		{64 << 10, nil, true},
	} {
		t.Run(fmt.Sprintf("page=%dKiB", c.page>>10), func(t *testing.T) {
			s := newServer(t, append(c.args, fmt.Sprintf("--innodb-page-size=%d", c.page))...)
			first := s.checkpoint()
			lines := []string{"create database d;", "use d;", "create table t(a int primary key, b varchar(100));",
				"insert into t select seq, repeat('x',100) from seq_1_to_2000;"}
			if c.page <= 16<<10 { // larger pages cannot be compressed
				lines = append(lines, "create table z(a int primary key, b text) row_format=compressed key_block_size=2;")
			}
			s.sql(lines...)
			second := s.checkpoint()
			if second.Equal(first) || second.LSN <= first.LSN || !strings.HasPrefix(second.Format, "mariadb-") {
				t.Errorf("checkpoint after work %v, before %v", second, first)
			}
			// A server that only starts and stops says itself where the log ended: after a clean shutdown one short record
			// behind the checkpoint.
			log := s.sql("select 1;")
			if m := regexp.MustCompile(`End of log at LSN=(\d+)`).FindStringSubmatch(log); m == nil {
				t.Errorf("the server does not say where the log ended:\n%s", log)
			} else if end, _ := strconv.ParseUint(m[1], 10, 64); end < second.LSN || end > second.LSN+64 {
				t.Errorf("the server found the end of the log at %d, the checkpoint is at %d", end, second.LSN)
			}
			if c.page <= 16<<10 {
				s.packing()
			}
			for _, name := range []string{"ibdata1", "mysql/innodb_table_stats.ibd", "d/t.ibd"} {
				if l, p, full := s.pageSizes(name); l != c.page || p != c.page || full != c.full {
					t.Errorf("%s: pages of %d stored in %d, full_crc32 %v", name, l, p, full)
				}
			}
			if c.page <= 16<<10 {
				if l, p, full := s.pageSizes("d/z.ibd"); l != c.page || p != 2<<10 || full {
					t.Errorf("compressed: pages of %d stored in %d, full_crc32 %v", l, p, full)
				}
			}
		})
	}
}

// TestRealRing follows a real log around its file: wherever the checkpoint lies, the record that names it must be found behind it.
func TestRealRing(t *testing.T) {
	s := newServer(t)
	laps, moves := uint64(0), map[int64]bool{}
	for range 4 {
		s.sql("create database if not exists test;", "use test;", "create or replace table test.t(a int primary key, b varchar(1000)) engine=innodb;",
			"insert into test.t select seq, repeat(char(65 + seq % 26), 1000) from seq_1_to_5000;",
			"update test.t set b = repeat('z', 999);")
		b, err := os.ReadFile(filepath.Join(s.dir, "ib_logfile0"))
		if err != nil {
			t.Fatal(err)
		}
		c := s.checkpoint()
		ring, ok := RingOf(c, int64(len(b)))
		if !ok {
			t.Fatalf("no ring in %v", c)
		}
		laps = (c.LSN - c.First) / uint64(ring.Capacity())
		moves[ring.Offset(c.LSN)>>20] = true
		// FILE_CHECKPOINT: a byte of type, two of a page that does not exist, the LSN.
		record := append([]byte{0xfa, 0, 0}, binary.BigEndian.AppendUint64(nil, c.LSN)...)
		const near = 64 // records of files that were open lie before it
		from := ring.Offset(c.LSN)
		if at := bytes.Index(b[from:min(from+near, int64(len(b)))], record); at < 0 {
			t.Errorf("checkpoint %d of a log from %d: no record of it at offset %d: % x", c.LSN, c.First, from, b[from:from+near])
		}
	}
	if laps < 2 || len(moves) < 2 {
		t.Errorf("the log went around %d times, checkpoints lay in %d places: too little to tell", laps, len(moves))
	}
}

// TestRealEncryptedLog: the head of an encrypted log tells its checkpoint as others do.
func TestRealEncryptedLog(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("1;a7addd9adea9978fda19f21e6be987880e68ac92632ca052e5bb42b1a506939a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "--plugin-load-add=file_key_management", "--file-key-management-filename="+keys, "--innodb-encrypt-log")
	first := s.checkpoint()
	s.sql("create database d;", "use d;", "create table t(a int primary key) engine=innodb;")
	if c := s.checkpoint(); c.Format != "mariadb-10.8-encrypted" || c.LSN <= first.LSN || c.First == 0 {
		t.Errorf("%v, from %d, after %v", c, c.First, first)
	}
}
