package storage

import (
	"errors"
	"fmt"
)

// Errors that every Store returns, possibly wrapped: compare with errors.Is.
var (
	// ErrNotExist means that no object has the key.
	ErrNotExist = errors.New("storage: object does not exist")
	// ErrExists means that the key is taken; a key is never written twice.
	ErrExists = errors.New("storage: object exists already")
	// ErrFull means that the device or the quota is full (ENOSPC, EDQUOT).
	ErrFull = errors.New("storage: no space left")
	// ErrInvalidKey means that the key is not one that CheckKey allows.
	ErrInvalidKey = errors.New("storage: invalid key")
	// ErrRange means that a range is negative or passes the end of the object.
	ErrRange = errors.New("storage: range outside the object")
	// ErrSize means that a body was shorter or longer than announced.
	ErrSize = errors.New("storage: body is not of the announced size")
	// ErrCorrupt means that bytes are not those that were stored, or were to be.
	ErrCorrupt = errors.New("storage: the bytes are not those that were stored")
	// ErrDenied means that the store does not accept the server's credentials, or
	// does not let them do this.
	ErrDenied = errors.New("storage: the store does not permit this")
)

// SourceError is a failure of the body given to Put, as against one of the
// store: the client went away, lied or sent what could not be decoded. The
// store itself is healthy.
type SourceError struct{ Err error }

// Error describes the failure of the source.
func (e *SourceError) Error() string { return fmt.Sprintf("storage: reading the source: %v", e.Err) }

// Unwrap returns the error that the source gave.
func (e *SourceError) Unwrap() error { return e.Err }
