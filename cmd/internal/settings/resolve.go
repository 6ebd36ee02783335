package settings

import (
	"errors"
	"slices"

	"trireme/cmd/internal/mycnf"
)

// resolver carries the state of one Resolve.
type resolver struct {
	in       Input
	s        *Settings
	args     []argument
	trust    sockTrust
	problems []error
	warnings []string
	// promises are those of the warnings that say how the transfer will be protected, and hold only if there is one.
	promises []string
	asked    map[string]bool // every name that was looked up
}

// Resolve looks everything up and checks it. It returns the settings, warnings of one line each (also
// beside an error), and an error joining one *Problem for every rejected value. On error the settings are nil.
// It reads directory entries but no file content, and does not block otherwise.
func Resolve(in Input) (*Settings, []string, error) {
	r := resolve(in)
	if len(r.problems) > 0 {
		// What would have come of the channel is not true any more.
		said := slices.DeleteFunc(r.warnings, func(w string) bool { return slices.Contains(r.promises, w) })
		return nil, said, errors.Join(r.problems...)
	}
	return r.s, r.warnings, nil
}

// resolve is Resolve up to its judgement.
func resolve(in Input) *resolver {
	if in.Method == 0 {
		in.Method = MethodTrireme
	}
	if in.Role == 0 {
		in.Role = Joiner
	}
	if in.Env == nil {
		in.Env = func(string) string { return "" }
	}
	if in.Files == nil {
		// An empty source without defaults cannot fail: it reads nothing.
		in.Files, _ = mycnf.Read(mycnf.Source{NoDefaults: true})
	}
	r := &resolver{in: in, s: &Settings{Method: in.Method, Role: in.Role}, asked: map[string]bool{}, args: parseArgs(in.MysqldArgs)}
	r.warnings = append(r.warnings, in.Files.Warnings()...)
	if in.defaultsErr != nil {
		r.warnings = append(r.warnings, "the default option files, which the script of this method read, are left out: "+in.defaultsErr.Error())
	}
	r.versionGroups()
	r.directories()
	r.binlogs()
	r.server()
	r.provider()
	r.encryption()
	r.ownFiles()
	r.sockopt()
	r.auth()
	r.tls()
	r.own()
	r.transfer()
	r.timeouts()
	r.ignored()
	r.misspelt()
	return r
}

// show adds a row to the table. An unset value is shown with the given default.
func (r *resolver) show(name string, at Setting, value string) {
	origin := at.Origin
	if !at.IsSet() {
		origin = OriginDefault
	}
	r.s.table = append(r.s.table, Setting{Name: name, Value: value, Origin: origin})
}
