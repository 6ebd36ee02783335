// Package ends turns the settings of one node into the two things that every transfer
// needs of it, whoever started it: the layout of its directories, and its end of the
// channel with what the other end must show (design section 4).
//
// It opens option values, not connections. Nothing is guaranteed about what lies in
// the directories, and names in certificates are compared by the donor only. The
// package starts no goroutines; Name asks the resolver and waits for it.
package ends
