package settings

import "strings"

// The rules here compare what sockopt says about the protocol with the one protocol we speak, TLS 1.3. Asking for
// less is refused rather than exceeded in silence: whoever caps a version has a reason we do not know.

// cipher accepts any list, since the suites of TLS 1.3 are fixed and good, unless the list asks for no encryption.
func cipher(r *resolver, at Setting, item sockItem) {
	empty, any := true, false
	for _, word := range strings.FieldsFunc(item.value, func(c rune) bool { return c == ':' || c == ' ' || c == ';' }) {
		if strings.HasPrefix(word, "!") || strings.HasPrefix(word, "-") || strings.HasPrefix(word, "@") {
			continue
		}
		any = true
		switch strings.ToUpper(strings.TrimPrefix(word, "+")) {
		case "NULL", "ENULL", "ANULL", "COMPLEMENTOFALL":
		default:
			empty = false
		}
	}
	if any && empty {
		r.reject(at, "use ssl-mode=DISABLED if the transfer shall not be encrypted", "the list names ciphers without encryption or authentication only")
		return
	}
	r.warn(at, "has no effect: transfers use TLS 1.3 with its fixed cipher suites")
}

func method(r *resolver, at Setting, _ sockItem) {
	switch strings.ToUpper(at.Value) {
	case "TLS1.2", "TLS1.3", "TLS":
	default:
		r.reject(at, "remove it or write TLS1.2", "protocol %q is not TLS 1.2 or newer", at.Value)
	}
}

func minProto(r *resolver, at Setting, _ sockItem) {
	switch strings.ToUpper(at.Value) {
	case "SSL2", "SSL3", "TLS1", "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3":
	default:
		r.reject(at, "write TLS1.3 or less", "lowest protocol version %q is not known", at.Value)
	}
}

func maxProto(r *resolver, at Setting, _ sockItem) {
	if !strings.EqualFold(at.Value, "TLS1.3") {
		r.reject(at, "remove it", "highest protocol version %q is below TLS 1.3, the only one that is used", at.Value)
	}
}

func fips(r *resolver, at Setting, item sockItem) {
	if r.sockSwitch(at, item) {
		r.reject(at, "remove it", "this program is not built for FIPS mode")
	}
}

func compress(r *resolver, at Setting, item sockItem) {
	if !strings.EqualFold(item.value, "none") {
		r.warn(at, "has no effect: TLS does not compress; see compress in the group [trireme]")
	}
}
