// Package image makes file systems of a wanted kind for tests: an image file that is mounted through a loop device.
//
// Mount is all there is. It skips the test, with the reason, where the machine cannot: the caller is not root, there is no loop
// device, the kernel does not know the file system, its mkfs is not installed.
//
// Not guaranteed: that a mount goes when the program is killed. The image file has no name any more by then, so that unmounting by
// hand frees everything. Nothing here is safe against a full disk below the image.
//
// The package imports no other package of the project and starts no goroutine.
package image
