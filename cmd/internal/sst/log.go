package sst

import (
	"os"

	"trireme/cmd/internal/galera"
)

// openLog follows the settings about the log. Standard error, which is the server's error log, has every line in any case; lines
// from before the settings were known are there alone.
func (c *call) openLog() {
	if c.set.Syslog {
		// The tag may be anything, but it must not end the header of a line.
		s, err := galera.OpenSyslog(galera.SyslogPath, galera.Printable(c.set.SyslogTag))
		if err != nil {
			c.log.Warningf("sst-syslog has no effect: %v; lines go to the server's error log", err)
		}
		c.syslog = s
	}
	if c.syslog == nil && c.set.LogFormat != "json" && !c.set.Debug {
		return
	}
	c.log = galera.NewLog(galera.LogConfig{W: os.Stderr, Family: c.args.Family, JSON: c.set.LogFormat == "json", Role: c.args.Role, Debug: c.set.Debug, Syslog: c.syslog})
}

func (c *call) closeLog() {
	if c.syslog == nil {
		return
	}
	if err := c.syslog.Close(); err != nil {
		galera.NewLog(galera.LogConfig{W: os.Stderr, Family: c.args.Family}).Warningf("lines are missing there: %v", err)
	}
}
