package settings

import (
	"sort"
	"strings"
)

// suggest says which known name was meant, or, where the name is too far from each of them to be a slip of the hand, which there are.
func suggest(name string, known []string) string {
	if like := nearest(name, known); distance(name, like) <= max(2, len(like)/3) {
		return "did you mean " + like + "?"
	}
	known = append([]string(nil), known...)
	sort.Strings(known)
	return "known are " + strings.Join(known, ", ")
}

// nearest returns the known name that is closest to a mistyped one by the number of edits; of equals the
// alphabetically first.
func nearest(name string, known []string) string {
	known = append([]string(nil), known...)
	sort.Strings(known)
	best, least := "", 1<<30
	for _, k := range known {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the edit distance with the swap of two neighbours as one edit. Names longer than
// any option are cut, since the cost is quadratic and they match nothing anyway.
func distance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	older := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], older[j-2]+1)
			}
		}
		older, prev, cur = prev, cur, older
	}
	return prev[len(b)]
}
