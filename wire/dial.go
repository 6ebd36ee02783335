package wire

import "context"

func Dial(ctx context.Context, t Ticket, kind Kind, c Config) (*Conn, error) {
	panic("wire: not built yet")
}
func Refuse(ctx context.Context, t Ticket, c Config, reason string) error {
	panic("wire: not built yet")
}
