package bench

import (
	"context"
	"slices"
	"time"

	"trireme/engine/tree"
)

// rest waits until the source's files are so old that our manifest takes them: what a datadir that was copied before is, and one that
// was made a moment ago is not. Where the file system's times are not trusted it does not wait, and everything is hashed.
func (r *runner) rest(ctx context.Context, source string, field []*racer) error {
	if !slices.ContainsFunc(field, func(by *racer) bool { return by.result.Ours }) {
		return nil
	}
	dirs, err := tree.Open(tree.Layout{Data: source})
	if err != nil {
		return err
	}
	defer dirs.Close()
	t, err := dirs.Scan(ctx)
	if err != nil {
		return err
	}
	if !t.FS[tree.RoleData].Trusted {
		r.say("  files on %s have no times to rely on: everything is hashed", t.FS[tree.RoleData].Name)
		return nil
	}
	var newest int64
	for i := range t.Entries {
		newest = max(newest, t.Entries[i].Ctime)
	}
	wait := time.Until(time.Unix(0, newest)) + tree.LongestWrite + 2*tree.Granule
	if wait <= 0 {
		return nil
	}
	r.say("  waiting %.0f s for the source to have rested", wait.Seconds())
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
