// Package peer knows how to copy a directory from one end to another on this machine by this program and by those it replaces.
//
// Every contestant is run as its users would: two ends that talk over the loopback device, each in processes of its own. What
// listens is started first; the clock runs from the start of what calls until the last end has finished, so that a
// receiver's work to make data durable counts.
//
// Not guaranteed: that the others are tuned as well as can be. They have the options that the scripts of Galera give them, and as
// many processes side by side as asked for where they can be divided. Nor is the copy checked here.
//
// Run starts programs in the given meter.Group only, which ends them.
package peer
