// Package parcel knows what a parcel is made of (DESIGN.md 4): the header pack
// and the documents that are made for one provision, in one write-once object,
// and the sealed payloads that all recipients share. Build makes the object,
// Reader puts the parcel together again at any path and offset.
package parcel

// Entry is one file of a parcel as the recipient sees it.
type Entry struct {
	Path string
	Size int64  // bytes: header and payload for a sealed file
	ETag string // strong and quoted (RFC 9110, 8.8.3); stable across restarts
}

// Reader reads one parcel.
type Reader struct{}
