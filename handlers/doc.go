// Package handlers is the HTTP edge: decode, one use-case call, render. The
// API under /api/v1 is described by the same structs that decode it (huma,
// OpenAPI 3.1). Handlers return errors; problem.go maps them, once. Nothing is
// decided here.
package handlers
