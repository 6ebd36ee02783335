package settings

import "fmt"

// Problem is one rejected value. It names the option, where it stands, what is wrong and what to do.
type Problem struct{ Option, Origin, Text, Hint string }

// Error gives the problem on one line.
func (p *Problem) Error() string {
	s := p.Option
	if p.Origin != "" {
		s += " (" + p.Origin + ")"
	}
	s += ": " + p.Text
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// reject records a problem with a value that was found.
func (r *resolver) reject(at Setting, hint, format string, args ...any) {
	r.problems = append(r.problems, &Problem{Option: at.Name, Origin: at.Origin, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// warn records one line about a value that was accepted.
func (r *resolver) warn(at Setting, format string, args ...any) {
	r.warnings = append(r.warnings, (&Problem{Option: at.Name, Origin: at.Origin, Text: fmt.Sprintf(format, args...)}).Error())
}

// promise is a warning that says how the transfer will be protected. It is not given when there will be none.
func (r *resolver) promise(at Setting, format string, args ...any) {
	r.warn(at, format, args...)
	r.promises = append(r.promises, r.warnings[len(r.warnings)-1])
}
