// Package ca makes certificates: a small authority, node certificates signed by it, self-signed ones, and successors of both.
//
// It exists so that a cluster can be given mutual TLS without a shell full of openssl calls, and so that tests and the
// demonstration do not need any. Keys are ECDSA P-256 unless RSA is asked for; both are understood by every program that
// the transfer replaces, so the files serve the old tools as well.
//
// Guarantees: serial numbers are random and positive, every certificate carries key identifiers (which keeps a node
// certificate with the CA's own subject from looking self-signed to OpenSSL), names are put into the subject alternative
// name extension, validity starts a little in the past because clocks differ, and a node certificate never outlives its
// authority. No node gets the authority's own common name, the classic mistake with the manual's recipe.
//
// Not guaranteed: nothing is written to disk, keys are returned unencrypted, there is no revocation and no record of what was
// issued. Whoever holds an Authority can become any node of the cluster; where its key is kept is the caller's business.
//
// An Authority is not changed after it was made and is safe for concurrent use. Returned slices belong to the caller.
package ca
