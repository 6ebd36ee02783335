package tree

import (
	"path"
	"strings"
)

// rules is a Layout prepared for many questions: the directories compared once, the names put into maps.
type rules struct {
	l *Layout
	// paths are the configured directories, for Layout.Keep.
	paths [RoleBinlog + 1]string
	// at[r] has a bit for every role whose directory is that of r; home[r] is the smallest of them.
	at   [RoleBinlog + 1]uint8
	home [RoleBinlog + 1]Role
	// system and systemDirs hold the system tablespace files and the directories in their names.
	system, systemDirs map[string]bool
	// nested maps directories below the datadir that are, or lead to, the directory of another role.
	nested map[string]bool
	// own holds those of Layout.Own that lie in a directory below the datadir, by their paths from there.
	own map[string]bool
	// indexed holds the binary logs that the index on disk names; Scan fills it.
	indexed map[string]bool

	// alone says that one goroutine uses these rules. Then they remember what the directory of the last file was: files come by
	// the thousand out of one.
	alone     bool
	lastDir   Role
	lastName  string
	lastClass Class // 0: nothing is remembered
}

// Classifier answers as Dirs.Classify does, faster for files that come by the thousand out of one directory. It is used by one goroutine
// at a time, and knows the directories that were there when it was made.
type Classifier struct{ rules rules }

// Classifier makes one.
func (d *Dirs) Classifier() *Classifier {
	c := &Classifier{*d.rules}
	c.rules.alone = true
	return c
}

// Classify is Dirs.Classify.
func (c *Classifier) Classify(dir Role, rel string, isDir bool) (Role, Class) {
	return c.rules.classify(dir, rel, isDir)
}

func bit(r Role) uint8 { return 1 << r }

// newRules compares directories as resolved, after symbolic links, and remembers them as configured, for messages and
// patterns. Callers without a resolved layout pass the same one twice.
func newRules(configured, resolved *Layout) *rules {
	c := &rules{l: resolved, system: map[string]bool{}, systemDirs: map[string]bool{}, nested: map[string]bool{}, own: map[string]bool{}}
	var dirs [RoleBinlog + 1]string
	for _, r := range Roles {
		dirs[r], c.paths[r] = resolved.Dir(r), configured.Dir(r)
	}
	for _, r := range Roles {
		for _, o := range Roles {
			if dirs[r] != "" && dirs[r] == dirs[o] {
				c.at[r] |= bit(o)
				if c.home[r] == 0 {
					c.home[r] = o
				}
			}
		}
		c.nest(dirs[RoleData], dirs[r])
		c.nest(c.paths[RoleData], c.paths[r])
	}
	for _, name := range configured.Own {
		for _, data := range []string{c.paths[RoleData], dirs[RoleData]} {
			if rel, ok := below(data, path.Clean(name)); ok && strings.Contains(rel, "/") {
				c.own[rel] = true
			}
		}
	}
	for _, l := range []*Layout{configured, resolved} {
		for _, name := range l.systemNames() {
			c.system[name] = true
			for d := path.Dir(name); d != "."; d = path.Dir(d) {
				c.systemDirs[d] = true
			}
		}
	}
	return c
}

func (c *rules) nest(data, dir string) {
	rel, ok := below(data, dir)
	for ; ok && rel != "."; rel = path.Dir(rel) {
		c.nested[rel] = true
	}
}

func (c *rules) shares(dir, role Role) bool { return c.at[dir]&bit(role) != 0 }

// Classify returns the home role and the class of the file or directory rel in the directory of role dir. Several roles
// may share one directory: the home role then says whose file it is, and a peer that names another role for it is
// wrong. A file whose class has a home elsewhere is Foreign, so a redo log that lies in the datadir of a server with a
// separate log directory is neither sent nor removed. Paths that ValidPath refuses are Foreign, and so are names with
// control characters: no server makes them, and they have no place in a peer's list. Bytes that are not UTF-8 are none
// of that; tables of old servers may have them in their names.
//
// It is a pure function of the layout and the name, safe for concurrent use. Dirs.Classify gives the same answers
// faster and sees through symbolic links between the configured directories.
func (l *Layout) Classify(dir Role, rel string, isDir bool) (Role, Class) {
	return newRules(l, l).classify(dir, rel, isDir)
}

