package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"teikyo/models"
)

const (
	keepAnswers      = 24 * time.Hour
	maxIdempotentKey = 200       // bytes
	maxKeptAnswer    = 256 << 10 // bytes; larger answers are not given twice
)

// idempotencyHeader is the field that a client names its request with
// (draft-ietf-httpapi-idempotency-key-header).
const idempotencyHeader = "Idempotency-Key"

// ownKeys are the operations that look after the key themselves: they find an
// interrupted draft again, which may have changed since. People who objected can
// be added again and again as it is, and the hash of such a request, which would
// be kept, could be tried with every chart number there is.
var ownKeys = []string{"dataset-create", "version-create", "objection-add"}

// secretAnswers are the operations whose answer shows a secret this once. It is
// never kept: a repetition is told that the work is done.
var secretAnswers = []string{"invite-user", "reset-user", "create-token", "link-create", "webhook-add", "webhook-rotate", "deid-bundle"}

// onceOnly makes a POST of signed-in people heed an Idempotency-Key. The other
// methods may be repeated as they are.
func (a *api) onceOnly(r route, op *huma.Operation) {
	if r.method != post || r.public || slices.Contains(ownKeys, r.id) {
		return
	}
	limit := maxIdempotentKey
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: idempotencyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &limit},
		Description: "Chosen by the client: within 24 hours the same request with the same key is carried out once.",
	})
	if a.Answers == nil {
		return
	}
	o := &once{api: a, route: post + " " + op.Path, secret: slices.Contains(secretAnswers, r.id)}
	op.Middlewares = append(op.Middlewares, o.serve)
}

// once carries out one operation a single time for each key.
type once struct {
	*api
	route  string
	secret bool
}

func (o *once) serve(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	key, actor := c.GetHeader(idempotencyHeader), actorOf(c.Request.Context())
	if key == "" || !actor.SignedIn() {
		next(ctx)
		return
	}
	if len(key) > maxIdempotentKey || strings.ContainsFunc(key, notPrintable) {
		writeProblem(c, models.Errorf(models.Invalid, "Idempotency-Key must be at most %d printable ASCII characters", maxIdempotentKey))
		return
	}
	hash, err := hashOf(c.Request)
	if err != nil {
		writeProblem(c, err)
		return
	}
	wanted := models.KeptAnswer{Actor: actor.UserID, Key: key, Route: o.route, RequestHash: hash, At: o.Now()}
	kept, taken, err := o.Answers.BeginAnswer(c.Request.Context(), wanted, wanted.At.Add(-keepAnswers))
	switch {
	case err != nil:
		writeProblem(c, err)
	case taken:
		o.carryOut(ctx, next, wanted)
	default:
		o.again(c, wanted, kept)
	}
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

// hashOf names the request by address and body, which admit has read and
// bounded, and leaves the body to be read again.
func hashOf(r *http.Request) (string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", models.Wrap(models.Internal, err, "the body cannot be read again")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h := sha256.New()
	h.Write([]byte(r.Method + " " + r.URL.RequestURI() + "\n"))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// carryOut does the work and keeps its answer. An error gives the key free, as
// nothing was done, but for an error of ours: nobody knows how far that went.
func (o *once) carryOut(ctx huma.Context, next func(huma.Context), a models.KeptAnswer) {
	c := humagin.Unwrap(ctx)
	front := c.Writer
	answer := &heldAnswer{ResponseWriter: front, status: http.StatusOK}
	func() {
		c.Writer = answer
		defer func() { c.Writer = front }()
		next(ctx)
	}()
	lasting := context.WithoutCancel(c.Request.Context())
	var err error
	switch {
	case answer.status < http.StatusBadRequest:
		a.Status, a.ContentType = answer.status, front.Header().Get("Content-Type")
		if !o.secret && answer.body.Len() <= maxKeptAnswer {
			a.Body = answer.body.Bytes()
		}
		err = o.Answers.EndAnswer(lasting, a)
	case answer.status != http.StatusInternalServerError:
		err = o.Answers.ForgetAnswer(lasting, a)
	}
	if err != nil { // the work is done all the same
		_ = c.Error(err)
	}
	answer.release()
}

// again answers a repetition.
func (o *once) again(c *gin.Context, wanted, kept models.KeptAnswer) {
	switch {
	case kept.Route != wanted.Route || kept.RequestHash != wanted.RequestHash:
		writeProblem(c, models.Errorf(models.Conflict, "this Idempotency-Key was used for another request (%s); use a new key", kept.Route))
	case kept.Status == 0:
		err := models.Errorf(models.Conflict, "a request with this Idempotency-Key was begun and has no answer yet; ask again in a moment, "+
			"and if that does not help, look whether it was carried out before you use a new key")
		err.RetryAfter = time.Second
		writeProblem(c, err)
	case len(kept.Body) == 0 && kept.Status != http.StatusNoContent:
		writeProblem(c, models.Errorf(models.Conflict, "this request was carried out already; what it answered is shown only once"))
	default:
		c.Header("Idempotency-Replayed", "true")
		c.Data(kept.Status, kept.ContentType, kept.Body)
	}
}

// heldAnswer holds an answer back until it is kept.
type heldAnswer struct {
	gin.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *heldAnswer) WriteHeader(status int) { w.status = status }

// WriteHeaderNow implements gin.ResponseWriter.
func (w *heldAnswer) WriteHeaderNow() {}

// Write implements http.ResponseWriter.
func (w *heldAnswer) Write(b []byte) (int, error) { return w.body.Write(b) }

// WriteString implements io.StringWriter.
func (w *heldAnswer) WriteString(s string) (int, error) { return w.body.WriteString(s) }

// Status implements gin.ResponseWriter.
func (w *heldAnswer) Status() int { return w.status }

// Size implements gin.ResponseWriter.
func (w *heldAnswer) Size() int { return w.body.Len() }

// Written implements gin.ResponseWriter.
func (w *heldAnswer) Written() bool { return w.body.Len() > 0 }

// release sends the answer on.
func (w *heldAnswer) release() {
	w.ResponseWriter.WriteHeader(w.status)
	w.ResponseWriter.WriteHeaderNow()
	_, _ = w.ResponseWriter.Write(w.body.Bytes())
}
