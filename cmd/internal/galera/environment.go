package galera

// Environment is what the server passes in environment variables, and what stock scripts honour there.
type Environment struct {
	Auth           string // WSREP_SST_OPT_AUTH, user:password; a secret
	RemoteAuth     string // WSREP_SST_OPT_REMOTE_AUTH, what stood before the @ of the request; a secret
	InnoDBDataHome string // INNODB_DATA_HOME_DIR
	InnoDBLogHome  string // INNODB_LOG_GROUP_HOME
	InnoDBUndo     string // INNODB_UNDO_DIR
	SyslogTag      string // SST_SYSLOG_TAG
	TmpDir         string // MYSQL_TMP_DIR
	ForceUpgrade   bool   // WSREP_SST_OPT_FORCE_UPGRADE
}

// ReadEnvironment reads the variables through get, which is os.Getenv outside tests.
func ReadEnvironment(get func(string) string) Environment { return Environment{} }

// RemoteUser splits RemoteAuth at its first colon: the name in the joiner's certificate, and the secret.
func (e Environment) RemoteUser() (user, secret string) { return "", "" }
