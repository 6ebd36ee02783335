package sst

import (
	"strconv"

	"trireme/cmd/internal/ends"
	"trireme/cmd/internal/galera"
	"trireme/engine/tree"
	"trireme/proto"
	"trireme/proto/msg"
)

// facts are what both ends must agree on (R-META-1, proto/SPEC.md section 3).
func (c *call) facts(d *tree.Dirs) []msg.Fact {
	server := ""
	if c.family != "" && c.series != "" {
		server = c.family + " " + c.series
	}
	page, from := c.set.PageSize, ends.Origin(c.set, "innodb-page-size")
	if n, path := ends.PageSize(d); n != 0 {
		page, from = n, path
	}
	encryption, encryptionFrom := c.set.EncryptionPlugin, ends.Origin(c.set, "encryption-plugin")
	switch {
	case encryption == "" && c.ring.IsSet():
		encryption, encryptionFrom = c.ring.Name, c.ring.From
	case encryption == "":
		encryption = "none"
	}
	home, _, err := ends.SystemFiles(c.set)
	if err != nil {
		home = "" // layout has reported it
	}
	facts := []msg.Fact{
		{Name: "server", Value: server, From: c.version},
		{Name: "page-size", Value: strconv.Itoa(page), From: from},
		{Name: "lower-case-table-names", Value: strconv.Itoa(c.set.LowerCaseTableNames), From: ends.Origin(c.set, "lower-case-table-names")},
		{Name: "data-file-path", Value: ends.SystemShape(home, c.set.SystemFiles), From: ends.Origin(c.set, "innodb-data-file-path")},
		{Name: "encryption", Value: encryption, From: encryptionFrom},
		{Name: "byte-order", Value: "little"},
	}
	if c.ring.Value != "" {
		facts = append(facts, msg.Fact{Name: proto.FactKeyring, Value: c.ring.Value, From: c.ring.From})
	}
	if c.ring.Path != "" {
		facts = append(facts, msg.Fact{Name: proto.FactKeys, Value: c.keys, From: c.ring.Path})
	}
	if c.args.Role == galera.RoleJoiner && c.set.BinlogBase == "" {
		facts = append(facts, msg.Fact{Name: proto.FactBinlogs, Value: proto.FactOff, From: ends.Origin(c.set, "log-bin")})
	}
	return facts
}
