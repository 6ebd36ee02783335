// Package serveremul plays the server's side of a state snapshot transfer, for tests: it starts an SST program the way
// each family of servers does, with that family's command line, environment, standard input and process group, reads its
// standard output with that family's buffer sizes and rules, answers flush requests with that family's files, and judges
// the result as that family would. It shares no code with the package that talks to real servers, so that a
// misreading in one of them shows up.
//
// It is stricter than the servers: whatever a server would only warn about, or would take by luck, is a violation and
// fails the test, unless the test says that it expects violations. One stray byte on standard output is enough.
//
// A Pair is a whole transfer between two such servers, on small datadirs of Fill that look right to a program, with the
// rules of what must be equal and what must be untouched afterwards.
//
// What is not guaranteed: anything about table data of real servers. Lock and freeze are hooks of the test. Nor is a family's behaviour
// proven here; the profiles hold what is known of it, and a real server has the last word.
//
// Goroutines: each started program has one that reads its lines and one that collects its standard error. Wait ends
// with both, and the test's cleanup kills the program and waits for them in any case.
package serveremul
