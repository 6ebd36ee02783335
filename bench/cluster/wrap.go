package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Hook says what a wrapper around a state transfer program does. The zero value only passes everything through.
type Hook struct {
	Method string // the wrapper is wsrep_sst_<Method>; empty: taken from the program's name
	Record string // directory for the record of each call: PID.args, PID.out (stdout lines with role); empty: none
	Line   string // stdout lines that begin so are held back; empty: continue
	Hold   string // a held-back line waits while this file exists; Hold.reached appears when one waits. Empty: never
	Skip   int    // so many such lines of one call pass before one is held back
}

// wrapper runs the program and passes its stdout on line by line. The exit code is the program's. A last line without a newline
// stays one. The program keeps the stdin of the server; it sees the wrapper's shell between itself and the server.
const wrapper = `#!/bin/bash
real=%s method=%s record=%s line=%s hold=%s skip=%d
# A script has the name of its file; with that of a shell the program sees through us to the server.
printf bash >/proc/$$/comm
role=unknown previous=
for a in "$@"; do
  [ "$previous" = --role ] && role=$a
  case $a in --role=*) role=${a#--role=} ;; esac
  previous=$a
done
if [ -n "$record" ]; then printf '%%s\n' "$@" >"$record/$role.$$.args"; fi
pass() {
  local l end
  while end=$'\n'; IFS= read -r l || { end=; [ -n "$l" ]; }; do
    if [ -n "$hold" ] && [[ $l == "$line"* ]] && [ $((skip--)) -le 0 ]; then
      [ -e "$hold" ] && : >"$hold.reached"
      while [ -e "$hold" ]; do sleep 0.01; done
    fi
    if [ -n "$record" ]; then printf '%%s%%s' "$l" "$end" >>"$record/$role.$$.out"; fi
    printf '%%s%%s' "$l" "$end" || exit 32
  done
}
( exec -a "wsrep_sst_$method" "$real" "$@" ) | pass
exit "${PIPESTATUS[0]}"
`

// WrapMethod writes the wrapper wsrep_sst_<method> into dir (usually BinDir). The directories of Hook must be writable for the
// servers' user: Cluster.Shared makes such a one.
func WrapMethod(dir, realBinary string, hook Hook) error {
	method := hook.Method
	if method == "" {
		method = strings.TrimPrefix(filepath.Base(realBinary), "wsrep_sst_")
	}
	line := hook.Line
	if line == "" {
		line = "continue"
	}
	realBinary, err := filepath.Abs(realBinary)
	if err != nil {
		return fmt.Errorf("wrap method %s: %w", method, err)
	}
	path := filepath.Join(dir, "wsrep_sst_"+method)
	if path == realBinary {
		return fmt.Errorf("wrap method %s: the wrapper would replace the program %s itself", method, path)
	}
	text := fmt.Sprintf(wrapper, quote(realBinary), quote(method), quote(hook.Record), quote(line), quote(hook.Hold), hook.Skip)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		return fmt.Errorf("wrap method %s: %w", method, err)
	}
	return nil
}

// quote makes one shell word of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Shared makes a directory below the cluster's that the servers' user may write to: for records, holds and key files.
func (c *Cluster) Shared(name string) (string, error) {
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make shared directory: %w", err)
	}
	if err := c.give(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// HoldBack makes the file of Hook.Hold. Release removes it; Held waits until a line is held back.
func HoldBack(path string) error {
	if err := os.Remove(path + ".reached"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("hold back: %w", err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return fmt.Errorf("hold back: %w", err)
	}
	return nil
}

// Release lets a held-back line go.
func Release(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// Held waits until a wrapper holds a line back at path. From then until Release the donor is locked (for the line "continue").
func Held(ctx context.Context, path string) error {
	for {
		if _, err := os.Stat(path + ".reached"); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a held-back line at %s: %w", path, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}
