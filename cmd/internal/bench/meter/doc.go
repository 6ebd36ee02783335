// Package meter measures what programs cost on this machine: wall time, processor time of the whole machine and of the programs
// themselves, memory, system calls, bytes over the loopback device, and how fast data came along.
//
// A Group is a set of programs that do one thing together, each at one of two ends. Their memory is looked at every 25 ms, children
// included, and what is shown is the sum over an end's processes of the most each ever held; a process that lives for less than
// that is not seen. Processor time and input and output are exact: they are read when a program has ended and before it
// is reaped.
//
// Not guaranteed: that the machine does nothing else. Processor time of the whole machine and the bytes of the loopback device are
// everybody's; Usage.Others says how much processor time was not ours. The kernel counts the former in ticks of 10 ms.
//
// A Group's methods belong to one goroutine. Start starts one that looks on, and Stop waits for it and for the programs.
package meter
