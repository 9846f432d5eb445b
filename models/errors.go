package models

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind says what a failure means to the caller. It is the only thing that
// HTTP status codes, problem types and exit codes are derived from.
type ErrorKind string

// The kinds of failure. handlers maps them to RFC 9457 problems, cmd to exit codes.
const (
	Invalid     ErrorKind = "invalid"      // the input is wrong; it will never work as it is
	Denied      ErrorKind = "denied"       // not signed in, or not allowed
	NotFound    ErrorKind = "not_found"    // absent, or the caller may not know that it exists
	Conflict    ErrorKind = "conflict"     // the state does not allow it now
	Expired     ErrorKind = "expired"      // genuine, but expired, revoked or used up
	TooLarge    ErrorKind = "too_large"    // over a limit
	Unavailable ErrorKind = "unavailable"  // a retry later helps
	Full        ErrorKind = "full"         // no space left
	Integrity   ErrorKind = "integrity"    // a digest or signature does not hold
	RateLimited ErrorKind = "rate_limited" // too many attempts; wait
	Internal    ErrorKind = "internal"     // our fault; details are in the log only
)

// Error is the one error type that crosses package borders. Msg is shown to
// people: it says what is wrong and what to do next, and holds no secret. Err
// is the cause; it goes to the log and never to a client.
type Error struct {
	Kind ErrorKind
	Msg  string
	Err  error
	// Findings are further sentences, one per wrong part (for example one per
	// finding of the gate), shown under Msg.
	Findings []Finding
	// RetryAfter is how long to wait, with RateLimited and Unavailable; zero when
	// nobody knows.
	RetryAfter time.Duration
}

// Finding is one wrong part of an input: where, which rule, and in words.
type Finding struct {
	ID       string // stable id that a waiver can name, empty where none is possible
	Location string // field, path or column
	Rule     string
	Msg      string
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of kind with a formatted message and no cause; use Wrap
// where there is one.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error of kind around the cause err; msg is for people.
func Wrap(kind ErrorKind, err error, msg string) *Error {
	return &Error{Kind: kind, Msg: msg, Err: err}
}

// KindOf returns the kind of err: that of the outermost Error in its chain,
// Internal for any other error, and "" for nil.
func KindOf(err error) ErrorKind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// IsKind reports whether err is an Error of kind.
func IsKind(err error, kind ErrorKind) bool { return err != nil && KindOf(err) == kind }
