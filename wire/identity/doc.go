// Package identity reads a node's certificate files and decides whether a peer's certificate is good enough.
//
// All trust decisions of the transfer are made here, by one function: Policy.Check. Its rules follow what OpenSSL-based
// tools did before, because existing certificates must keep working, and they are stricter than crypto/x509 in one point:
// only self-signed certificates are anchors, so a CA file that holds an intermediate alone proves nothing. They are more
// lenient in three: a common name counts when the certificate has no DNS or IP name at all, an address written as text is
// recognised, and the extended key usage is only warned about, since most clusters have one certificate per node for both
// directions. The name constraints of CAs hold for the first two as well.
//
// Load turns bad set-ups into one line that names option, origin and file, what was found and what to do. Nothing falls
// back to the system's trust store: without a CA file there is no trust.
//
// Not guaranteed: there is no revocation (CRLs in a CA file are skipped with a warning), no certificate policy, and a name
// that came out of a reverse look-up is worth what the resolver is worth. Names are compared only when the policy asks for it. A
// partial wildcard such as node*.example.org, which OpenSSL takes, is not matched.
//
// Files are read once; nothing is watched or cached. No goroutine outlives a call. Material and Policy are values to be read by
// several goroutines once filled in; no function changes them. Key content never appears in an error or warning.
package identity
