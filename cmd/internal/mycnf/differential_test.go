package mycnf

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// oracle runs the real reader. fatal says that it refused the files.
func oracle(t *testing.T, env []string, args ...string) (out string, fatal bool) {
	t.Helper()
	bin, err := exec.LookPath("my_print_defaults")
	if err != nil {
		t.Skip("my_print_defaults is not installed (Debian package mariadb-server-core or mariadb-client)")
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return stderr.String(), true
	}
	return stdout.String(), false
}

// ours prints the same groups the same way.
func ours(s Source, groups ...string) (out string, err error) {
	f, err := Read(s)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, v := range f.Group(groups...) {
		b.WriteString(v.Text())
		b.WriteByte('\n')
	}
	return b.String(), nil
}

func compare(t *testing.T, s Source, groups []string, env []string, args ...string) {
	t.Helper()
	want, fatal := oracle(t, env, append(args, groups...)...)
	got, err := ours(s, groups...)
	switch {
	case fatal && err == nil:
		t.Errorf("my_print_defaults refuses the files (%s), we read %q", strings.TrimSpace(want), got)
	case !fatal && err != nil:
		t.Errorf("my_print_defaults reads %q, we refuse: %v", want, err)
	case !fatal && got != want:
		t.Errorf("groups %q:\nmy_print_defaults %q\nours              %q", groups, want, got)
	}
}

func TestCorpusAgainstMyPrintDefaults(t *testing.T) {
	names, err := filepath.Glob("testdata/*.cnf")
	if err != nil || len(names) < 10 {
		t.Fatalf("corpus is missing: %v %v", names, err)
	}
	for _, name := range names {
		for _, groups := range [][]string{{"sst"}, {"mysqld"}, {"mysqld", "sst"}, {"SST"}, {""}, {"a"}} {
			for _, suffix := range []string{"", "1"} {
				t.Run(fmt.Sprintf("file=%s,groups=%s,suffix=%s", filepath.Base(name), strings.Join(groups, "+"), suffix), func(t *testing.T) {
					args := []string{"--defaults-file=" + name}
					if suffix != "" {
						args = append(args, "--defaults-group-suffix="+suffix)
					}
					compare(t, Source{DefaultsFile: name, GroupSuffix: suffix}, groups, nil, args...)
				})
			}
		}
	}
}

// TestGeneratedAgainstMyPrintDefaults glues random pieces together. A name never starts with the equals
// sign: there the real reader walks off the front of its buffer.
func TestGeneratedAgainstMyPrintDefaults(t *testing.T) {
	const files = 300
	seed := uint64(20240511)
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	for i := range files {
		name := filepath.Join(dir, fmt.Sprintf("g%d.cnf", i))
		text := generate(rng)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		compare(t, Source{DefaultsFile: name}, []string{"sst", "mysqld"}, nil, "--defaults-file="+name)
		if t.Failed() {
			t.Fatalf("file %d:\n%s", i, text)
		}
	}
}

