package clone

import (
	"fmt"
	"regexp"
	"strings"

	"trireme/cmd/internal/settings"
	"trireme/wire/identity"
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
	// There are flags for the transport; whoever turned encryption off has an option file.
	"set transport=auto or transport=tls on the joiner", "give the receiver --transport auto or --transport tls",
	"set transport=quic or transport=auto on the joiner, or remove transport=quic on the donor", "give the receiver --transport quic or --transport auto, or the sender another",
	"set transport=auto on the joiner, or remove transport=tls on the donor", "give the receiver --transport auto, or the sender another",
	"set transport=auto on the joiner, or transport=quic on the donor", "give the receiver --transport auto, or the sender --transport quic",
	"; set the same on both", "; give both an option file (--defaults-file) that says the same, or none",
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

// advice is what a refused certificate calls for where two commands met. What this end was told stands on its command line or in an
// option file, and is named by its place; the other end may have either.
func advice(set *settings.Settings) identity.Advice {
	t := &set.TLS
	a := identity.Advice{
		Show: "give that end --cert and --key (or tcert and tkey in its option file), or both ends none",
		Name: "issue a certificate with that name as alternative name, or let the receiver advertise a name it has (--advertise)",
	}
	if t.Decider.IsSet() && t.Decider.Origin != settings.OriginFlag {
		a.Show = fmt.Sprintf("give that end --cert and --key (or tcert and tkey in its option file), or remove what asks for them here (%s, %s)", t.Decider.Name, t.Decider.Origin)
		if !t.CommonName.IsSet() {
			a.Name += fmt.Sprintf(", or set ssl-mode=VERIFY_CA beside %s (%s) to check the chain only", t.Decider.Name, t.Decider.Origin)
		}
	}
	return a
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
