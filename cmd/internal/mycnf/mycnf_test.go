package mycnf

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestOriginAndFold(t *testing.T) {
	f, err := Read(Source{DefaultsFile: "testdata/basic.cnf"})
	if err != nil {
		t.Fatal(err)
	}
	v := f.Group("sst")[1]
	if got, want := v.Origin.String(), "testdata/basic.cnf:8 [sst]"; got != want || v.Value != "/etc/ssl/node.pem" {
		t.Errorf("got %s %q, want %s", got, v.Value, want)
	}
	if v := f.Group("mysqld")[1]; !v.Bare || Fold(v.Name) != "skip-name-resolve" || v.Origin.Group != "MySQLd" {
		t.Errorf("bare option: %+v", v)
	}
	for in, want := range map[string]string{"loose_ssl_mode": "ssl-mode", "loose-x": "x", "loosen": "loosen", "A_b": "A-b"} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
	if got := f.Files(); len(got) != 1 || len(f.Warnings()) != 0 {
		t.Errorf("files %q, warnings %q", got, f.Warnings())
	}
}

func TestGroupAndExact(t *testing.T) {
	f, err := Read(Source{DefaultsFile: "testdata/suffix.cnf", GroupSuffix: "1"})
	if err != nil {
		t.Fatal(err)
	}
	text := func(vs []Value) (s string) {
		for _, v := range vs {
			s += v.Text() + " "
		}
		return s
	}
	if got := text(f.Group("mysqld")); got != "--a=1 --a=2 --c=3 " {
		t.Errorf("Group: %q", got)
	}
	if got := text(f.Exact("mysqld1")); got != "--a=2 --c=3 " {
		t.Errorf("Exact: %q", got)
	}
	if got := f.Groups(); !reflect.DeepEqual(got, []string{"mysqld", "mysqld1", "sst", "sst1"}) || f.Suffix() != "1" {
		t.Errorf("Groups: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open.cnf")
	write(t, open, "[sst]\ntca=/x\n")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop.cnf")
	write(t, loop, "[sst]\nx=1\n!include "+loop+"\n")
	for _, tt := range []struct {
		file   string
		values int
		want   []string
	}{
		{open, 0, []string{"writable by everybody"}},
		{loop, 11, []string{"more than 10 levels"}},
		{"testdata/long.cnf", 5, []string{"long.cnf:2: line longer than 4094"}},
		{"testdata/include.cnf", 16, []string{"missing.cnf", "levels", "unknown directive", "nogroup.cnf:1: option before", "without a newline", "one.cn:"}},
	} {
		f, err := Read(Source{DefaultsFile: tt.file})
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(f.Warnings(), "\n")
		for _, w := range tt.want {
			if !strings.Contains(all, w) {
				t.Errorf("%s: no warning with %q in:\n%s", tt.file, w, all)
			}
		}
		if n := len(f.Group("sst")); n != tt.values {
			t.Errorf("%s: %d values, want %d", tt.file, n, tt.values)
		}
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	for file, want := range map[string]string{
		"err_nogroup.cnf":    "err_nogroup.cnf:1: option before the first group",
		"err_group.cnf":      "err_group.cnf:3: group heading without",
		"err_includedir.cnf": "err_includedir.cnf:3: !includedir: open testdata/inc/none",
		"err_include.cnf":    "err_include.cnf:3: !include names no file",
	} {
		f, err := Read(Source{DefaultsFile: filepath.Join("testdata", file)})
		if f != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", file, err, want)
		}
	}
	big := filepath.Join(t.TempDir(), "big.cnf")
	write(t, big, "")
	if err := os.Truncate(big, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(Source{DefaultsFile: big}); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("big file: %v", err)
	}
}

// TestIncludeBomb proves that a directory including itself ten levels deep ends early.
func TestIncludeBomb(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.cnf", i)), "[sst]\nx=1\n!includedir "+dir+"\n")
	}
	_, err := Read(Source{DefaultsFile: filepath.Join(dir, "0.cnf")})
	if err == nil || !strings.Contains(err.Error(), "includes itself") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.cnf")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// At the depth limit directives are refused, so no file of this machine is read.
		run := func() (*File, error) {
			r := &reader{out: &File{}}
			return r.out, r.parse("fuzz.cnf", data, maxInclude)
		}
		a, errA := run()
		b, errB := run()
		if !reflect.DeepEqual(a, b) || fmt.Sprint(errA) != fmt.Sprint(errB) {
			t.Fatalf("two runs differ: %v %v, %v %v", a, errA, b, errB)
		}
		for _, v := range a.values {
			if strings.ContainsAny(v.Name, "\n\x00=") || strings.ContainsRune(v.Value, 0) || (v.Bare && v.Value != "") {
				t.Fatalf("impossible value %+v", v)
			}
			if len(v.Name)+len(v.Value) > lineLimit || v.Origin.Line < 1 {
				t.Fatalf("value larger than a line: %+v", v.Origin)
			}
		}
	})
}

// TestSecretsStayInTheFile: a line that is wrong may hold a password, and messages go to the error log.
func TestSecretsStayInTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "my.cnf")
	for _, text := range []string{
		"wsrep_sst_auth=u:geheim\n",
		"[mysqld wsrep_sst_auth=u:geheim\n",
		"[sst]\n!wsrep_sst_auth=u:geheim\n",
		"[sst]\n!include " + filepath.Join(dir, "part.cnf") + "\n",
	} {
		write(t, file, text)
		write(t, filepath.Join(dir, "part.cnf"), "encrypt-key = geheim\n")
		f, err := Read(Source{DefaultsFile: file})
		said := fmt.Sprint(err)
		if f != nil {
			said += strings.Join(f.Warnings(), "\n")
		}
		if strings.Contains(said, "geheim") || !strings.Contains(said, "my.cnf:") && !strings.Contains(said, "part.cnf:") {
			t.Errorf("%q: %s", text, said)
		}
	}
}
