// Package received decides whether a parcel is genuine: the issuers that are known
// to the user, and the checks that a parcel passes before anything of it gets its
// final name.
//
// The order is always the same: the issuer file is compared with the pinned one
// (Trust), the receipt and its checkpoint are verified with the issuer's keys
// (Proof), the manifest must be the one that the receipt names and be signed
// (Parcel), then every file must have the digests of the manifest (package arrival).
// Package client brings the bytes over the network; open.go and verify.go take
// them from folders.
package received

import (
	"runtime"

	"teikyo/models"
)

// Paths of the documents of a parcel (DESIGN.md 4).
const (
	ManifestPath  = "manifest.json"
	SignaturePath = "manifest.json.sig"
	IssuerPath    = "issuer.json"
	ReceiptPath   = "RECEIPT.tlog-proof"
	SumsPath      = "SHA256SUMS.age"

	dataFolder   = "data/"
	sealedSuffix = ".age"
)

// MaxManifest bounds the manifests that are read, in bytes: one of 50,000 files
// with long paths stays below.
const MaxManifest = 128 << 20

func integrity(err error, msg string) error { return models.Wrap(models.Integrity, err, msg) }

func wrongDigest(name string) error {
	return models.Errorf(models.Integrity, "%s is not what the issuer signed: the digest is wrong", name)
}

// workers is how many files are worked on at once.
func workers() int { return min(4, runtime.GOMAXPROCS(0)) }
