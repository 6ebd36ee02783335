package galera

import "strings"

// Environment is what the server passes in environment variables, and what stock scripts honour there. The fields
// Auth and RemoteAuth are secrets: they are never logged and never put on a command line (sst-contract 5).
type Environment struct {
	Auth           string // WSREP_SST_OPT_AUTH, user:password
	RemoteAuth     string // WSREP_SST_OPT_REMOTE_AUTH, what stood before the last @ of the request
	InnoDBDataHome string // INNODB_DATA_HOME_DIR
	InnoDBLogHome  string // INNODB_LOG_GROUP_HOME
	InnoDBUndo     string // INNODB_UNDO_DIR
	SyslogTag      string // SST_SYSLOG_TAG
	TmpDir         string // MYSQL_TMP_DIR
	ForceUpgrade   bool   // WSREP_SST_OPT_FORCE_UPGRADE is neither empty nor 0
}

// ReadEnvironment reads the variables through get, which is os.Getenv outside tests.
func ReadEnvironment(get func(string) string) Environment {
	value := func(name string) string {
		v := get(name)
		if v == "(null)" {
			// Old servers format a null pointer.
			return ""
		}
		return v
	}
	force := value("WSREP_SST_OPT_FORCE_UPGRADE")
	return Environment{
		Auth:           value("WSREP_SST_OPT_AUTH"),
		RemoteAuth:     value("WSREP_SST_OPT_REMOTE_AUTH"),
		InnoDBDataHome: value("INNODB_DATA_HOME_DIR"),
		InnoDBLogHome:  value("INNODB_LOG_GROUP_HOME"),
		InnoDBUndo:     value("INNODB_UNDO_DIR"),
		SyslogTag:      value("SST_SYSLOG_TAG"),
		TmpDir:         value("MYSQL_TMP_DIR"),
		ForceUpgrade:   force != "" && force != "0",
	}
}

// RemoteUser splits RemoteAuth at its first colon, as stock scripts do: the name in the joiner's certificate, and the
// secret of the request. Without a colon the whole is the name.
func (e Environment) RemoteUser() (user, secret string) {
	user, secret, _ = strings.Cut(e.RemoteAuth, ":")
	return user, secret
}
