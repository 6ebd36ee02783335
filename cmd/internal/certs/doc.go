// Package certs is the face "trireme certs": it makes, renews, bundles and verifies the certificate files that a cluster's
// transfers, its servers and the tools around them share. What a certificate looks like is the business of wire/identity/ca,
// what is accepted that of wire/identity; here are the words, the files and their owners.
//
// No file is replaced without --force. Every file is written whole beside its place, with its final mode and owner, made
// durable, and then given its name, so nobody ever reads half of one and a key is never readable by others, not even for a
// moment. A private key gets mode 0600, or keeps the group's right to read when it takes the place of one that had it. The
// owner is --owner, else the one of the file that is replaced, else, for root, the owner of the directory.
//
// What is not guaranteed: certificate and key in two files are replaced one after the other, so a crash between the two leaves
// a pair that does not fit (verify says so; a combined file has no such moment). Nothing is recorded about what was issued,
// nothing is revoked, and keys are not encrypted.
//
// Nothing here starts a goroutine.
package certs
