package settings

import (
	"strings"

	"trireme/cmd/internal/mycnf"
)

// server stands for all groups the server itself reads, as --mysqld does for the scripts. They are one query in
// file order, and the server's own command line comes after them, so it is looked at first.
const server = "--mysqld"

// Group lists of the scripts (sst-options 1.1). That [mysqld] beats [sst] in the longer ones is the
// scripts' choice, and files in use rely on it.
var (
	sstGroup     = []string{"sst"}
	encGroups    = []string{server, "sst", "xtrabackup", "mariabackup"}
	backupGroups = []string{"sst", "xtrabackup", "mariabackup"}
	serverGroup  = []string{server}
)

// lookup finds an option as the scripts do: in each group the last value counts, and the first group with a
// value that is not empty ends the search. The zero Setting means not found.
func (r *resolver) lookup(name string, groups []string) Setting {
	r.asked[name] = true
	for _, g := range groups {
		if g == server {
			if at := lastArg(r.args, name); at.IsSet() {
				return at
			}
		}
		for _, values := range r.values(g) {
			if at := last(values, name); at.IsSet() {
				return at
			}
		}
	}
	return Setting{}
}

// values returns the content of one group of a script's list. The Percona scripts look at the group with
// the suffix first and know no server group but mysqld (sst-options 1.2).
func (r *resolver) values(group string) [][]mycnf.Value {
	f := r.in.Files
	if r.in.PXC {
		if group == server {
			group = "mysqld"
		}
		if f.Suffix() != "" {
			return [][]mycnf.Value{f.Exact(group + f.Suffix()), f.Exact(group)}
		}
		return [][]mycnf.Value{f.Exact(group)}
	}
	if group == server {
		return [][]mycnf.Value{f.Group(mycnf.ServerGroups(r.in.ServerVersion)...)}
	}
	return [][]mycnf.Value{f.Group(group)}
}

// last takes the last value of a name. An empty one counts as absent.
func last(values []mycnf.Value, name string) Setting {
	for i := len(values) - 1; i >= 0; i-- {
		v := values[i]
		if mycnf.Fold(v.Name) != name {
			continue
		}
		if text := strings.TrimSpace(v.Value); text != "" {
			return Setting{Name: name, Value: text, Origin: v.Origin.String()}
		}
		return Setting{}
	}
	return Setting{}
}

// present reports whether a group names an option at all, with or without a value.
func (r *resolver) present(name string, groups []string) (at Setting) {
	r.asked[name] = true
	for _, g := range groups {
		for _, values := range r.values(g) {
			for _, v := range values {
				if mycnf.Fold(v.Name) == name {
					at = Setting{Name: name, Value: v.Value, Origin: v.Origin.String()}
				}
			}
		}
		if at.IsSet() {
			return at
		}
	}
	return Setting{}
}

// switched looks up a server option that may be given without a value or through the prefixes
// skip-, disable- and enable-. An option without a value counts as bare; a negated one as the value 0.
func (r *resolver) switched(name string) (at Setting, bare bool) {
	r.asked[name] = true
	see := func(as, value, origin string, isBare bool) {
		switch strings.TrimPrefix(as, "loose-") {
		case name, "enable-" + name:
			at, bare = Setting{Name: name, Value: strings.TrimSpace(value), Origin: origin}, isBare
		case "skip-" + name, "disable-" + name:
			at, bare = Setting{Name: name, Value: "0", Origin: origin}, false
		}
	}
	for _, values := range r.values(server) {
		for _, v := range values {
			see(mycnf.Fold(v.Name), v.Value, v.Origin.String(), v.Bare)
		}
		if at.IsSet() {
			break
		}
	}
	for _, a := range r.args {
		see(a.name, a.value, OriginMysqldArgs, a.bare)
	}
	return at, bare
}

// serverOption is the order for options of the server whose value other places may carry too: an argument given to
// us, the server's command line, the environment the server set, the option files (contract 3.1, 5).
func (r *resolver) serverOption(name, env string) Setting {
	if v := strings.TrimSpace(r.in.Arguments[name]); v != "" {
		return Setting{Name: name, Value: v, Origin: OriginArgument}
	}
	if at := lastArg(r.args, name); at.IsSet() {
		return at
	}
	if env != "" {
		if v := strings.TrimSpace(r.in.Env(env)); v != "" {
			return Setting{Name: name, Value: v, Origin: OriginEnv}
		}
	}
	return r.lookup(name, serverGroup)
}

// versionGroups warns about groups for a server version when that version is not known: their values
// may be in force in the server and are not seen here.
func (r *resolver) versionGroups() {
	if r.in.ServerVersion != "" || r.in.PXC {
		return
	}
	for _, g := range r.in.Files.Groups() {
		name, version, ok := strings.Cut(g, "-")
		if ok && (name == "mysqld" || name == "mariadb" || name == "mariadbd") && version != "" && version[0] >= '0' && version[0] <= '9' {
			r.warnings = append(r.warnings, "group ["+g+"] is not read: the version of the server is not known; move what the transfer needs to [mysqld]")
		}
	}
}
