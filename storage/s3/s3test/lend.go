package s3test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"teikyo/storage/s3"
)

// lentVariable tells a test program of a store that it may use.
const lentVariable = "TEST_STORE"

// Lend runs a server until the end of the test and returns the entry of an
// environment that lends it to another test program.
func Lend(tb testing.TB) string {
	tb.Helper()
	return lentVariable + "=" + Start(tb).URL("lent")
}

// Borrowed is a new, empty store in the server that this process was lent; nil
// when it was lent none.
func Borrowed(tb testing.TB) *s3.Store {
	tb.Helper()
	lent := os.Getenv(lentVariable)
	if lent == "" {
		return nil
	}
	opts, err := s3.ParseURL(lent)
	if err != nil {
		tb.Fatal(err)
	}
	opts.Prefix += "/" + strings.ToLower(rand.Text())
	return OpenWith(tb, opts)
}
