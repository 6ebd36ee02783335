package serveremul

import (
	"strconv"
	"strings"
)

// parentMark stands for the server's pid until the process that plays the server is known.
const parentMark = "@PARENT@"

// quote is how servers quote: single quotes and no escaping. A value with a quote in it breaks the command, here as there.
func quote(s string) string { return "'" + s + "'" }

// line builds the words of a command in the order they are emitted.
type line []string

func (l *line) add(name, value string) { *l = append(*l, name, value) }

// opt adds a quoted option that is left out when it is not set.
func (l *line) opt(name, value string) {
	if value != "" {
		l.add(name, quote(value))
	}
}

// lone adds an option whose quotes stay when it is not set.
func (l *line) lone(name, value string) {
	if value != "" {
		*l = append(*l, name)
	}
	*l = append(*l, quote(value))
}

func (l line) String() string { return strings.Join(l, " ") }

// joinerLine is what follows the program's name on a joiner.
func (p Profile) joinerLine(o Options) string {
	var l line
	l.add("--role", quote("joiner"))
	l.add("--address", quote(o.Address))
	if p.ArgAuth {
		l.add("--auth", quote(o.Auth))
	}
	l.add("--datadir", quote(o.Datadir+"/"))
	switch p.Family {
	case "pxc":
		p.pxcTail(&l, o, true)
	case "codership80":
		l.add("--defaults-file", quote(o.DefaultsFile))
		l.add("--defaults-group-suffix", quote(o.DefaultsGroupSuffix))
		l.add("--parent", quote(parentMark))
		l.add("--mysqld-version", quote(p.Version))
		l.add("--plugin-dir", quote("/usr/lib/mysql/plugin"))
		l.lone("--binlog", o.Binlog)
		l.lone("--binlog-index", o.BinlogIndex)
	default:
		l.opt("--defaults-file", o.DefaultsFile)
		if p.Family == "mariadb" {
			l.opt("--defaults-extra-file", o.DefaultsExtraFile)
		}
		l.opt("--defaults-group-suffix", o.DefaultsGroupSuffix)
		if p.PassProgress {
			l.add("--parent", parentMark)
		} else {
			l.add("--parent", quote(parentMark))
		}
		p.progress(&l, o)
		l.opt("--binlog", o.Binlog)
		if p.Family == "mariadb" {
			l.opt("--binlog-index", o.BinlogIndex)
		}
	}
	p.tail(&l, o)
	return l.String()
}

// donorLine is what follows the program's name on a donor; address is the request's without its secret.
func (p Profile) donorLine(o Options, address string) string {
	var l line
	l.add("--role", quote("donor"))
	l.add("--address", quote(address))
	if p.ArgAuth {
		l.add("--auth", quote(o.Auth))
	}
	if p.PassLocalPort {
		l.add("--local-port", strconv.Itoa(o.LocalPort))
	}
	l.add("--socket", quote(o.Socket))
	if p.Family == "mariadb" {
		p.progress(&l, o)
	}
	l.add("--datadir", quote(o.Datadir+"/"))
	switch p.Family {
	case "pxc":
		p.pxcTail(&l, o, false)
		l.add("--gtid", quote(o.GTID))
	case "codership80":
		l.add("--defaults-file", quote(o.DefaultsFile))
		l.add("--defaults-group-suffix", quote(o.DefaultsGroupSuffix))
		l.add("--mysqld-version", quote(p.Version))
		l.lone("--binlog", o.Binlog)
		l.add("--gtid", o.GTID)
		l.add("--local-gtid", quote(o.GTID))
		l.add("--server-id", "7")
	default:
		l.opt("--defaults-file", o.DefaultsFile)
		if p.Family == "mariadb" {
			l.opt("--defaults-extra-file", o.DefaultsExtraFile)
		}
		l.opt("--defaults-group-suffix", o.DefaultsGroupSuffix)
		if p.Family != "mariadb" {
			l.opt("--binlog", o.Binlog)
		}
		l.add("--gtid", quote(o.GTID))
		if p.PassDomain {
			l.add("--gtid-domain-id", o.Domain)
		}
		if p.Family == "mariadb" {
			l.opt("--binlog", o.Binlog)
			l.opt("--binlog-index", o.BinlogIndex)
		}
	}
	if o.Bypass {
		l = append(l, "--bypass")
	}
	p.tail(&l, o)
	return l.String()
}

// progress adds --progress where the server has it.
func (p Profile) progress(l *line, o Options) {
	if !p.PassProgress {
		return
	}
	value := "0"
	if o.Progress {
		value = "1"
	}
	l.add("--progress", value)
}

// pxcTail is the middle of both of PXC's command lines; options without a value are there all the same.
func (p Profile) pxcTail(l *line, o Options, joiner bool) {
	l.add("--basedir", quote("/usr"))
	l.add("--plugindir", quote("/usr/lib/mysql/plugin"))
	l.add("--defaults-file", quote(o.DefaultsFile))
	l.add("--defaults-group-suffix", quote(o.DefaultsGroupSuffix))
	if joiner {
		l.add("--parent", quote(parentMark))
	}
	l.add("--mysqld-version", quote(p.Version))
	l.lone("--binlog", o.Binlog)
}

// tail adds what comes last.
func (p Profile) tail(l *line, o Options) {
	for _, word := range o.ExtraArgs {
		*l = append(*l, quote(word))
	}
	if p.PassMysqld && len(o.MysqldArgs) > 0 {
		*l = append(*l, "--mysqld-args")
		for _, word := range o.MysqldArgs {
			if word != "" {
				*l = append(*l, requote(word))
			}
		}
	}
}

// requote puts double quotes round the two sides of the first = where they need some. Several characters that would
// need them are overlooked, as the servers do.
func requote(word string) string {
	side := func(s string) string {
		if !strings.ContainsAny(s, " \t;&|<>\"'\\$`") {
			return s
		}
		return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `$`, `\$`).Replace(s) + `"`
	}
	name, value, found := strings.Cut(word, "=")
	if !found {
		return side(word)
	}
	return side(name) + "=" + side(value)
}
