// Package parcel knows what a parcel is made of (DESIGN.md 4): the header pack
// and the documents that are made for one provision, in one write-once object,
// and the sealed payloads that all recipients share. Build makes the object,
// Reader puts the parcel together again at any path and offset.
//
// The object is laid out as
//
//	headers    one record of the same size for each file, in the order of paths
//	index      for a part of a version only: the number of each file in its
//	           version, 4 bytes big endian, ascending
//	documents  each at the offset and with the size that the row says
package parcel

import (
	"cmp"
	"strings"

	"teikyo/crypto"
	"teikyo/models"
)

// Paths of the documents of a parcel. All but the receipt stand in the pack.
const (
	ManifestPath    = "manifest.json"
	SignaturePath   = "manifest.json.sig"
	IssuerPath      = "issuer.json"
	DataPackagePath = "datapackage.json"
	NoticePath      = "NOTICE.txt"
	ReadmePath      = "README.txt"
	SumsPath        = "SHA256SUMS.age"
	ReceiptPath     = "RECEIPT.tlog-proof"

	dataFolder   = "data/"
	sealedSuffix = ".age"
	indexSize    = 4 // bytes of one file number
)

// KeySuffix ends the storage keys of packs, so that a sweep knows them.
const KeySuffix = "-pack"

// SealedPath is where the sealed file of a dataset's path stands in a parcel.
func SealedPath(path string) string { return dataFolder + path + sealedSuffix }

// filePath is the inverse of SealedPath.
func filePath(sealed string) (path string, ok bool) {
	rest, ok := strings.CutPrefix(sealed, dataFolder)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, sealedSuffix)
}

// comparePaths orders files as their sealed paths stand in a parcel, which is
// not the order of their own paths: "a" < "a-b", but "a-b.age" < "a.age".
func comparePaths(a, b string) int { return cmp.Compare(a+sealedSuffix, b+sealedSuffix) }

// File is one file of a version on its way into a parcel.
type File struct {
	Number        int    // in its version, by the order of paths
	Path          string // in its version
	Items         []models.Item
	MediaType     string
	Size          int64  // plaintext bytes
	SHA256        string // hex, plaintext
	PayloadSize   int64
	PayloadSHA256 string // hex
	Key           crypto.FileKey
}

// Pack is the object that Build made, as the row keeps it.
type Pack struct {
	Key            string // storage key
	SHA256         string // hex, of the whole object
	HeaderSize     int    // bytes of one header record
	Documents      []models.Document
	ManifestSHA256 string // hex
	NoticeSHA256   string // hex, of NOTICE.txt
}
