// Package keyring knows where the servers of the MySQL family keep the keys of encrypted
// tables, and moves the file of such a keyring: read at the donor, put in place at the
// joiner. Whether keys may travel at all is decided in package proto.
//
// Keyring plugins are found by their options, keyring components by the files that load
// and configure them (MySQL manual, "Keyring Component Installation"). Vaults and other
// services are only named, so that both ends can be compared; tokens and passwords in
// their configuration never leave this package.
//
// A keyring file is opaque here. It is put in place whole or not at all: written beside
// its place with mode 0600, made durable, renamed. The content is in no error and no log.
//
// What is not guaranteed: that a server can use the keys it is given, and that a place
// which is compiled into a server is found. MariaDB's key plugins are not looked at; their
// files are part of each node's set-up. The package starts no goroutines.
package keyring
