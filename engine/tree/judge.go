package tree

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// notes collects warnings: one line for each kind, with the first paths and a count.
type notes struct {
	what  []string
	paths map[string][]string
}

// notedPaths is the number of paths that a warning names.
const notedPaths = 3

func (n *notes) add(what, path string) {
	if n.paths == nil {
		n.paths = map[string][]string{}
	}
	if _, ok := n.paths[what]; !ok {
		n.what = append(n.what, what)
	}
	n.paths[what] = append(n.paths[what], path)
}

func (n *notes) lines() []string {
	lines := make([]string, 0, len(n.what))
	for _, w := range n.what {
		p := n.paths[w]
		slices.Sort(p)
		line := w + ": " + strings.Join(p[:min(len(p), notedPaths)], ", ")
		if len(p) > notedPaths {
			line += fmt.Sprintf(" and %d more", len(p)-notedPaths)
		}
		lines = append(lines, line)
	}
	return lines
}

// refuse adds a reason not to send this tree, refuseBoth one that forbids writing into it as well.
func (s *scanner) refuse(path, what, hint string) {
	s.tree.Refusals = append(s.tree.Refusals, Refusal{Path: path, What: what, Hint: hint})
}

func (s *scanner) refuseBoth(path, what, hint string) {
	s.tree.Refusals = append(s.tree.Refusals, Refusal{Path: path, What: what, Hint: hint, Joiner: true})
}

// checkLayout looks at what no single file shows.
func (s *scanner) checkLayout() {
	s.owner()
	d := s.d
	for _, r := range Roles {
		dir := d.configured.Dir(r)
		if dir == "" {
			continue
		}
		if d.roots[r].fd < 0 {
			s.refuseBoth(dir, "the "+r.String()+" directory does not exist", "create it or correct "+r.Option())
			continue
		}
		for _, o := range Roles[:r-1] {
			if d.roots[o].fd >= 0 && d.roots[o].id == d.roots[r].id && !s.rules.shares(r, o) {
				s.refuseBoth(dir, "is the same directory as "+d.configured.Dir(o)+" under another name",
					"write one name for "+r.Option()+" and "+o.Option())
			}
		}
	}
	for _, f := range d.configured.SystemFiles {
		if _, ok := d.configured.systemName(f); !ok {
			s.refuseBoth(f, "the system tablespace file lies outside "+d.configured.Dir(RoleInnoDBHome),
				"set innodb_data_home_dir to a directory above all files of innodb_data_file_path")
		}
	}
}

// judge finds what cannot be copied, and what deserves a word, in an ordinary file or directory.
func (s *scanner) judge(e *Entry, st *stat) {
	abs := func() string { return s.d.Path(e.Role, e.name()) } // seldom needed
	base := path.Base(e.Path)
	switch {
	case e.Class == Unsupported:
		s.refuseBoth(abs(), "holds data of "+unsupportedName(base, e.Dir)+", which changes even while the server is locked",
			"remove the engine's tables or use a method made for it")
		return // it stays where it is on a joiner, so it must not meet new data there
	case e.Class == Foreign && hasControl(e.Path):
		if linkedTable[path.Ext(base)] {
			s.refuse(strconv.Quote(abs()), "the file of a table has control characters in its name", "rename the table or move the file away")
			return
		}
		s.notes.add("files with control characters in their names, not copied", strconv.Quote(abs()))
		return
	case e.Dir:
		s.judgeDir(e, abs)
		return
	case e.Role == RoleData && e.Class == Table && strings.HasSuffix(base, ".isl"):
		s.refuse(abs(), "the table lies outside the datadir (DATA DIRECTORY)",
			"move it back into the datadir: tables with DATA DIRECTORY cannot be transferred")
	case e.Class == Foreign && systemLike.MatchString(base):
		s.notes.add("system tablespace files that innodb_data_file_path does not name, not copied", abs())
	case e.Class == Foreign && (redoName.MatchString(base) || undoName.MatchString(base) || ariaLogName.MatchString(base)):
		s.notes.add("log files outside their configured directory, not copied", abs())
	case e.Class == Temp && strings.HasPrefix(base, "#sql"):
		s.notes.add("temporary tables in the datadir, better set tmpdir to another directory", abs())
	case e.Class == Private && strings.HasPrefix(base, "aws-kms-key"):
		s.notes.add("encryption keys that the joiner needs too and that are not copied", abs())
	case e.Part:
		s.notes.add("unfinished files of an earlier transfer", abs())
	}
	if st.links() > 1 && e.Sent() {
		s.notes.add("files with several hard links, copied as separate files", abs())
	}
}

// judgeDir makes sure that no database is left out silently because of its name.
func (s *scanner) judgeDir(e *Entry, abs func() string) {
	if e.Class != Foreign || e.Role != RoleData || strings.Contains(e.Path, "/") {
		return
	}
	// Every CREATE DATABASE writes this file; a directory that came from elsewhere has none.
	if _, err := s.d.Lstat(RoleData, e.Path+"/db.opt"); err == nil {
		s.refuse(abs(), "the directory is a database whose name is that of a server's own file or is not one that a server writes",
			"move its tables to a database of another name, or move the directory away")
		return
	}
	s.notes.add("directories that cannot be databases, not copied", abs())
}

// linkedTable are the endings for which a symbolic link means that a table's data lie elsewhere.
var linkedTable = set(".MYD", ".MYI", ".MAD", ".MAI", ".ibd", ".ibu", ".frm", ".CSV", ".CSM", ".ARZ", ".par", ".isl", ".MRG")

// special handles what is neither a file nor a directory. Below the databases it is listed as Special, so that a joiner
// clears it away; a donor refuses when a server would miss it and otherwise leaves it out with a warning.
func (s *scanner) special(home Role, rel string, class Class, st *stat, part bool) {
	abs := s.d.Path(home, rel)
	if class.Props().Joiner != Mirror && !part {
		return // sockets, pipes and links that belong to this node
	}
	kind := "is not a regular file"
	if st.isLink() {
		kind = "is a symbolic link"
	}
	switch {
	case class == System:
		s.refuseBoth(abs, "the system tablespace "+kind, "raw devices and links cannot be transferred, set innodb_data_home_dir to where the file is")
	case class.Props().Keystone || class == RedoDir:
		s.refuseBoth(abs, "the "+class.String()+" "+kind, "set "+class.Props().Role.Option()+" to the directory where the file is")
	case linkedTable[path.Ext(rel)]:
		s.refuse(abs, "a file of a table "+kind+", its data lie outside the datadir", "move the table back: DATA DIRECTORY and INDEX DIRECTORY cannot be transferred")
	default:
		s.notes.add("links, devices, pipes and sockets, not copied", abs)
	}
	e := st.entry()
	e.Role, e.Path, e.Class = home, rel, Special
	s.list(&e, -1)
}

// misplaced refuses a role directory in which tables lie: they would be left out silently.
func (s *scanner) misplaced(r Role, rel string) {
	switch ext := path.Ext(rel); {
	case ext == ".frm", ext == ".ibd", ext == ".MAI", ext == ".MYI", path.Base(rel) == "db.opt":
		s.refuseBoth(s.d.Path(r, rel), "lies in the directory set by "+r.Option()+", which cannot be a database at the same time",
			"give "+r.Option()+" a directory of its own")
	}
}
