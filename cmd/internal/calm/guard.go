package calm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// GuardCommand is the argument with which main must call Guard.
const GuardCommand = "calm-guard"

const (
	// maxPlan bounds the first line on the guard's pipe; a path, a name, a password and two numbers are expected.
	maxPlan = 16 << 10
	// readyLimit bounds the start of a guard, its connection to the server included.
	readyLimit = 10 * time.Second
	// dismissLimit bounds the end of a guard that was told to go.
	dismissLimit = 2 * time.Second

	wordReady = "ready"
	wordDone  = "restored"
)

// plan is what a guard needs to know. It travels as one line of JSON.
type plan struct {
	Login    login     `json:"login"`
	Settings []setting `json:"settings"`
}

func appendPlan(b []byte, p plan) ([]byte, error) {
	line, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxPlan {
		return nil, errors.New("socket, user and password are too long")
	}
	return append(append(b, line...), '\n'), nil
}

// parsePlan takes the line without its end.
func parsePlan(line []byte) (plan, error) {
	var p plan
	if err := json.Unmarshal(line, &p); err != nil {
		// The decoder's error may quote what it read.
		return plan{}, errors.New("parse plan: not in the expected form")
	}
	if p.Login.Socket == "" && p.Login.Address == "" || len(p.Settings) == 0 || len(p.Settings) > 2 {
		return plan{}, errors.New("parse plan: incomplete")
	}
	for _, s := range p.Settings {
		if err := s.valid(); err != nil {
			return plan{}, fmt.Errorf("parse plan: %w", err)
		}
	}
	return p, nil
}

// guard is our side of the second process.
type guard struct {
	cmd  *exec.Cmd
	pipe *os.File // its standard input; the kernel closes it however we end
}

// startGuard starts the process and returns when it has the plan and a connection of its own to the server. It gets an empty
// environment, for ours may hold the password, and none of our files: were our standard output left open in it, the server would
// not see our end.
func startGuard(program string, p plan) (_ *guard, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start the guard %s: %w", program, err)
		}
	}()
	line, err := appendPlan(nil, p)
	if err != nil {
		return nil, err
	}
	in, pipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	answer, out, err := os.Pipe()
	if err != nil {
		_ = pipe.Close()
		return nil, err
	}
	defer answer.Close()
	cmd := exec.Command(program, GuardCommand)
	// Called by the name of a transfer method, the program would take itself for that.
	cmd.Args[0] = "trireme"
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdin, cmd.Stdout = in, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = out.Close()
	if err != nil {
		_ = pipe.Close()
		return nil, err
	}
	g := &guard{cmd: cmd, pipe: pipe}
	if err := g.greet(line, answer); err != nil {
		_ = cmd.Process.Kill()
		_ = pipe.Close()
		_ = cmd.Wait()
		return nil, err
	}
	return g, nil
}

// greet hands the plan over and waits for the answer, which is the word ready or what is wrong.
func (g *guard) greet(line []byte, answer *os.File) error {
	end := time.Now().Add(readyLimit)
	if err := errors.Join(g.pipe.SetDeadline(end), answer.SetDeadline(end)); err != nil {
		return err
	}
	if _, err := g.pipe.Write(line); err != nil {
		return fmt.Errorf("tell it what to do: %w", err)
	}
	const most = 512
	said, err := io.ReadAll(io.LimitReader(answer, most))
	if text := strings.TrimSpace(string(said)); text != wordReady {
		if err == nil {
			err = errors.New("it ended")
		}
		return fmt.Errorf("wait for its answer (%q so far): %w", text, err)
	}
	return g.pipe.SetDeadline(time.Time{})
}

// dismiss tells the guard that everything is as it was, and waits for its end.
func (g *guard) dismiss() error {
	_, werr := io.WriteString(g.pipe, wordDone+"\n")
	_ = g.pipe.Close()
	late := time.AfterFunc(dismissLimit, func() { _ = g.cmd.Process.Kill() })
	defer late.Stop()
	err := g.cmd.Wait()
	if err == nil {
		err = werr
	}
	if err != nil {
		return fmt.Errorf("end the guard: %w", err)
	}
	return nil
}

// abandon leaves the rest to the guard. It is not waited for: it may try for longer than we live.
func (g *guard) abandon() {
	_ = g.pipe.Close()
	_ = g.cmd.Process.Release()
}
