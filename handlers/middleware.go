package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"teikyo/access"
	"teikyo/models"
)

type contextKey int

const (
	actorKey contextKey = iota
	requestIDKey
)

// SessionCookie is the browser's session: host-bound, never readable by script.
const SessionCookie = "__Host-teikyo"

// actorOf is who sent the request; the zero Actor when nobody signed in.
func actorOf(ctx context.Context) access.Actor {
	actor, _ := ctx.Value(actorKey).(access.Actor)
	return actor
}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

func (a *api) requestID(c *gin.Context) {
	id := newRequestID()
	c.Header("X-Request-Id", id)
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestIDKey, id))
	c.Next()
}

// logRequest writes one line a request from an allow-list of fields: the route
// pattern instead of the path, which may hold a link token or session secret.
func (a *api) logRequest(c *gin.Context) {
	start := time.Now()
	defer a.logAnswer(c, start) // an aborted transfer leaves by a panic
	c.Next()
}

func (a *api) logAnswer(c *gin.Context, start time.Time) {
	bytes := c.Writer.Size() + c.GetInt(pouredKey)
	if a.Observe != nil {
		a.Observe(c.Request.Method, c.FullPath(), c.Writer.Status(), bytes, time.Since(start))
	}
	actor := actorOf(c.Request.Context())
	attrs := []slog.Attr{
		slog.String("request", requestIDOf(c.Request.Context())),
		slog.String("method", c.Request.Method),
		slog.String("route", c.FullPath()),
		slog.Int("status", c.Writer.Status()),
		slog.Int("bytes", bytes),
		slog.Duration("took", time.Since(start)),
		slog.String("address", c.ClientIP()),
		slog.String("actor", actor.UserID),
	}
	if err := c.Errors.Last(); err != nil {
		attrs = append(attrs, slog.String("error", err.Err.Error()))
	}
	a.Log.LogAttrs(c.Request.Context(), slog.LevelInfo, "request", attrs...)
}

// recoverPanic answers a generic problem and keeps the stack in the log. A
// handler that aborts a transfer (http.ErrAbortHandler) is let through.
func (a *api) recoverPanic(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		a.Log.Error("panic", "request", requestIDOf(c.Request.Context()), "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			writeProblem(c, models.Errorf(models.Internal, "internal error"))
		}
		c.Abort()
	}()
	c.Next()
}

func (a *api) securityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "+
		"base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if strings.HasPrefix(a.PublicURL, "https://") {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Next()
}

// authenticate finds out who asks. A wrong token is refused even where none is
// needed, so that nobody works on unaware that it ran out; a browser, which
// sends an old cookie without being asked to, just counts as not signed in.
func (a *api) authenticate(c *gin.Context) {
	actor := access.Actor{}
	secret, fromCookie := bearerToken(c.Request), false
	if secret == "" {
		if cookie, err := c.Request.Cookie(SessionCookie); err == nil {
			secret, fromCookie = cookie.Value, true
		}
	}
	if secret != "" {
		var err error
		actor, err = a.Access.Authenticate(c.Request.Context(), secret)
		if err != nil && !(fromCookie && models.IsKind(err, models.Denied)) {
			writeProblem(c, err)
			return
		}
	}
	actor.Address = c.ClientIP()
	ctx := context.WithValue(c.Request.Context(), actorKey, actor)
	if actor.SignedIn() {
		ctx = context.WithValue(ctx, credentialKey{}, credential{a.Access, secret})
	}
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

type credentialKey struct{}

// credential is what a request came with.
type credential struct {
	access *access.Service
	secret string
}

// stillSignedIn asks, after a request has waited, whether its token still counts.
func stillSignedIn(ctx context.Context) error {
	c, ok := ctx.Value(credentialKey{}).(credential)
	if !ok {
		return models.Errorf(models.Denied, "sign in first (teikyo login)")
	}
	_, err := c.access.Authenticate(ctx, c.secret)
	return err
}

func bearerToken(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
