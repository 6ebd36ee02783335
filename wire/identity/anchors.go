package identity

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// loadAnchors reads CA and CAPath. A CA that is a directory, or ends in a slash, is a CAPath (sst-options 2).
func (m *Material) loadAnchors(f Files) error {
	var from []string
	for _, src := range []Source{f.CA, f.CAPath} {
		if src.Path == "" {
			continue
		}
		info, err := os.Stat(src.Path)
		if err != nil {
			return fmt.Errorf("%s: %w", src, openError(err))
		}
		before := len(m.Anchors)
		switch {
		case info.IsDir():
			err = m.readAnchorDir(src)
		case src == f.CAPath:
			err = fmt.Errorf("%s: is a file, wanted a directory with PEM files; use %s for a file", src, src.beside("ca"))
		default:
			err = m.readAnchorFile(src)
		}
		if err != nil {
			return err
		}
		if len(m.Anchors) > before {
			from = append(from, src.String())
		}
	}
	m.AnchorsFrom = strings.Join(from, " and ")
	for _, a := range m.Anchors {
		if selfSigned(a) {
			return nil
		}
	}
	if len(m.Anchors) > 0 && !f.AcceptListed {
		m.warn("%s: no certificate in there is self-signed (found %s), so nothing can be trusted through it; add the root certificate", m.AnchorsFrom, listSubjects(m.Anchors))
	}
	return nil
}

func (m *Material) readAnchorFile(src Source) error {
	p, err := readPEM(src)
	if err != nil {
		return err
	}
	if len(p.certs) == 0 {
		return fmt.Errorf("%s: found %s, wanted at least one CA certificate in PEM form", src, p.noPEM())
	}
	if p.crls > 0 {
		m.warn("%s: %d revocation lists in the file are not used", src, p.crls)
	}
	if len(p.keys) > 0 || p.encrypted {
		m.warn("%s: the CA file holds a private key, which does not belong on this host", src)
	}
	m.addAnchors(p.certs)
	return nil
}

// readAnchorDir takes every readable PEM file of the directory. The hashed names of c_rehash are not required: they are
// forgotten as often as not, and the links they are would only give the same certificates again.
func (m *Material) readAnchorDir(src Source) error {
	entries, err := os.ReadDir(src.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", src, openError(err))
	}
	if len(entries) > maxDirFiles {
		return fmt.Errorf("%s: %d entries, at most %d are read; name a CA file instead", src, len(entries), maxDirFiles)
	}
	before := len(m.Anchors)
	for _, e := range entries {
		file := src
		file.Path = filepath.Join(src.Path, e.Name())
		info, err := os.Stat(file.Path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxFileSize {
			continue
		}
		p, err := readPEM(file)
		if err != nil {
			m.warn("%v: the file is skipped", err)
			continue
		}
		m.addAnchors(p.certs)
	}
	if len(m.Anchors) == before {
		return fmt.Errorf("%s: none of the %d entries of the directory is a readable PEM file with a certificate", src, len(entries))
	}
	return nil
}

// addAnchors leaves out what is there already: a hashed directory has every certificate twice.
func (m *Material) addAnchors(certs []*x509.Certificate) {
next:
	for _, c := range certs {
		for _, a := range m.Anchors {
			if bytes.Equal(a.Raw, c.Raw) {
				continue next
			}
		}
		m.Anchors = append(m.Anchors, c)
	}
}
