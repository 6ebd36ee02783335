package calm

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// victimCommand makes the test binary a program that calms a server and is then killed by the test. Socket, user and password follow.
const victimCommand = "calm-victim"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case GuardCommand:
			os.Exit(Guard(os.Stdin))
		case victimCommand:
			victim(os.Args[2], os.Args[3], os.Args[4])
		}
	}
	goleak.VerifyTestMain(m)
}

// victim says when it is quiet and waits for its death.
func victim(socket, user, password string) {
	c, err := Open(context.Background(), Config{Socket: socket, User: user, Password: password})
	if err == nil {
		err = c.Quiet(context.Background())
	}
	fmt.Println("quiet", err)
	select {}
}
