package galera

// Family is the lineage of a server, as far as it changes what may be said to it.
type Family uint8

// The families, told apart by the options that each of them emits (sst-contract 12). The zero value is MariaDB, which
// is also what a bare command line of an old server looks like.
const (
	// MariaDB is any MariaDB server from 10.3 on.
	MariaDB Family = iota
	// Codership57 is Codership's mysql-wsrep 5.6 and 5.7: credentials on the command line, no sst_error file.
	Codership57
	// Codership80 is Codership's mysql-wsrep 8.0.
	Codership80
	// PXC is Percona XtraDB Cluster 8: standard input and error are pipes, the exit code is checked.
	PXC
)

// String returns the name used in logs and in the handshake with the other end.
func (f Family) String() string {
	switch f {
	case MariaDB:
		return "mariadb"
	case Codership57:
		return "codership57"
	case Codership80:
		return "codership80"
	case PXC:
		return "pxc"
	}
	return "unknown"
}
