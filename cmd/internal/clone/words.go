package clone

import (
	"regexp"
	"strings"
)

// The packages below speak to people who run a cluster: of donor and joiner, state requests and nodes. Whoever copies by hand has a
// sender and a receiver. Only these turns are exchanged, and not the bare words, which may be part of a file's name.
var turns = strings.NewReplacer(
	"look into the donor's error log, and at firewalls between the nodes", "look at what trireme send says there, and at firewalls between the hosts",
	"stop that program, or let the joiner receive on another port (wsrep_sst_receive_address)", "stop that program, or wait for its end",
	"make them equal and start the joiner again", "make them equal and begin again",
	"this state request", "this transfer",
	"another state request", "another transfer",
	"locked pass ", "copying pass ",
	"verify rounds under the lock", "rounds of checking",
	`"locked copy"`, `"copying"`, `"live copy"`, `"copying"`,
	"donor and joiner", "sender and receiver",
)

var (
	party   = regexp.MustCompile(`\b((?:[Tt]he|[Aa]|this|no) |^)(donor|joiner)('s|s)?( |$|[,;:)])`)
	parties = map[string]string{"donor": "sender", "joiner": "receiver"}
)

// spoken is a text of the packages below in the words of this one.
func spoken(text string) string {
	text = turns.Replace(text)
	return party.ReplaceAllStringFunc(text, func(s string) string {
		for from, to := range parties {
			s = strings.Replace(s, from, to, 1)
		}
		return s
	})
}

// spokenError is an error that speaks as spoken.
type spokenError struct{ err error }

func (e *spokenError) Error() string { return spoken(e.err.Error()) }
func (e *spokenError) Unwrap() error { return e.err }

// inOurWords is err as people of this command are told of it.
func inOurWords(err error) error {
	if err == nil {
		return nil
	}
	return &spokenError{err}
}
