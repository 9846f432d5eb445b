package handlers

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"teikyo/models"
	"teikyo/provision"
	"teikyo/web"
)

// maxToken bounds what is looked at as a token, in bytes.
const maxToken = 2 << 10

func (a *api) landingRoutes() {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a.engine.Handle(method, "/d/:token", a.landing)
		a.engine.Handle(method, "/static/:file", a.static)
	}
	a.engine.POST("/d/:token", a.redeemForm)
}

// landing shows what a link is for. It changes nothing: mail scanners and
// previews follow links.
func (a *api) landing(c *gin.Context) {
	landingHeaders(c)
	shown, err := a.Links.Page(c.Request.Context(), tokenOf(c))
	if err != nil {
		a.landingError(c, err)
		return
	}
	lang := web.Language(c.GetHeader("Accept-Language"))
	a.writePage(c, http.StatusOK, "landing", landingPage{
		frame: a.frame("title", lang), Provider: shown.Provider, Issuer: shown.Issuer.Origin, Dataset: shown.Record.DatasetTitle, Version: shown.Record.DatasetVersion,
		Files: shown.Record.Files, Bytes: shown.Record.Bytes, Ends: shown.Ends, UsesLeft: shown.UsesLeft, MaxUses: shown.Link.MaxUses,
		Statement: shown.Statement[lang], Rehearsal: shown.Provision.Class == models.Test, Bind: string(shown.Link.Bind),
		Command:        "teikyo get '" + a.Links.URL(tokenOf(c)) + "' -o DIR -i IDENTITY",
		KeyFingerprint: shown.Provision.KeyFingerprint, Form: a.hasForm(c, shown.Link),
	})
}

// landingHeaders lets the page's own form say where it comes from: with
// no-referrer, browsers send "Origin: null", which the protection against other
// sites' forms refuses. Other sites still learn nothing.
func landingHeaders(c *gin.Context) {
	c.Header("Referrer-Policy", "same-origin")
	c.Header("X-Robots-Tag", "noindex, nofollow")
	c.Header("Vary", "Accept-Language, Cookie")
}

func tokenOf(c *gin.Context) string {
	token := c.Param("token")
	if len(token) > maxToken {
		return ""
	}
	return token
}

// hasForm reports whether the visitor can redeem the link in the page.
func (a *api) hasForm(c *gin.Context, l models.Link) bool {
	actor := actorOf(c.Request.Context())
	switch l.Bind {
	case models.BindNone:
		return true
	case models.BindLogin:
		return actor.Role == models.RecipientUser && actor.RecipientID == l.RecipientID
	default:
		return false
	}
}

// redeemForm is the page's button: it opens a session and leads to its listing.
func (a *api) redeemForm(c *gin.Context) {
	landingHeaders(c)
	ctx := c.Request.Context()
	actor := actorOf(ctx)
	if err := a.redeems.take(ctx, actor.Address); err != nil {
		a.landingError(c, err)
		return
	}
	made, err := a.Links.Redeem(ctx, tokenOf(c), provision.Redeemer{Actor: actor, Agent: c.Request.UserAgent(), Page: true})
	if err != nil {
		a.landingError(c, err)
		return
	}
	c.Header("Location", a.base()+made.Path)
	c.Status(http.StatusSeeOther)
	c.Writer.WriteHeaderNow()
}

// landingError answers with a page. What is tampered with and what is unknown
// look the same.
func (a *api) landingError(c *gin.Context, err error) {
	if models.IsKind(err, models.NotFound) {
		err = models.Wrap(models.NotFound, err, a.word(c, "nolink"))
	}
	a.errorPage(c, err)
}

// base is the path under which the server is reached, empty for the root.
func (a *api) base() string {
	u, err := url.Parse(a.PublicURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// frame is what every page has.
type frame struct{ Title, Base string }

func (a *api) frame(title, lang string) frame {
	return frame{Title: a.pages.Word(lang, title), Base: a.base()}
}

func (a *api) word(c *gin.Context, key string) string {
	return a.pages.Word(web.Language(c.GetHeader("Accept-Language")), key)
}

type landingPage struct {
	frame
	Provider, Issuer, Dataset, Statement, Bind, Command, KeyFingerprint string
	Version, Files, UsesLeft, MaxUses                                   int
	Bytes                                                               int64
	Ends                                                                time.Time
	Rehearsal, Form                                                     bool
}

type messagePage struct {
	frame
	Text, Request string
}

// errorPage is writeProblem for people.
func (a *api) errorPage(c *gin.Context, err error) {
	ctx := c.Request.Context()
	p := problemOf(err, actorOf(ctx).SignedIn(), requestIDOf(ctx))
	_ = c.Error(err)
	for name, values := range p.GetHeaders() {
		c.Writer.Header()[name] = values
	}
	title := "other"
	switch kind := models.KindOf(err); kind {
	case models.NotFound, models.Expired, models.Denied, models.Conflict, models.Unavailable, models.RateLimited:
		title = string(kind)
	}
	lang := web.Language(c.GetHeader("Accept-Language"))
	page := messagePage{frame: a.frame(title, lang), Text: p.Detail}
	if p.Status >= http.StatusInternalServerError {
		page.Request = p.Request
	}
	a.writePage(c, p.Status, "message", page)
	c.Abort()
}

// writePage renders a page in the visitor's language.
func (a *api) writePage(c *gin.Context, status int, name string, data any) {
	var page bytes.Buffer
	if err := a.pages.Write(&page, web.Language(c.GetHeader("Accept-Language")), name, data); err != nil {
		writeProblem(c, models.Wrap(models.Internal, err, "the page could not be made"))
		return
	}
	c.Data(status, htmlType, page.Bytes())
}

const htmlType = "text/html; charset=utf-8"

// static serves the style sheet and its like.
func (a *api) static(c *gin.Context) {
	files, err := web.Static()
	if err != nil {
		writeProblem(c, models.Wrap(models.Internal, err, "the embedded files cannot be read"))
		return
	}
	c.Header("Cache-Control", "public, max-age=3600")
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeFileFS(c.Writer, c.Request, files, c.Param("file"))
}
