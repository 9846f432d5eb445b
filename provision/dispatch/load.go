package dispatch

import (
	"context"
	"io"
	"iter"
	"strconv"

	"teikyo/delivery"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// load opens the parcel and counts it.
func (r *run) load(ctx context.Context) error {
	reader, err := r.desk.Parcels.Parcel(ctx, r.ground.prov)
	if err != nil {
		return err
	}
	r.parcel = delivery.Parcel{Folder: folder(r.ground.prov), Files: files(ctx, reader)}
	r.v.Files, r.v.Bytes, r.sizes = 0, 0, nil
	for f, err := range r.parcel.Files {
		if err != nil {
			return err
		}
		r.v.Files++
		r.v.Bytes += f.Size
		r.sizes = append(r.sizes, f.Size)
	}
	return nil
}

// folder is the name of a provision's folder at the target. A reissued parcel
// does not mix with the one before.
func folder(prov models.Provision) string {
	if prov.Reissue == 0 {
		return prov.ID
	}
	return prov.ID + "-" + strconv.Itoa(prov.Reissue+1)
}

// files are those of a parcel, in the order of their paths but the manifest last.
func files(ctx context.Context, reader *parcel.Reader) iter.Seq2[delivery.File, error] {
	return func(yield func(delivery.File, error) bool) {
		var last *parcel.Entry
		for e, err := range reader.Entries(ctx) {
			if err != nil {
				yield(delivery.File{}, err)
				return
			}
			if e.Path == parcel.ManifestPath {
				last = &e
				continue
			}
			if !yield(file(reader, e), nil) {
				return
			}
		}
		if last != nil {
			yield(file(reader, *last), nil)
		}
	}
}

func file(reader *parcel.Reader, e parcel.Entry) delivery.File {
	return delivery.File{Path: e.Path, Size: e.Size, Tag: e.ETag, Open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return reader.Open(ctx, e, offset, -1)
	}}
}
