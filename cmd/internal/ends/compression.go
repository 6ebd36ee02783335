package ends

import (
	"trireme/cmd/internal/settings"
	"trireme/wire/pack"
)

// Compression is the mode that the settings ask for; they have checked the word.
func Compression(s *settings.Settings) pack.Mode {
	m, err := pack.ParseMode(s.Compress)
	if err != nil {
		panic("ends: internal error: " + err.Error())
	}
	return m
}
