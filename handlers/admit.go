package handlers

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"teikyo/models"
)

const (
	defaultBody = 1 << 20  // bytes of a JSON body
	publicBody  = 64 << 10 // bytes where nobody needs to sign in
	// maxValues bounds the values of a JSON body: decoding and validating an
	// empty object costs a thousand times its size in memory.
	maxValues = 60_000
)

// bodyLimit is the largest JSON body of the route, in bytes.
func (r route) bodyLimit() int64 {
	switch {
	case r.maxBody != 0:
		return r.maxBody
	case r.public:
		return publicBody
	}
	return defaultBody
}

// admit keeps bodies that cost more than they say away from the decoder: those
// of people who are not signed in are not even read.
func (r route) admit(ctx huma.Context, next func(huma.Context)) {
	limit := r.bodyLimit()
	if limit < 0 { // a stream, which the use case reads
		next(ctx)
		return
	}
	c := humagin.Unwrap(ctx)
	if !r.public && !actorOf(c.Request.Context()).SignedIn() {
		writeProblem(c, models.Errorf(models.Denied, "sign in first (teikyo login)"))
		return
	}
	body, err := readJSON(c.Request.Body, limit)
	if err != nil {
		writeProblem(c, err)
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	next(ctx)
}

// readJSON reads a body whole, as long as it is not too large in bytes or
// values.
func readJSON(from io.Reader, limit int64) ([]byte, error) {
	if from == nil || from == http.NoBody {
		return nil, nil
	}
	var body bytes.Buffer
	count := valueCounter{left: maxValues}
	n, err := io.Copy(io.MultiWriter(&body, &count), io.LimitReader(from, limit+1))
	switch {
	case errors.Is(err, errManyValues):
		return nil, models.Errorf(models.TooLarge, "the body holds more than %d values; send it in several requests", maxValues)
	case err != nil:
		return nil, models.Wrap(models.Invalid, err, "the body of the request did not arrive as a whole; send it again")
	case n > limit:
		return nil, models.Errorf(models.TooLarge, "the body is larger than %d bytes; send it in several requests", limit)
	}
	return body.Bytes(), nil
}

var errManyValues = errors.New("handlers: too many values")

// valueCounter counts what begins a value of JSON text: commas and opening
// brackets outside of strings. It need not know whether the text is well-formed.
type valueCounter struct {
	left            int
	quoted, escaped bool
}

// Write implements io.Writer.
func (v *valueCounter) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case v.escaped:
			v.escaped = false
		case v.quoted:
			v.escaped, v.quoted = b == '\\', b != '"'
		case b == '"':
			v.quoted = true
		case b == ',' || b == '[' || b == '{':
			v.left--
		}
	}
	if v.left < 0 {
		return 0, errManyValues
	}
	return len(p), nil
}
