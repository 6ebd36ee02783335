package proto

import (
	"fmt"
	"strings"

	"trireme/proto/msg"
)

// FactBinlogs is a fact that only the joiner states: whether its server keeps binary
// logs. Where that is FactOff the donor sends none, and nothing is compared.
const (
	FactBinlogs = "binary-logs"
	FactOff     = "off"
)

// states says whether a list holds a fact with a value.
func states(facts []msg.Fact, name, value string) bool {
	for _, f := range facts {
		if f.Name == name {
			return f.Value == value
		}
	}
	return false
}

// mismatches compares what both ends state about themselves. A value that one
// end does not know is not compared; the second result names those.
func mismatches(donor, joiner []msg.Fact) (wrong, unknown []string) {
	theirs := make(map[string]msg.Fact, len(joiner))
	for _, f := range joiner {
		theirs[f.Name] = f
	}
	for _, d := range donor {
		if d.Name == FactKeys || d.Name == FactKeysTravel {
			continue
		}
		j, ok := theirs[d.Name]
		switch {
		case !ok || d.Value == "" || j.Value == "":
			unknown = append(unknown, printable(d.Name))
		case d.Value != j.Value:
			wrong = append(wrong, fmt.Sprintf("%s is %s at the donor%s and %s at the joiner%s",
				printable(d.Name), printable(d.Value), from(d), printable(j.Value), from(j)))
		}
	}
	if text := keysApart(donor, joiner); text != "" {
		wrong = append(wrong, text)
	}
	return wrong, unknown
}

func from(f msg.Fact) string {
	if f.From == "" {
		return ""
	}
	return " (" + printable(f.From) + ")"
}

// checkFacts is run by both ends with the same arguments, so both logs name both
// values (R-META-1, design section 2 step 2).
func checkFacts(donor, joiner []msg.Fact) error {
	wrong, _ := mismatches(donor, joiner)
	if len(wrong) == 0 {
		return nil
	}
	return failf(CodeMismatch, "donor and joiner do not match: %s; nothing was changed, make them equal and start the joiner again", strings.Join(wrong, "; "))
}
