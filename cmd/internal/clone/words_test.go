package clone

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trireme/cmd/internal/cli"
)

// TestSpoken: what the packages below may say to somebody who copies by hand is in the words of that. All their texts are tried,
// so that a new one is found here.
func TestSpoken(t *testing.T) {
	word := regexp.MustCompile(`\b(donor|joiner)s?\b|\bSST\b|state request`)
	origin := regexp.MustCompile(`(donor|joiner)%s`) // a place in brackets follows, or nothing
	silent := []string{                              // never said
		"trireme donor proof\x00", "trireme joiner proof\x00", "donor_galera_info", "donor-keyring",
		"SST CA %x", "trireme journal 1\ntransfer %s\ndonor %s\n",
	}
	seen := 0
	for _, room := range []string{"proto", "wire", "engine"} {
		err := filepath.WalkDir(filepath.Join("..", "..", "..", room), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil || !word.MatchString(text) || slices.Contains(silent, text) {
					return true
				}
				seen++
				text = origin.ReplaceAllString(text, "$1 (my.cnf:3)")
				if got := spoken(text); word.MatchString(got) || strings.Contains(got, "set transport=") || strings.Contains(got, "remove transport=") {
					t.Errorf("%s: %q", set.Position(lit.Pos()), got)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 30 {
		t.Errorf("only %d texts were found", seen)
	}
	for from, want := range map[string]string{
		"open /data/donor/joiner.ibd: permission denied":                   "open /data/donor/joiner.ibd: permission denied",
		"scan the donor's datadir: open /d/the/joiner/x":                   "scan the sender's datadir: open /d/the/joiner/x",
		"joiner is db2, trireme 1":                                         "receiver is db2, trireme 1",
		"donor and joiner do not match: x":                                 "sender and receiver do not match: x",
		"x; open it, or set transport=auto or transport=tls on the joiner": "x; open it, or give the receiver --transport auto or --transport tls",
		"x (encrypt=0); set the same on both":                              "x (encrypt=0); give both an option file (--defaults-file) that says the same, or none",
	} {
		if got := spoken(from); got != want {
			t.Errorf("%q became %q, want %q", from, got, want)
		}
	}
	cause := errors.New("no donor has come")
	if err := inOurWords(cause); !errors.Is(err, cause) || err.Error() != "no sender has come" || inOurWords(nil) != nil {
		t.Error(err)
	}
}

// TestMistakesAreNamed: the error names the flag that was typed and what to do with it.
func TestMistakesAreNamed(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	dst := filepath.Join(t.TempDir(), "dst")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		words []string
		code  int
		says  string
	}{
		{[]string{"receive", "--dry-run", "--defaults-file", t.TempDir(), dst}, cli.ExitUsage, "is no regular file; name the option file of this server"},
		{[]string{"receive", "--defaults-file", "/no/such.cnf", dst}, cli.ExitUsage, "flag --defaults-file: stat /no/such.cnf"},
		{[]string{"receive", "--expires", "5", dst}, cli.ExitUsage, `flag --expires "5": expected a time such as 90s, 30m or 2h`},
		{[]string{"receive", "--expires", "999ms", "--listen", "127.0.0.1:0", dst}, cli.ExitUsage, "flag --expires 999ms: a ticket must be good for a second at least"},
		{[]string{"receive", "--listen", busy.Addr().String(), dst}, exitNetwork, "; choose another address or port with --listen"},
		{[]string{"send", src}, cli.ExitUsage, "expected DIR TICKET [TICKET...], and 1 of these words are missing"},
	} {
		code, _, errs := trireme(t.Context(), c.words...)
		if code != c.code || !strings.Contains(errs, c.says) || strings.Contains(errs, "wsrep_") {
			t.Errorf("%q: exit code %d, want %d and %q: %s", c.words, code, c.code, c.says, errs)
		}
	}
}
