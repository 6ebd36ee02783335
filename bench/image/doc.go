// Package image makes file systems of a wanted kind for tests and races: an image file that is mounted through a loop device.
//
// New tells apart what the machine cannot do: the caller is not root, there is no loop device, the kernel does not know the file
// system, its mkfs is not installed. Mount skips a test for these reasons. Apart runs a program so that its mounts end with it,
// however it ends.
//
// Not guaranteed: without Apart, that a mount goes when the program is killed. The image file has no name any more by then, so that
// unmounting by hand frees everything. Nothing here is safe against a full disk below the image.
//
// The package imports no other package of the project. Apart waits for the one goroutine that it starts.
package image
