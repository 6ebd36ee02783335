package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// pemFile is the useful content of one PEM file.
type pemFile struct {
	certs     []*x509.Certificate
	keys      []*pem.Block // private keys in the clear
	encrypted bool         // a private key that needs a passphrase
	crls      int
	blocks    int
	raw       []byte
}

// Bundle is what a file of certificates holds, as far as it matters for trust.
type Bundle struct {
	Certificates []*x509.Certificate // in the order of the file, at least one
	Revocations  int                 // revocation lists, which nothing here uses
	HasKey       bool                // a private key stands in it as well, in whatever form
}

// ReadBundle reads the certificates of a PEM file without judging them.
func ReadBundle(src Source) (Bundle, error) {
	p, err := readPEM(src)
	if err != nil {
		return Bundle{}, err
	}
	if len(p.certs) == 0 {
		return Bundle{}, fmt.Errorf("%s: found %s, wanted at least one certificate in PEM form", src, p.noPEM())
	}
	return Bundle{Certificates: p.certs, Revocations: p.crls, HasKey: len(p.keys) > 0 || p.encrypted}, nil
}

// readPEM reads a file and sorts its blocks. Text between blocks is skipped, as every PEM reader does.
func readPEM(src Source) (*pemFile, error) {
	text, err := readLimited(src)
	if err != nil {
		return nil, err
	}
	// An editor's byte order mark would hide the first block.
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	p := &pemFile{raw: text}
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return p, nil
		}
		p.blocks++
		if err := p.add(b); err != nil {
			return nil, fmt.Errorf("%s: block %d: %w", src, p.blocks, err)
		}
	}
}

func (p *pemFile) add(b *pem.Block) error {
	switch {
	case b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE":
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return fmt.Errorf("the certificate cannot be read, issue it again: %w", err)
		}
		p.certs = append(p.certs, c)
	case b.Type == "TRUSTED CERTIFICATE":
		// The form carries trust settings, rejections among them. Dropping those silently could only widen trust.
		return errors.New(`a TRUSTED CERTIFICATE carries trust settings that only OpenSSL understands; convert it with "openssl x509 -in FILE -out NEW"`)
	case b.Type == "X509 CRL":
		p.crls++
	case b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
		p.encrypted = true
	case b.Type == "PRIVATE KEY" || strings.HasSuffix(b.Type, " PRIVATE KEY"):
		p.keys = append(p.keys, b)
	}
	return nil
}

// noPEM says what a file without any useful block looks like instead.
func (p *pemFile) noPEM() string {
	switch {
	case len(bytes.TrimSpace(p.raw)) == 0:
		return "the file is empty"
	case p.blocks > 0:
		return fmt.Sprintf("%d PEM blocks, none of this kind", p.blocks)
	case p.raw[0] == 0x30:
		// 0x30 opens an ASN.1 sequence: DER certificates, PKCS#12 and PKCS#8 all begin so.
		return `no PEM block; it looks like DER or PKCS#12, convert it with "openssl x509 -inform DER" or "openssl pkcs12 -nodes"`
	}
	return "no PEM block (-----BEGIN ...-----)"
}

func readLimited(src Source) ([]byte, error) {
	f, err := os.Open(src.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, openError(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory, wanted a PEM file", src)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	if len(text) > maxFileSize {
		return nil, fmt.Errorf("%s: larger than %d MiB, this is no certificate file", src, maxFileSize>>20)
	}
	return text, nil
}

// openError drops the path, which the Source says already, and adds what to do.
func openError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the file does not exist (%w); correct the option or create the file", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("user id %d may not read the file (%w); the server's user needs read access to it and search access to its directories", os.Geteuid(), err)
	}
	return err
}
