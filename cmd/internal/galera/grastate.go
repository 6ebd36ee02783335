package galera

// Grastate reads the provider's grastate.dat in datadir.
func Grastate(datadir string) (uuid string, seqno int64, ok bool) { return "", 0, false }
