package settings

import (
	"errors"
	"net/netip"
	"strings"
	"time"
)

// Toggle is a switch that may be left alone.
type Toggle uint8

// The states of a Toggle.
const (
	Unset Toggle = 0
	On    Toggle = 1
	Off   Toggle = 2
)

// SockOpts is what sockopt asks of the socket. Zero values mean: not asked for.
type SockOpts struct {
	Bind           string // local address; on the joiner the one to listen on
	Family         string // "", "ip4" or "ip6"
	KeepAlive      Toggle
	KeepIdle       time.Duration
	KeepInterval   time.Duration
	KeepCount      int
	NoDelay        Toggle
	UserTimeout    time.Duration
	MSS            int
	Congestion     string
	SndBuf, RcvBuf int // bytes
	Interface      string
	ConnectTimeout time.Duration
	Retry          int // further attempts to connect
	Forever        bool
	Interval       time.Duration  // between attempts
	Ranges         []netip.Prefix // the joiner takes connections from these only; empty means from everywhere
	SourcePort     int
	TOS            int
	SNIHost        string
	NoSNI          bool
}

// sockTrust collects what sockopt says about trust; tls decides over it.
type sockTrust struct {
	verify, commonName Setting

	ca, caPath, cert, keyOpt Setting
}

// sockItem is one entry of the comma list.
type sockItem struct {
	name  string // lower case
	value string
	bare  bool
}

// sockopt reads the text that the scripts appended to a socat address (sst-options 5). Every name is known or rejected: socat
// itself would not have started with an unknown one.
func (r *resolver) sockopt() {
	at := r.sstOption("sockopt")
	r.show("sockopt", at, at.Value)
	if !at.IsSet() {
		return
	}
	items, err := splitSockopt(at.Value)
	if err != nil {
		r.reject(at, "", "%v", err)
		return
	}
	for _, item := range items {
		here := Setting{Name: "sockopt " + item.name, Value: item.value, Origin: at.Origin}
		rule, ok := sockRules[item.name]
		if !ok {
			r.reject(here, "remove it", "socket option %q is not known", item.name)
			continue
		}
		rule(r, here, item)
	}
}

// splitSockopt cuts the list at commas outside quotes and brackets. Empty entries are fine: the scripts put
// commas before, after and between.
func splitSockopt(text string) ([]sockItem, error) {
	var items []sockItem
	var part strings.Builder
	var quote byte
	depth := 0
	flush := func() {
		name, value, found := strings.Cut(part.String(), "=")
		part.Reset()
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			items = append(items, sockItem{name: name, value: strings.TrimSpace(value), bare: !found})
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
				continue
			}
		case c == '"' || c == '\'':
			quote = c
			continue
		case c == '\\' && i+1 < len(text):
			i++
			c = text[i]
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			flush()
			continue
		}
		part.WriteByte(c)
	}
	if quote != 0 || depth != 0 {
		return nil, errors.New("a quote or bracket is not closed")
	}
	flush()
	return items, nil
}
