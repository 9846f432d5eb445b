package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

// Error codes of S3 stores that decide what happens next. The first list is of
// Amazon's API reference ("Error responses"), the second of what others send.
const (
	codeNoSuchKey      = "NoSuchKey"
	codeNoSuchBucket   = "NoSuchBucket"
	codeNoSuchUpload   = "NoSuchUpload"
	codeInvalidRange   = "InvalidRange"
	codePrecondition   = "PreconditionFailed"
	codeConflict       = "ConditionalRequestConflict"
	codeBadDigest      = "BadDigest"
	codeChecksum       = "XAmzContentChecksumMismatch"
	codeParentIsObject = "ObjectParentIsFile"

	codeStorageFull = "XMinioStorageFull"
	codeQuota       = "QuotaExceeded"
	codeNoSpace     = "InsufficientStorage"
)

// failed says which step failed, in the words of package storage.
func failed(step string, err error) error {
	return fmt.Errorf("storage/s3: %s: %w", step, translate(err))
}

// translate puts the error of package storage before that of the store.
func translate(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("the object store cannot be reached or broke off: %w", err)
	}
	if known := sentinel(answer); known != nil {
		return fmt.Errorf("%w: %w", known, err)
	}
	switch {
	case answer.Code == codeNoSuchBucket:
		return fmt.Errorf("the bucket %s does not exist; make it, or correct storage.url: %w", answer.BucketName, err)
	case answer.Code == codeNoSuchUpload:
		return fmt.Errorf("%w: %w", errSwept, err)
	case answer.Code == codeParentIsObject:
		return fmt.Errorf("an object stands where the prefix of storage.url needs a folder; choose another prefix: %w", err)
	case answer.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("the object store is busy or broken (%d %s); try again: %w", answer.StatusCode, answer.Code, err)
	}
	return fmt.Errorf("the object store refused (%d %s): %w", answer.StatusCode, answer.Code, err)
}

// sentinel is the error of package storage that an answer stands for.
func sentinel(answer minio.ErrorResponse) error {
	switch answer.Code {
	case codeNoSuchKey:
		return storage.ErrNotExist
	case codePrecondition, codeConflict:
		return storage.ErrExists
	case codeInvalidRange:
		return storage.ErrRange
	case codeBadDigest, codeChecksum:
		return storage.ErrCorrupt
	case codeStorageFull, codeQuota, codeNoSpace:
		return storage.ErrFull
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return storage.ErrDenied
	case http.StatusInsufficientStorage:
		return storage.ErrFull
	}
	return nil
}

func hasCode(err error, codes ...string) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	for _, code := range codes {
		if answer.Code == code {
			return true
		}
	}
	return false
}

// definite reports whether an error of a write proves that nothing was written:
// the store itself said so, and no earlier attempt can have come through.
func definite(err error) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || hasCode(err, codePrecondition, codeConflict, codeNoSuchUpload) {
		return false
	}
	return answer.StatusCode >= 400 && answer.StatusCode < 500 && answer.StatusCode != http.StatusRequestTimeout
}
