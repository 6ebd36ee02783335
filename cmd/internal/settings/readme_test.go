package settings

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trireme/cmd/internal/mycnf"
	"trireme/wire"
)

// readmeRow is one row of a table of options in README.md, for one of its options.
type readmeRow struct {
	option        string
	groups        []string // those named; server stands for itself
	def           string   // the cell
	last, section string
}

// readmeRows are the rows of the table that follows a heading, by the names of its head.
func readmeRows(t *testing.T, heading string) (rows []readmeRow) {
	t.Helper()
	data, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(data), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("README.md has no %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n#")
	var head []string
	var groups []string
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], " ---") {
			continue
		}
		cells = cells[1 : len(cells)-1]
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if head == nil {
			head = cells
			continue
		}
		of := func(name string) string {
			if i := slices.Index(head, name); i >= 0 {
				return cells[i]
			}
			return ""
		}
		if g := of("group"); !strings.HasPrefix(g, "the same") {
			// What only Percona's server does differently is in the samples.
			var clauses []string
			for clause := range strings.SplitSeq(g, ";") {
				if !strings.Contains(clause, "Percona") {
					clauses = append(clauses, clause)
				}
			}
			groups = regexp.MustCompile(`\[[a-z_]+\]|server`).FindAllString(strings.Join(clauses, " "), -1)
		}
		for _, n := range cell.FindAllStringSubmatch(cells[0], -1) {
			rows = append(rows, readmeRow{option: n[1], groups: groups, def: of("default"), last: cells[len(cells)-1], section: heading})
		}
	}
	if len(rows) == 0 {
		t.Fatalf("README.md has no table below %q", heading)
	}
	return rows
}

const (
	settingsTable = "### Settings"
	optionsTable  = "### Options, one by one"
	sockoptTable  = "### `sockopt`, one by one"
)

// TestReadmeKnowsWhatTheProgramKnows: every option that is looked for anywhere is in the reference, and nothing else; what Settings shows is too.
func TestReadmeKnowsWhatTheProgramKnows(t *testing.T) {
	const everything = "[mysqld]\nplugin-load-add=file_key_management\nlog-bin=x\n[sst]\nuse-extra=1\ncompress=zstd\n"
	known := map[string]bool{}
	for _, in := range []Input{{Datadir: "/d"}, {}, {Role: Donor}, {PXC: true}, {Role: Donor, PXC: true}, {Method: MethodTunnel}, {Method: MethodSecureRsync}} {
		in.Files = readFiles(t, everything, "")
		for name := range resolve(in).asked {
			known[name] = true
		}
	}
	for _, name := range ownNames {
		known[name] = true
	}
	told := map[string]bool{}
	for _, row := range readmeRows(t, optionsTable) {
		told[mycnf.Fold(row.option)] = true
		if !known[mycnf.Fold(row.option)] && !strings.HasPrefix(row.last, byServer) {
			t.Errorf("README.md has %s, and nothing looks for it", row.option)
		}
	}
	for name := range known {
		if !told[name] {
			t.Errorf("%s is looked for, and README.md has no row for it", name)
		}
	}
	for _, row := range readmeRows(t, settingsTable) {
		if !told[mycnf.Fold(row.option)] {
			t.Errorf("%s is under %s and not in the reference", row.option, settingsTable)
		}
	}
	told = map[string]bool{}
	for _, row := range readmeRows(t, sockoptTable) {
		told[row.option] = true
		if sockRules[row.option] == nil {
			t.Errorf("README.md has sockopt=%s, and no rule is for it", row.option)
		}
	}
	affix := regexp.MustCompile(`^(openssl|so|tcp|ip)-|-late$`)
	for name := range sockRules {
		refusedToo := slices.ContainsFunc(slices.Collect(maps.Values(sockRefused)), func(list []string) bool { return slices.Contains(list, name) })
		if !told[name] && !told[affix.ReplaceAllString(affix.ReplaceAllString(name, ""), "")] && !refusedToo { // as anything else is
			t.Errorf("sockopt=%s is taken, and README.md has no row for it", name)
		}
	}
}

