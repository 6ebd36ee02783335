package galera

import "errors"

// LockInstance makes this the only SST in datadir.
func LockInstance(datadir string, role string) (release func(), err error) {
	return nil, errors.ErrUnsupported
}
