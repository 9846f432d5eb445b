package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// ManifestNamespace keeps manifest signatures apart from other OpenSSH ones.
const ManifestNamespace = "teikyo-manifest"

// CertificateNamespace is that of certificates of destruction, which the manifest
// key signs, too: a signature of one namespace is none in the other.
const CertificateNamespace = "teikyo-certificate"

const (
	sshsigMagic  = "SSHSIG"
	sshsigHash   = "sha512"
	sshsigArmor  = "SSH SIGNATURE"
	sshsigLine   = 70 // columns, as ssh-keygen writes
	maxSignature = 4 << 10

	// keyChangeGrace covers the time between signing and the ledger entry when a
	// key changes in between.
	keyChangeGrace = 10 * time.Minute
)

var (
	// ErrSignature: malformed, or not of this manifest.
	ErrSignature = errors.New("crypto: the signature does not fit the manifest")
	// ErrUnknownSigner: well signed, but by a key that is not the issuer's, was
	// not its key at that time, or was revoked.
	ErrUnknownSigner = errors.New("crypto: signed by a key that the issuer did not use then")
)

// sshsigBlob is the signature file (OpenSSH PROTOCOL.sshsig), after the magic.
type sshsigBlob struct {
	Version   uint32
	PublicKey string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

// sshsigSigned is what is signed, after the magic.
type sshsigSigned struct {
	Namespace string
	Reserved  string
	Hash      string
	Digest    string
}

func signedBytes(namespace string, digest [sha512.Size]byte) []byte {
	return append([]byte(sshsigMagic), ssh.Marshal(sshsigSigned{
		Namespace: namespace, Hash: sshsigHash, Digest: string(digest[:]),
	})...)
}

// SignManifest returns the armoured OpenSSH signature of a message; see
// SignManifestDigest.
func SignManifest(key SigningKey, message io.Reader) ([]byte, error) {
	digest, err := sha512Of(message)
	if err != nil {
		return nil, err
	}
	return SignManifestDigest(key, digest)
}

// SignManifestDigest signs the SHA-512 of a manifest in the namespace
// teikyo-manifest. `ssh-keygen -Y verify` checks the result.
func SignManifestDigest(key SigningKey, digest [sha512.Size]byte) ([]byte, error) {
	return signDigest(key, ManifestNamespace, digest)
}

// SignCertificate signs a certificate of destruction in the namespace
// teikyo-certificate. `ssh-keygen -Y verify` checks the result.
func SignCertificate(key SigningKey, certificate []byte) ([]byte, error) {
	return signDigest(key, CertificateNamespace, sha512.Sum512(certificate))
}

func signDigest(key SigningKey, namespace string, digest [sha512.Size]byte) ([]byte, error) {
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("crypto: manifest key: %w", err)
	}
	signature := ssh.Signature{Format: ssh.KeyAlgoED25519, Blob: ed25519.Sign(key.private, signedBytes(namespace, digest))}
	blob := append([]byte(sshsigMagic), ssh.Marshal(sshsigBlob{
		Version: 1, PublicKey: string(public.Marshal()), Namespace: namespace,
		Hash: sshsigHash, Signature: string(ssh.Marshal(signature)),
	})...)
	return armor(blob), nil
}

func armor(blob []byte) []byte {
	text := []byte(base64.StdEncoding.EncodeToString(blob))
	out := []byte("-----BEGIN " + sshsigArmor + "-----\n")
	for line := range slices.Chunk(text, sshsigLine) {
		out = append(append(out, line...), '\n')
	}
	return append(out, "-----END "+sshsigArmor+"-----\n"...)
}

func sha512Of(r io.Reader) (digest [sha512.Size]byte, err error) {
	h := sha512.New()
	if _, err := io.Copy(h, r); err != nil {
		return digest, &SourceError{err}
	}
	return [sha512.Size]byte(h.Sum(nil)), nil
}

// VerifyManifestSignature checks an armoured signature of a message against the
// issuer's history: the key must have been in use at the time at (zero: any
// time), and when it is revoked, ledgerIndex must lie below the revocation (-1:
// not known). Errors: ErrSignature, ErrUnknownSigner, *SourceError.
func VerifyManifestSignature(issuer Issuer, message io.Reader, signature []byte, at time.Time, ledgerIndex int64) error {
	digest, err := sha512Of(message)
	if err != nil {
		return err
	}
	return VerifyManifestDigest(issuer, digest, signature, at, ledgerIndex)
}

// VerifyManifestDigest is VerifyManifestSignature for a SHA-512 already taken.
func VerifyManifestDigest(issuer Issuer, digest [sha512.Size]byte, signature []byte, at time.Time, ledgerIndex int64) error {
	key, sig, err := parseSignature(signature)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, signedBytes(ManifestNamespace, digest), sig) {
		return ErrSignature
	}
	for _, p := range issuer.history(UseManifest) {
		if key.Equal(p.key()) && p.covers(at, ledgerIndex) {
			return nil
		}
	}
	return ErrUnknownSigner
}

func (p keyPeriod) covers(at time.Time, ledgerIndex int64) bool {
	if p.RevokedFrom >= 0 && (ledgerIndex < 0 || ledgerIndex >= p.RevokedFrom) {
		return false
	}
	tooEarly := at.Before(p.From.Add(-keyChangeGrace))
	tooLate := !p.Until.IsZero() && at.After(p.Until.Add(keyChangeGrace))
	return at.IsZero() || !tooEarly && !tooLate
}

// parseSignature accepts only what SignManifestDigest writes: version 1,
// Ed25519, SHA-512, our namespace.
func parseSignature(text []byte) (ed25519.PublicKey, []byte, error) {
	if len(text) > maxSignature {
		return nil, nil, ErrSignature
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	block, _ := pem.Decode(text)
	if block == nil || !bytes.Equal(armor(block.Bytes), text) || !bytes.HasPrefix(block.Bytes, []byte(sshsigMagic)) {
		return nil, nil, ErrSignature
	}
	var blob sshsigBlob
	var sig ssh.Signature
	if ssh.Unmarshal(block.Bytes[len(sshsigMagic):], &blob) != nil || ssh.Unmarshal([]byte(blob.Signature), &sig) != nil {
		return nil, nil, ErrSignature
	}
	if blob.Version != 1 || blob.Namespace != ManifestNamespace || blob.Reserved != "" || blob.Hash != sshsigHash {
		return nil, nil, ErrSignature
	}
	var key struct {
		Format string
		Public []byte
	}
	if ssh.Unmarshal([]byte(blob.PublicKey), &key) != nil || len(sig.Rest) > 0 {
		return nil, nil, ErrSignature
	}
	if key.Format != ssh.KeyAlgoED25519 || sig.Format != ssh.KeyAlgoED25519 || len(key.Public) != ed25519.PublicKeySize {
		return nil, nil, ErrSignature
	}
	return key.Public, sig.Blob, nil
}