func (c *rules) classify(dir Role, rel string, isDir bool) (Role, Class) {
	if ValidPath(rel) != nil {
		return dir, Foreign
	}
	return c.classifyValid(dir, rel, isDir)
}

// classifyValid is classify for a path that ValidPath has nothing against.
func (c *rules) classifyValid(dir Role, rel string, isDir bool) (Role, Class) {
	if !dir.Valid() || c.at[dir] == 0 || hasControl(rel) {
		return dir, Foreign
	}
	role, class := c.byName(dir, rel, isDir)
	if len(c.l.Keep) > 0 && keepable(class) && c.kept(role, rel) {
		class = Kept
	}
	return role, class
}

// keepable limits Layout.Keep to what a server can live with: see there.
func keepable(class Class) bool {
	switch class {
	case Database, Directory, Table, Tablespace, AriaData, MyISAMData, MyISAMMapped, LogTable, Debris, Special:
		return true
	}
	return false
}

// kept matches the path and every directory above it, so that keeping a directory keeps what lies in it.
func (c *rules) kept(role Role, rel string) bool {
	for ; rel != "."; rel = path.Dir(rel) {
		abs := path.Join(c.paths[role], rel)
		for _, re := range c.l.Keep {
			if re.MatchString(abs) {
				return true
			}
		}
	}
	return false
}

func (c *rules) byName(dir Role, rel string, isDir bool) (Role, Class) {
	home := c.home[dir]
	if c.shares(dir, RoleInnoDBHome) {
		if c.system[rel] {
			if isDir {
				return RoleInnoDBHome, Marker // put there so that no server can start
			}
			return RoleInnoDBHome, System
		}
		// The datadir lists the same directory under its own role; the system tablespace needs it under this one, or
		// a joiner with another layout would have no place to put the file.
		if isDir && c.systemDirs[rel] && (dir == RoleInnoDBHome || home != RoleData) {
			return RoleInnoDBHome, Directory
		}
	}
	first, rest, deep := strings.Cut(rel, "/")
	if c.shares(dir, RoleRedo) && first == "#innodb_redo" {
		return RoleRedo, redoDirClass(rest, deep, isDir)
	}
	if !deep {
		return c.top(dir, rel, isDir)
	}
	if home != RoleData {
		return home, Foreign
	}
	if c.nested[rel] {
		return RoleData, RootDir
	}
	switch parent := c.topParent(dir, first); parent {
	case Database:
		return RoleData, c.inDatabase(rel, first, rest, isDir)
	default:
		return RoleData, parent
	}
}

// topParent is the class of a directory at the top.
func (c *rules) topParent(dir Role, name string) Class {
	if c.alone && c.lastClass != 0 && c.lastDir == dir && c.lastName == name {
		return c.lastClass
	}
	_, class := c.top(dir, name, true)
	if c.alone {
		c.lastDir, c.lastName, c.lastClass = dir, name, class
	}
	return class
}

func redoDirClass(rest string, deep, isDir bool) Class {
	switch {
	case !deep && isDir:
		return RedoDir
	case !deep:
		return Foreign
	case !isDir && redoDirName.MatchString(rest):
		return Redo
	}
	// Spare logs (#ib_redoN_tmp) and anything else in the server's own directory: it makes new ones.
	return Stale
}

// top classifies a name directly in the directory of role dir.
func (c *rules) top(dir Role, name string, isDir bool) (Role, Class) {
	home := c.home[dir]
	if !isDir {
		if role, class := c.logs(dir, name); class != 0 {
			return role, class
		}
		innodb := c.shares(dir, RoleData) || c.shares(dir, RoleInnoDBHome)
		switch {
		case dblwrName.MatchString(name) && innodb:
			return home, Doublewrite
		case strings.HasSuffix(name, ".ibu") && (innodb || c.shares(dir, RoleUndo)):
			return home, UndoSpace
		}
	}
	if home != RoleData {
		if class := Stale; !isDir && c.isPart(dir, name) {
			return home, class
		}
		return home, Foreign
	}
	if unsupportedName(name, isDir) != "" {
		return RoleData, Unsupported
	}
	if isDir {
		return RoleData, c.topDir(name)
	}
	return RoleData, c.topFile(name)
}

