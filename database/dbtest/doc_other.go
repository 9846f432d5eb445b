//go:build !unix

// Package dbtest starts throw-away databases for tests.
package dbtest

import "testing"

// Postgres skips: the throw-away cluster needs Unix sockets.
func Postgres(t testing.TB) string {
	t.Skip("the throw-away PostgreSQL needs Unix sockets")
	return ""
}
