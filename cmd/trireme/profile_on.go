//go:build profile

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profileEnv names a directory that every process of such a build writes a processor profile into. The tag keeps both out of
// what is shipped.
const profileEnv = "TRIREME_PROFILE"

// profile measures this process until stop is called.
func profile() (stop func()) {
	dir := os.Getenv(profileEnv)
	if dir == "" || len(os.Args) < 2 {
		return func() {}
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", filepath.Base(os.Args[1]), os.Getpid())))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "trireme: no profile: %v\n", err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close() // a profile cut short is seen by its reader
	}
}
