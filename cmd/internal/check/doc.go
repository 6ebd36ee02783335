// Package check is the face "trireme check": what this node would do as joiner and as donor of a state snapshot transfer, asked before
// there is one.
//
// It resolves the settings and loads the certificates with the code of the transfer itself (packages settings, sst and wire/identity), so
// that there is no second opinion, and adds what only a look at the host can tell: whether the server's user can read the files and
// write the directories, who holds the port, how much room there is, whether the cluster's own traffic is encrypted, and
// whether the system's access control may step in. Every finding that is bad or doubtful has a reason and says what to do.
//
// What is not guaranteed: a green report is about this node and this moment. The other node's settings, firewalls between the two,
// rules of SELinux or AppArmor beyond a hint, and certificates that the other node will show are not looked at. Options that a
// running server got on its command line are only known if they are given here after --mysqld-args. Rights are judged by owner and mode bits,
// without access control lists. The port is opened for a moment; nothing else is changed, and no file is written.
//
// The package starts no goroutines of its own. It writes its report to the command's output and nothing to the error output.
package check
