package settings

import (
	"fmt"
	"slices"

	"trireme/cmd/internal/mycnf"
)

// lookAlikes are the options in [sst] whose loss by a typing error weakens or breaks the channel.
var lookAlikes = []string{"tca", "tcert", "tkey", "tcapath", "sockopt"}

// stockToo are our own names that other methods read in [sst] as well, and so do we.
var stockToo = []string{"compress", "progress"}

// misspelt warns about names in [sst] that nobody reads there: our own, which belong into a group of theirs, and what
// looks like one of those above. Other unknown names stay quiet: the group belongs to several programs. It runs last, when every
// name that means something has been looked up.
func (r *resolver) misspelt() {
	const far = 3 // edits; so many make it another word
	for _, values := range r.values("sst") {
		for _, v := range values {
			name := mycnf.Fold(v.Name)
			if slices.Contains(ownNames, name) && !slices.Contains(stockToo, name) {
				r.warnings = append(r.warnings, fmt.Sprintf("option %s in [sst] is not read; move it to the group [%s] (%s)", name, Group, v.Origin))
				continue
			}
			if r.asked[name] || slices.Contains(lookAlikes, name) {
				continue
			}
			if like := nearest(name, lookAlikes); distance(name, like) < far {
				r.warnings = append(r.warnings, fmt.Sprintf("option %s in [sst] is not known, did you mean %s? (%s)", name, like, v.Origin))
			}
		}
	}
}
