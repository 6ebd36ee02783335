package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseBool takes 0/1, on/off, true/false and yes/no in any case.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "on", "true", "yes":
		return true, nil
	case "0", "off", "false", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", s)
}

// parseInt takes a decimal number within bounds, and nothing after it.
func parseInt(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a whole number between %d and %d", s, low, high)
	}
	return n, nil
}

// ParseSize takes a number with an optional k, m, g or t (powers of 1024), in bytes.
func ParseSize(s string) (int64, error) {
	digits, shift := s, 0
	if s != "" {
		if i := strings.IndexByte("kmgt", s[len(s)-1]|0x20); i >= 0 {
			digits, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size; write a number, with k, m, g or t for powers of 1024", s)
	}
	if n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return int64(n) << shift, nil
}

// maxDuration bounds every time limit, so that sums of them cannot overflow.
const maxDuration = 10 * 365 * 24 * time.Hour

// parseDuration takes plain seconds (a fraction is fine) or Go's notation (90s, 1m30s, 500ms); not negative.
func parseDuration(s string) (time.Duration, error) {
	d, ok := time.Duration(0), false
	if strings.Trim(s, "0123456789.") == "" {
		f, err := strconv.ParseFloat(s, 64)
		if ok = err == nil && f <= maxDuration.Seconds(); ok {
			d = time.Duration(f * float64(time.Second))
		}
	} else {
		var err error
		d, err = time.ParseDuration(s)
		ok = err == nil && d >= 0 && d <= maxDuration
	}
	if !ok {
		return 0, fmt.Errorf("%q is not a time of at most ten years; write seconds, or a number with a unit such as 500ms, 90s, 2m, 1h", s)
	}
	return d, nil
}

// parseWord takes one of a list of words in any case and returns it in lower case.
func parseWord(s string, words ...string) (string, error) {
	low := strings.ToLower(s)
	for _, w := range words {
		if low == w {
			return w, nil
		}
	}
	return "", fmt.Errorf("%q is not one of %s", s, strings.Join(words, ", "))
}

// parsed applies a parser to a value that may be unset. A value that does not parse is rejected and replaced
// by the default, so that the search for further problems can go on.
func parsed[T any](r *resolver, at Setting, def T, parse func(string) (T, error)) T {
	if !at.IsSet() {
		return def
	}
	v, err := parse(at.Value)
	if err != nil {
		r.reject(at, "", "%v", err)
		return def
	}
	return v
}

func (r *resolver) bool(at Setting, def bool) bool { return parsed(r, at, def, parseBool) }

func (r *resolver) int(at Setting, def, low, high int) int {
	return parsed(r, at, def, func(s string) (int, error) { return parseInt(s, low, high) })
}

func (r *resolver) size(at Setting, def int64) int64 { return parsed(r, at, def, ParseSize) }

func (r *resolver) duration(at Setting, def time.Duration) time.Duration {
	return parsed(r, at, def, parseDuration)
}

func (r *resolver) word(at Setting, def string, words ...string) string {
	return parsed(r, at, def, func(s string) (string, error) { return parseWord(s, words...) })
}
