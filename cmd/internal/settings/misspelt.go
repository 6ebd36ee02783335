package settings

import (
	"fmt"
	"slices"

	"trireme/cmd/internal/mycnf"
)

// lookAlikes are the options in [sst] whose loss by a typing error weakens or breaks the channel.
var lookAlikes = []string{"tca", "tcert", "tkey", "tcapath", "sockopt"}

// misspelt warns about names in [sst] that nobody has asked for and that look like one of those above. Other unknown names
// stay quiet: the group belongs to several programs. It runs last, when every name that means something has been looked up.
func (r *resolver) misspelt() {
	const far = 3 // edits; so many make it another word
	for _, values := range r.values("sst") {
		for _, v := range values {
			name := mycnf.Fold(v.Name)
			if r.asked[name] || slices.Contains(lookAlikes, name) {
				continue
			}
			if like := nearest(name, lookAlikes); distance(name, like) < far {
				r.warnings = append(r.warnings, fmt.Sprintf("option %s in [sst] is not known, did you mean %s? (%s)", name, like, v.Origin))
			}
		}
	}
}
