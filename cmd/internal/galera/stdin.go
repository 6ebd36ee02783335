package galera

import (
	"errors"
	"os"
	"time"
)

// Stdin is what a server says on standard input. All of it is secret.
type Stdin struct {
	User           string // sst_user
	Password       string // sst_password
	RemoteUser     string // sst_remote_user
	RemotePassword string // sst_remote_password
	TimedOut       bool   // the limit ended the reading, not the end of the stream
}

// ReadStdin reads key=value lines from f until its end or until limit has passed.
func ReadStdin(f *os.File, limit time.Duration) (Stdin, error) { return Stdin{}, errors.ErrUnsupported }

// ReadsStdin says whether the server of these arguments may have something to say on standard input.
func (a Args) ReadsStdin() bool { return false }
