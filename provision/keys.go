package provision

import (
	"context"
	"encoding/hex"
	"errors"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/provision/parcel"
)

// fewFiles is up to how many files of a large version are read one by one
// instead of paging through the whole version.
const fewFiles = 100

// forget wipes the file keys, which are not needed any more.
func forget(files []parcel.File) {
	for i := range files {
		files[i].Key = crypto.FileKey{}
	}
}

// sealed unwraps the keys of the chosen files.
func (s *Service) sealed(ctx context.Context, g ground) ([]parcel.File, error) {
	chosen := g.choice.files
	if chosen == nil {
		var err error
		if chosen, err = s.files(ctx, g.version, ""); err != nil {
			return nil, err
		}
	}
	if len(chosen) != g.choice.count {
		return nil, models.Errorf(models.Integrity, "version %d of %s does not have the files that were registered; run teikyo doctor",
			g.version.Number, g.version.DatasetID)
	}
	contents, err := s.contents(ctx, g.version, chosen)
	if err != nil {
		return nil, err
	}
	files := make([]parcel.File, 0, len(chosen))
	for _, f := range chosen {
		file, err := s.unwrap(ctx, f, contents[f.SealedID])
		if err != nil {
			forget(files)
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// contents finds the sealed files of the chosen ones, by id.
func (s *Service) contents(ctx context.Context, v models.Version, chosen []models.File) (map[string]models.SealedFile, error) {
	if len(chosen) <= fewFiles && len(chosen) < v.FileCount {
		return s.someContents(ctx, chosen)
	}
	wanted := make(map[string]bool, len(chosen))
	for _, f := range chosen {
		wanted[f.SealedID] = true
	}
	found := make(map[string]models.SealedFile, len(chosen))
	for after := ""; ; {
		page, err := s.Store.SealedFilesOf(ctx, v.DatasetID, v.Number, after, filePage)
		if err != nil {
			return nil, err
		}
		for _, sealed := range page {
			if wanted[sealed.ID] {
				sealed.Segments = nil // not needed here
				found[sealed.ID] = sealed
			}
		}
		if len(page) < filePage {
			return found, nil
		}
		files, err := s.Store.Files(ctx, v.DatasetID, v.Number, after, filePage)
		if err != nil {
			return nil, err
		}
		after = files[len(files)-1].Path
	}
}

// someContents reads a few sealed files of a large version one by one.
func (s *Service) someContents(ctx context.Context, chosen []models.File) (map[string]models.SealedFile, error) {
	found := make(map[string]models.SealedFile, len(chosen))
	for _, f := range chosen {
		sealed, err := s.Store.SealedFile(ctx, f.SealedID)
		if err != nil {
			return nil, err
		}
		found[f.SealedID] = sealed
	}
	return found, nil
}

func (s *Service) unwrap(ctx context.Context, f models.File, sealed models.SealedFile) (parcel.File, error) {
	file := parcel.File{
		Number: f.Number, Path: f.Path, Items: f.Items, MediaType: f.MediaType, Size: f.Size, SHA256: f.SHA256,
		PayloadSize: sealed.PayloadSize, PayloadSHA256: sealed.PayloadSHA256,
	}
	payload := crypto.WrapContext{Purpose: crypto.WrapFile, FileID: sealed.ID}
	digest, err := hex.DecodeString(sealed.PayloadSHA256)
	if err != nil || len(digest) != len(payload.PayloadSHA256) || sealed.State != models.SealedComplete {
		return file, models.Errorf(models.Integrity, "the sealed contents of %s are not whole; run teikyo doctor", f.Path)
	}
	copy(payload.PayloadSHA256[:], digest)
	if file.Key, err = crypto.UnwrapFileKey(ctx, s.KEK, sealed.KEKID, sealed.WrappedKey, payload); err != nil {
		if errors.Is(err, crypto.ErrProvider) {
			return file, models.Wrap(models.Unavailable, err, "the provider of the server's keys does not answer; try again")
		}
		return file, models.Wrap(models.Integrity, err, "the key of a file cannot be unwrapped; run teikyo doctor on the server")
	}
	return file, nil
}
