package parcel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"teikyo/models"
	"teikyo/storage"
)

// Strip copies the pack of a provision to a new key without its headers, in which the file
// keys are wrapped to the recipient's key: what is left are the documents, as
// evidence of what was given. The old object is the caller's to delete, once a
// row names the new one.
func Strip(ctx context.Context, objects storage.Store, key string, prov models.Provision) (Pack, error) {
	headers := int64(prov.FileCount) * int64(prov.HeaderSize)
	body, err := objects.Open(ctx, prov.PackKey, headers, -1)
	if err != nil {
		return Pack{}, storeError(err)
	}
	defer body.Close()
	sum := sha256.New()
	if _, err := objects.Put(ctx, key, io.TeeReader(body, sum), -1); err != nil {
		return Pack{}, models.Wrap(models.Unavailable, err, "the documents of a parcel could not be kept; it is tried again")
	}
	pack := Pack{Key: key, SHA256: hex.EncodeToString(sum.Sum(nil)), ManifestSHA256: prov.ManifestSHA256}
	for _, d := range prov.Documents {
		d.Offset -= headers
		pack.Documents = append(pack.Documents, d)
	}
	return pack, nil
}
