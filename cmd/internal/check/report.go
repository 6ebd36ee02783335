package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/settings"
	"trireme/wire/identity"
)

// Levels of a finding.
const (
	levelOK   = "ok"
	levelInfo = "info" // worth knowing, nothing to do
	levelWarn = "warn" // a transfer runs, but look at it
	levelBad  = "bad"  // a transfer fails, or is not what the option file asks for
)

// finding is one line of the report.
type finding struct {
	Level string   `json:"level"`
	Area  string   `json:"area"`
	Roles []string `json:"roles,omitempty"` // empty: whatever the node does
	Text  string   `json:"text"`
	Do    string   `json:"do,omitempty"`
}

// side is the node in one role.
type side struct {
	Role        string       `json:"role"`
	Channel     string       `json:"channel,omitempty"` // as the error log of a transfer would say; empty when there would be none
	Settings    []setting    `json:"settings,omitempty"`
	Certificate *certificate `json:"certificate,omitempty"`
}

type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// report is everything that was found.
type report struct {
	Method      string    `json:"method"`
	OptionFiles []string  `json:"option_files"`
	ServerUser  string    `json:"server_user,omitempty"`
	Address     string    `json:"address,omitempty"`
	Sides       []side    `json:"sides"`
	Findings    []finding `json:"findings"`
}

func (r *report) bad() (n int) {
	for _, f := range r.Findings {
		if f.Level == levelBad {
			n++
		}
	}
	return n
}

// add appends a finding. What both roles share is one finding.
func (r *report) add(level, area string, role settings.Role, text, do string) {
	var roles []string
	if role != 0 {
		roles = []string{role.String()}
	}
	for i, f := range r.Findings {
		if f.Level == level && f.Area == area && f.Text == text && f.Do == do {
			if role != 0 && !slices.Contains(f.Roles, role.String()) {
				r.Findings[i].Roles = append(f.Roles, role.String())
			}
			return
		}
	}
	r.Findings = append(r.Findings, finding{level, area, roles, text, do})
}

// examination is one run.
type examination struct {
	question
	*report
	user   *account // nil: could not be found out
	option func(name string) settings.Setting
}

// examine answers a question. Whatever goes wrong on the way is part of the answer.
func examine(ctx context.Context, q question) *report {
	x := &examination{question: q, report: &report{Method: q.method, OptionFiles: []string{}}}
	if q.err != nil {
		if x.Method == "" {
			x.Method = settings.MethodTrireme.String()
		}
		x.add(levelBad, "option files", 0, q.err.Error(), "correct the file, or name another one with --defaults-file")
		return x.report
	}
	x.option = func(name string) settings.Setting { return settings.ServerOption(q.in, name) }
	x.OptionFiles = append(x.OptionFiles, q.in.Files.Files()...)
	if len(x.OptionFiles) == 0 {
		x.add(levelWarn, "option files", 0, "no option file was found", "name the server's with --defaults-file")
	}
	if x.in.Datadir == "" && !x.option("datadir").IsSet() {
		x.in.Datadir = customaryDatadir
		x.add(levelInfo, "directories", 0, "no datadir is set, so the customary "+customaryDatadir+" is looked at", "name the server's with --datadir")
	}
	x.program()
	x.allowed()
	for i, role := range q.roles {
		x.role(ctx, role, i == 0)
	}
	x.accessControl()
	return x.report
}

// role looks at the node in one role. What does not depend on it is looked at the first time.
func (x *examination) role(ctx context.Context, role settings.Role, first bool) {
	in := x.in
	in.Role = role
	s := side{Role: role.String()}
	defer func() { x.Sides = append(x.Sides, s) }()
	set, warnings, err := settings.Resolve(in)
	for _, w := range warnings {
		x.add(levelWarn, "settings", role, w, "")
	}
	if err != nil {
		x.rejected(role, err)
		return
	}
	for _, row := range set.Table() {
		s.Settings = append(s.Settings, setting(row))
	}
	if first {
		x.account(set)
		x.directories(set)
		x.groupChannel(set)
	}
	if role == settings.Donor {
		x.outside(set)
	}
	ch, err := ends.Channel(set, role == settings.Joiner)
	if err != nil {
		text, do := splitHint(err.Error())
		x.add(levelBad, "certificates", role, text, do)
		ch.Plain = true // for the port, which has nothing to do with it
	} else {
		s.Certificate = x.certificates(role, set, ch)
		view := ch
		if role == settings.Donor && set.TLS.NameCheck && view.Policy.Level == identity.Chain {
			// Which host that is only a state request tells.
			view.Policy.Level, view.Policy.Names, view.Policy.NamesFrom = identity.ChainAndName, []string{"like the joiner's address"}, "or what it resolves back to"
		}
		s.Channel = ends.Describe(set, view)
		x.keyring(role, set, ch)
	}
	if role == settings.Joiner {
		host := x.joinAddress(ctx, set, ch)
		if err == nil {
			x.ownName(ctx, host, ch)
		}
		x.space(set)
	}
}

// rejected puts every refused value on a line of its own.
func (x *examination) rejected(role settings.Role, err error) {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		var p *settings.Problem
		if !errors.As(err, &p) {
			x.add(levelBad, "settings", role, err.Error(), "")
			continue
		}
		bare := *p
		bare.Hint = ""
		x.add(levelBad, "settings", role, bare.Error(), p.Hint)
	}
}

// splitHint cuts a message of the transfer into what is wrong and what to do: the last semicolon is between the two.
func splitHint(text string) (what, do string) {
	if i := strings.LastIndex(text, "; "); i >= 0 {
		return text[:i], text[i+2:]
	}
	return text, ""
}

func named(s settings.Setting) string {
	return fmt.Sprintf("%s=%s (%s)", strings.ReplaceAll(s.Name, "-", "_"), s.Value, s.Origin)
}
