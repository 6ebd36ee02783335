//go:build !profile

package main

// profile does nothing; builds with the tag profile measure themselves.
func profile() (stop func()) { return func() {} }