// TestReadmeDefaults writes each default of README.md down: that must change nothing.
func TestReadmeDefaults(t *testing.T) {
	// What a cell says of the absence of a value, and what the settings show then.
	absent := map[string][]string{
		"none": {"", "none", "no limit", "auto", "not set", "wsrep-sst-joiner"}, "datadir": nil, "in": {"/d/trireme-status.json"}, "by": nil, "the": nil, "automatic": {"auto"}, "": nil,
	}
	seen := 0
	for _, row := range append(readmeRows(t, settingsTable), readmeRows(t, optionsTable)...) {
		name, group := mycnf.Fold(row.option), ""
		if len(row.groups) > 0 {
			group = strings.Trim(row.groups[0], "[]")
		}
		if group == "server" {
			group = "mysqld"
		}
		for clause := range strings.SplitSeq(row.def, ", ") {
			in := Input{Datadir: "/d"}
			cnf := ""
			if rest, ok := strings.CutPrefix(clause, "Percona "); ok {
				clause, in.PXC, cnf = rest, true, "[mysqld]\npxc-encrypt-cluster-traffic=off\n"
			}
			word, _, _ := strings.Cut(strings.Trim(clause, "`;"), " ")
			word = strings.Trim(word, "`;")
			if name == "pxc-encrypt-cluster-traffic" || name == "sst-log-archive" || name == "wsrep-sst-allowed-methods" {
				continue // needs files that are not there; not ours to know
			}
			shown := func(cnf string) (*Settings, map[string]string) {
				in.Files = readFiles(t, cnf, "")
				s, _, err := Resolve(in)
				if err != nil {
					t.Fatalf("README.md, %s: %s: the default is refused: %v", row.section, row.option, err)
				}
				values := map[string]string{}
				for _, v := range s.Table() {
					values[v.Name] = v.Value
				}
				s.table, s.IdleTimeoutSet, s.ReconnectFrom = nil, false, ""
				return s, values
			}
			s, values := shown(cnf)
			if words, ok := absent[word]; ok {
				if v, ok := values[name]; ok && words != nil && !slices.Contains(words, v) {
					t.Errorf("README.md, %s: the default of %s is %q, in force is %q", row.section, row.option, row.def, v)
				}
				continue
			}
			if name == "streams" {
				// Its own choice is bounded by what the wire takes, which is another value.
				if word != fmt.Sprint(wire.MaxLinks) || s.Streams != 0 {
					t.Errorf("README.md: the default of streams is %q, in force is %d of %d", row.def, s.Streams, wire.MaxLinks)
				}
				continue
			}
			seen++
			written, _ := shown(cnf + "[" + group + "]\n" + name + "=" + word + "\n")
			if name == "transport" {
				written.Transport = strings.TrimPrefix(written.Transport, "tls") // the same at a joiner
			}
			if !reflect.DeepEqual(s, written) {
				t.Errorf("README.md, %s: the default of %s is %q, and writing that down changes\n%+v\nto\n%+v", row.section, row.option, row.def, *s, *written)
			}
		}
	}
	if seen < 30 {
		t.Errorf("%d defaults were compared", seen)
	}
}

// TestReadmeGroups puts every option into every group: it has an effect in those that its row names, and in no other.
func TestReadmeGroups(t *testing.T) {
	groups := map[string][]string{}
	for _, row := range readmeRows(t, optionsTable) {
		groups[row.option] = append(groups[row.option], row.groups...)
	}
	for _, c := range samples {
		if c.want != honoured && c.want != noEffect || c.in.PXC || c.option == "progress" || c.option == "compress" {
			continue // these two have rows and meanings in several groups
		}
		_, line, _ := strings.Cut(c.line, " ")
		for _, g := range []string{"mysqld", "mariadb", "galera", "sst", "xtrabackup", "mariabackup", "mysqld_safe", "client", "trireme"} {
			named := slices.Contains(groups[c.option], "["+g+"]")
			if slices.Contains([]string{"mysqld", "mariadb", "galera"}, g) {
				named = slices.Contains(groups[c.option], "server")
			}
			got, said := verdict(t, "["+g+"]\n"+line+"\n"+c.more, c.in, "")
			if (got == c.want) != named && !(named && got == refused) {
				t.Errorf("%s in [%s]: %s, README.md names %v\n%s", line, g, got, groups[c.option], said)
			}
		}
	}
}