// logs classifies the files that have a role of their own; class 0 means that name is none of them here.
func (c *rules) logs(dir Role, name string) (Role, Class) {
	switch {
	case c.shares(dir, RoleUndo) && undoName.MatchString(name):
		return RoleUndo, Undo
	case c.shares(dir, RoleRedo) && name == redoResizeName:
		return RoleRedo, Stale
	case c.shares(dir, RoleRedo) && redoName.MatchString(name):
		return RoleRedo, Redo
	case c.shares(dir, RoleRedo) && truncateName.MatchString(name):
		return RoleRedo, TruncateLog
	case c.shares(dir, RoleAria) && name == "aria_log_control":
		return RoleAria, AriaControl
	case c.shares(dir, RoleAria) && ariaLogName.MatchString(name):
		return RoleAria, AriaLog
	case c.shares(dir, RoleBinlog):
		if class := c.binlogClass(name, dir == RoleBinlog); class != 0 {
			return RoleBinlog, class
		}
	}
	return 0, 0
}

func (c *rules) topDir(name string) Class {
	switch {
	case c.nested[name]:
		return RootDir
	case name[0] == '.' || hostDirs[name]:
		return Private
	case name == "#innodb_temp":
		return Temp
	case name[0] == '#':
		return Foreign // a database's directory never starts so: the server writes @0023 for a number sign
	case c.systemDirs[name] && c.shares(RoleData, RoleInnoDBHome):
		return Database // innodb_data_file_path names it, whatever it is called
	case reservedDir(name) || c.l.isRelay(name):
		return Foreign
	}
	return Database
}

// reservedDir tells names that no directory of a database may have. The server writes @002e for a full stop, and all
// but a few of the files that a node keeps for itself have one in their names.
func reservedDir(name string) bool { return strings.Contains(name, ".") || reservedDirs[name] }

func (c *rules) topFile(name string) Class {
	switch {
	case name == MarkerName || name == JournalName:
		return Marker
	case name == "mysql.ibd":
		return Dictionary
	case name == identityName && c.l.Identity:
		return Table
	case staleNames[name] || stalePattern.MatchString(name) || strings.HasSuffix(name, PartSuffix):
		return Stale
	case strings.HasPrefix(name, "ibtmp") || strings.HasPrefix(name, "#sql"):
		return Temp
	case strings.HasSuffix(name, ".ibd") && name[0] != '.':
		return Tablespace // before the patterns below: a general tablespace may be called "x.log.ibd"
	case name[0] == '.' || privateNames[name] || c.l.isRelay(name) || privatePattern.MatchString(name):
		return Private
	}
	return Foreign
}

// isPart reports whether name is the unfinished form of a keystone that belongs here.
func (c *rules) isPart(dir Role, name string) bool {
	real, ok := strings.CutSuffix(name, PartSuffix)
	if !ok || ValidPath(real) != nil {
		return false
	}
	_, class := c.byName(dir, real, false)
	return class.Props().Keystone
}

// inDatabase classifies rel, which is rest inside the directory of a database.
func (c *rules) inDatabase(rel, db, rest string, isDir bool) Class {
	parents, base := path.Split(rest)
	switch {
	case strings.HasPrefix(parents, ".") || strings.Contains(parents, "/."), isDir && base[0] == '.':
		return Private
	case isDir:
		return Directory
	case strings.HasSuffix(base, PartSuffix):
		return Stale
	case len(c.own) > 0 && c.own[rel]:
		return Private
	case strings.HasPrefix(base, ".nfs"), strings.HasPrefix(base, ".fuse_hidden"), c.l.isRelayLog(base), providerName(base):
		return Private // a directory that logs or the provider's files have been given looks like a database
	case isKey(path.Ext(base)):
		return Private // a directory of certificates below the datadir looks like a database
	case strings.HasPrefix(base, "#sql-temptable"), strings.HasPrefix(base, "#sql_"):
		return Temp
	case strings.HasPrefix(base, "#sql"):
		return Debris
	case unsupportedName(base, false) != "":
		return Unsupported
	case db == "mysql" && (strings.HasPrefix(base, "general_log.") || strings.HasPrefix(base, "slow_log.")):
		return LogTable
	}
	switch path.Ext(base) {
	case ".ibd":
		return Tablespace
	case ".ibu":
		return UndoSpace
	case ".MAI", ".MAD":
		return AriaData
	case ".MYD":
		if c.l.MyISAMMmap {
			return MyISAMMapped
		}
		return MyISAMData
	case ".MYI":
		return MyISAMData
	}
	return Table
}