func generate(rng *rand.Rand) string {
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	var b strings.Builder
	b.WriteString(pick("[sst]\n", "[mysqld]\n", "[other]\n", "# head\n[SST] x\n"))
	for range rng.IntN(25) {
		switch rng.IntN(8) {
		case 0:
			b.WriteString(pick("[sst]", "[mysqld] # c", "[other]", "[Sst ]", "[ sst]", "[sst]]", "[sst][mysqld]"))
		case 1:
			b.WriteString(pick("", " ", "\t#x", ";x=1", "  ; [sst]", "#"))
		default:
			b.WriteString(pick("", " ", "\t "))
			b.WriteString(pick("tca", "loose_x", "ssl-mode", "a b", `q"`, "w'", "\xc3\xa4"))
			b.WriteString(pick("", "=", " = ", "=\t", " \t=  "))
			for range rng.IntN(6) {
				b.WriteString(pick("x", " ", "#", `"`, "'", `\`, `\n`, `\s`, `\\`, "=", ";", "\xa0", "\xc3", "y z", `\"`, "\t", `\b`, "]", "!"))
			}
		}
		b.WriteString(pick("\n", "\n", "\n", "\r\n", " \n"))
	}
	text := b.String()
	if rng.IntN(4) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	return text
}

func TestLocationsAgainstMyPrintDefaults(t *testing.T) {
	home, mysql, maria := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(home, ".my.cnf"), "[trireme_t]\nfrom=home\n!include ~/more.cnf\n")
	write(t, filepath.Join(home, "more.cnf"), "[trireme_t]\nfrom=more\n")
	write(t, filepath.Join(mysql, "my.cnf"), "[trireme_t]\nfrom=mysql\n[trireme_t1]\nfrom=suffix\n")
	write(t, filepath.Join(maria, "my.cnf"), "[trireme_t]\nfrom=maria\n")
	extra := filepath.Join(maria, "extra.cnf")
	write(t, extra, "[trireme_t]\nfrom=extra\n")
	groups := []string{"trireme_t"}
	for _, tt := range []struct {
		name string
		src  Source
		env  []string
		args []string
	}{
		{"home", Source{Home: home}, []string{"HOME=" + home}, nil},
		{"mysql home", Source{Home: home, MySQLHome: mysql}, []string{"HOME=" + home, "MYSQL_HOME=" + mysql}, nil},
		{"mariadb home wins", Source{Home: home, MySQLHome: maria}, []string{"HOME=" + home, "MYSQL_HOME=" + mysql, "MARIADB_HOME=" + maria}, nil},
		{"duplicate", Source{Home: home, MySQLHome: "/etc"}, []string{"HOME=" + home, "MYSQL_HOME=/etc"}, nil},
		{"extra", Source{Home: home, MySQLHome: mysql, ExtraFile: extra}, []string{"HOME=" + home, "MYSQL_HOME=" + mysql}, []string{"--defaults-extra-file=" + extra}},
		{"suffix", Source{MySQLHome: mysql, GroupSuffix: "1"}, []string{"MYSQL_HOME=" + mysql}, []string{"--defaults-group-suffix=1"}},
		{"file only", Source{Home: home, MySQLHome: mysql, DefaultsFile: extra, ExtraFile: "/nonexistent"}, []string{"HOME=" + home, "MYSQL_HOME=" + mysql}, []string{"--defaults-file=" + extra, "--defaults-extra-file=/nonexistent"}},
		{"missing file", Source{DefaultsFile: "/nonexistent"}, nil, []string{"--defaults-file=/nonexistent"}},
		{"missing extra", Source{ExtraFile: "/nonexistent"}, nil, []string{"--defaults-extra-file=/nonexistent"}},
		{"no defaults", Source{NoDefaults: true, Home: home}, []string{"HOME=" + home}, []string{"--no-defaults"}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.src, groups, tt.env, tt.args...) })
	}
}

func TestServerGroupsAgainstMyPrintDefaults(t *testing.T) {
	version, _ := oracle(t, nil, "--help")
	if !strings.Contains(version, "mariadbd") {
		t.Skip("my_print_defaults is not MariaDB's: it has no --mariadbd")
	}
	name := filepath.Join(t.TempDir(), "g.cnf")
	var text strings.Builder
	for _, g := range append(ServerGroups("10.11"), "mysql", "sst", "mysqld_safe", "mariadb-server", "mysqld-9.9") {
		fmt.Fprintf(&text, "[%s]\nfrom=%s\n", g, g)
	}
	write(t, name, text.String())
	want, _ := oracle(t, nil, "--defaults-file="+name, "--mysqld")
	if !strings.Contains(want, "mysqld-10.11") {
		t.Skip("my_print_defaults is not of version 10.11")
	}
	got, err := ours(Source{DefaultsFile: name}, ServerGroups("10.11")...)
	if err != nil || got != want {
		t.Errorf("got %q, %v; my_print_defaults --mysqld prints %q", got, err, want)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
