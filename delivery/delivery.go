// Package delivery says what a way out is: something that carries a parcel to a
// destination, goes on where an earlier attempt stopped, and can ask afterwards
// whether it is all there. The ways themselves stand below it.
package delivery

import (
	"context"
	"io"
	"iter"

	"teikyo/models"
)

// File is one file of a parcel.
type File struct {
	Path string // in the parcel, with slashes
	Size int64  // bytes
	Tag  string // another one when the contents differ
	// Open reads from offset to the end.
	Open func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

// Parcel is what a channel carries.
type Parcel struct {
	// Folder is the name of the folder in which it stands at the target.
	Folder string
	// Files are always in the same order, the manifest last: whoever sees that
	// one has all.
	Files iter.Seq2[File, error]
}

// Target is where a parcel goes, and how to log in there.
type Target struct {
	Destination models.Destination
	Secret      []byte
}

// Track is how far a delivery has come. Done files, in the order of the parcel,
// are at the target.
type Track struct {
	Done int
	// FileDone hears that one more file is there.
	FileDone func()
	// Moved hears how many bytes of the current file the target holds, whenever
	// there are more of them.
	Moved func(held int64)
}

// Seen is what a target showed when it was asked afterwards.
type Seen struct {
	// Confirmed says that every file was found with its contents.
	Confirmed bool
	// Why says what kept the target from confirming.
	Why string
}

// Channel is a way out to one type of destination.
type Channel interface {
	// Connect logs in. No byte of a parcel goes out by it.
	Connect(ctx context.Context, to Target) (Session, error)
}

// Session is one connection to a destination. When the context of a call ends,
// the connection is cut and the call returns.
//
// Errors are models.Errors without secrets; those that repeating cannot help are
// Final.
type Session interface {
	// Send carries the files of the parcel after the first Done ones.
	Send(ctx context.Context, p Parcel, t *Track) error
	// Confirm asks whether the target holds the whole parcel. A file with other
	// contents is an Integrity error; sending everything again puts it right.
	Confirm(ctx context.Context, p Parcel) (Seen, error)
	Close() error
}

// Final is an error after which a person must do something.
type Final struct{ Err error }

// Error implements error.
func (f Final) Error() string { return f.Err.Error() }

// Unwrap gives what went wrong.
func (f Final) Unwrap() error { return f.Err }
