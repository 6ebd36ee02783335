package clone

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// hangs makes the test program one that hears the first signal and goes on all the same.
const hangs = "TRIREME_TEST_HANGS"

func TestMain(m *testing.M) {
	if os.Getenv(hangs) != "" {
		ctx, _ := interruptible(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println(context.Cause(ctx))
		select {}
	}
	goleak.VerifyTestMain(m)
}
