package handlers

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"teikyo/models"
)

var (
	errNoRoute  = models.Errorf(models.NotFound, "there is nothing at this address")
	errNoMethod = models.Errorf(models.Invalid, "this address does not answer that method")
	errBadRange = models.Errorf(models.Invalid, "one range of bytes a request is served, written like bytes=0-499; "+
		"ask for the others one by one")
)

// Problem is the body of every error answer (RFC 9457). Type is stable; Detail
// is for people and may change.
type Problem struct {
	Type     string           `json:"type" doc:"Stable name of the kind of failure, urn:teikyo:problem:KIND."`
	Title    string           `json:"title"`
	Status   int              `json:"status"`
	Detail   string           `json:"detail"`
	Request  string           `json:"request_id,omitempty" doc:"Give it to the operator, who finds the cause in the log."`
	Findings []ProblemFinding `json:"findings,omitempty" doc:"What is wrong, part by part."`
	cause    error
	retry    time.Duration
}

// ProblemFinding is one wrong part of the input.
type ProblemFinding struct {
	ID       string `json:"id,omitempty" doc:"A waiver can name it."`
	Location string `json:"location,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Message  string `json:"message"`
}

// Error and GetStatus make a Problem a huma.StatusError.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status of the problem.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is application/problem+json (RFC 9457, section 3).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders tells a client when to come back (RFC 9110, 10.2.3).
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.retry+time.Second-1)/time.Second), 10))
	}
	return h
}

// statusOf is the one mapping from kinds of failure to HTTP.
func statusOf(kind models.ErrorKind) (status int, title string) {
	switch kind {
	case models.Invalid:
		return http.StatusUnprocessableEntity, "Invalid input"
	case models.Denied:
		return http.StatusForbidden, "Not allowed"
	case models.NotFound:
		return http.StatusNotFound, "Not found"
	case models.Conflict:
		return http.StatusConflict, "Not possible in this state"
	case models.Expired:
		return http.StatusGone, "Expired, revoked or used up"
	case models.TooLarge:
		return http.StatusRequestEntityTooLarge, "Too large"
	case models.Unavailable:
		return http.StatusServiceUnavailable, "Not available now"
	case models.Full:
		return http.StatusInsufficientStorage, "No space left"
	case models.Integrity:
		return http.StatusUnprocessableEntity, "Integrity check failed"
	case models.RateLimited:
		return http.StatusTooManyRequests, "Too many attempts"
	default:
		return http.StatusInternalServerError, "Internal error"
	}
}

// problemOf makes the problem of err. Causes and internal messages stay behind.
func problemOf(err error, signedIn bool, requestID string) *Problem {
	kind := models.KindOf(err)
	status, title := statusOf(kind)
	if kind == models.Denied && !signedIn {
		status = http.StatusUnauthorized
	}
	if errors.Is(err, errNoMethod) {
		status = http.StatusMethodNotAllowed
	}
	if errors.Is(err, errBadRange) {
		status = http.StatusBadRequest
	}
	p := &Problem{
		Type: "urn:teikyo:problem:" + string(kind), Title: title, Status: status, Request: requestID,
		Detail: "internal error; tell the operator the request id", cause: err,
	}
	var known *models.Error
	if errors.As(err, &known) && kind != models.Internal {
		p.Detail, p.retry = known.Msg, known.RetryAfter
		for _, f := range known.Findings {
			p.Findings = append(p.Findings, ProblemFinding{ID: f.ID, Location: f.Location, Rule: f.Rule, Message: f.Msg})
		}
	}
	return p
}

// writeProblem answers err outside huma and ends the request.
func writeProblem(c *gin.Context, err error) {
	ctx := c.Request.Context()
	p := problemOf(err, actorOf(ctx).SignedIn(), requestIDOf(ctx))
	_ = c.Error(err)
	body, encodeErr := json.Marshal(p)
	if encodeErr != nil {
		body = []byte(`{"type":"urn:teikyo:problem:internal"}`)
	}
	maps.Copy(c.Writer.Header(), p.GetHeaders())
	c.Abort()
	c.Data(p.Status, "application/problem+json", body)
}

// humaErrors guards what huma keeps in variables of its package.
var humaErrors sync.Once

// shapeErrors gives huma's own refusals our shape, with the request id.
func shapeErrors() {
	humaErrors.Do(func() {
		huma.NewError = newStatusError
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
			err := newStatusError(status, msg, errs...)
			if p, ok := err.(*Problem); ok {
				p.Request = requestIDOf(ctx.Context())
			}
			return err
		}
	})
}

// maxListed is how many wrong parts of an input an answer lists.
const maxListed = 50

// newStatusError gives huma's own refusals (validation, bad JSON) our shape.
func newStatusError(status int, msg string, errs ...error) huma.StatusError {
	kind := models.Invalid
	switch status {
	case http.StatusRequestEntityTooLarge:
		kind = models.TooLarge
	case http.StatusInternalServerError:
		kind, msg = models.Internal, "internal error; tell the operator the request id"
	}
	_, title := statusOf(kind)
	p := &Problem{Type: "urn:teikyo:problem:" + string(kind), Title: title, Status: status, Detail: msg}
	for _, err := range errs[:min(len(errs), maxListed)] {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			p.Findings = append(p.Findings, ProblemFinding{Location: detail.Location, Message: detail.Message})
		}
	}
	if len(p.Findings) > 0 {
		var parts []string
		for _, f := range p.Findings {
			parts = append(parts, strings.TrimPrefix(f.Location+": "+f.Message, ": "))
		}
		p.Detail = msg + ": " + strings.Join(parts, "; ")
	}
	return p
}
