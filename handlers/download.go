package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"

	"teikyo/models"
	"teikyo/provision"
	"teikyo/provision/parcel"
	"teikyo/web"
)

const (
	copyBuffer = 128 << 10 // bytes; smaller ones were slower with one client, larger ones cost memory with many; see pour for what follows the first
	// stallLimit is how long a client may take no byte before the transfer ends.
	stallLimit = 2 * time.Minute
	// moveDeadline is how often the deadline is moved on while bytes flow.
	moveDeadline = 10 * time.Second
	listingFlush = 1000 // files between two writings of a listing
)

// downloads serves the bytes of download sessions.
type downloads struct {
	*api
	buffers sync.Pool // of *[copyBuffer]byte
}

func (a *api) downloadRoutes() {
	d := &downloads{api: a}
	d.buffers.New = func() any { return new([copyBuffer]byte) }
	a.engine.GET("/dl/:session/*path", d.serve)
	a.engine.HEAD("/dl/:session/*path", d.serve)
}

// serve answers one request of a session, after all rights were asked.
func (d *downloads) serve(c *gin.Context) {
	c.Header("Cache-Control", "private, no-store, no-transform")
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("X-Robots-Tag", "noindex, nofollow")
	c.Header("X-Accel-Buffering", "no") // a proxy that buffers would go on after a revocation
	secret, name, err := splitDownload(c.Request.URL)
	if err != nil {
		d.fail(c, err)
		return
	}
	visit, err := d.Links.Enter(c.Request.Context(), secret)
	if err != nil {
		d.fail(c, err)
		return
	}
	if name == "" {
		err = d.list(c, visit)
	} else {
		err = d.file(c, visit, name)
	}
	if err != nil {
		d.fail(c, err)
	}
}

// splitDownload takes /dl/SECRET/PATH apart. The router's own parameters would
// turn a plus sign into a space.
func splitDownload(u *url.URL) (secret, name string, err error) {
	rest := strings.TrimPrefix(u.EscapedPath(), provision.SessionPath)
	secret, escaped, _ := strings.Cut(rest, "/")
	name, err = url.PathUnescape(escaped)
	if err != nil {
		return "", "", errNoRoute
	}
	return secret, name, nil
}

// fail answers an error, or breaks the answer off when it has begun.
func (d *downloads) fail(c *gin.Context, err error) {
	if c.Writer.Written() {
		_ = c.Error(err)
		panic(http.ErrAbortHandler)
	}
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "ETag"} {
		c.Writer.Header().Del(name)
	}
	switch {
	case wantsHTML(c):
		d.errorPage(c, err)
	default:
		writeProblem(c, err)
	}
}

func wantsHTML(c *gin.Context) bool { return strings.Contains(c.GetHeader("Accept"), "text/html") }

// file serves a file of the parcel or a range of it.
func (d *downloads) file(c *gin.Context, visit *provision.Visit, name string) error {
	entry, err := visit.Stat(c.Request.Context(), name)
	if err != nil {
		return err
	}
	part, err := portionOf(c.Request, entry.Size, entry.ETag)
	if err != nil {
		return err
	}
	h := c.Writer.Header()
	h.Set("ETag", entry.ETag)
	h.Set("Accept-Ranges", "bytes")
	switch part.status {
	case http.StatusOK, http.StatusPartialContent:
		fileHeaders(h, entry, part)
		if c.Request.Method != http.MethodHead {
			return d.send(c, visit, entry, part)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(entry.Size, 10))
		h.Set("Content-Length", "0")
	case http.StatusPreconditionFailed:
		h.Set("Content-Length", "0")
	}
	c.Status(part.status)
	c.Writer.WriteHeaderNow()
	return nil
}

func fileHeaders(h http.Header, entry parcel.Entry, part portion) {
	h.Set("Content-Type", contentType(entry))
	h.Set("Content-Disposition", disposition(entry.Path))
	h.Set("Content-Length", strconv.FormatInt(part.length, 10))
	if part.status == http.StatusPartialContent {
		last := part.offset + part.length - 1
		h.Set("Content-Range", "bytes "+strconv.FormatInt(part.offset, 10)+"-"+strconv.FormatInt(last, 10)+
			"/"+strconv.FormatInt(entry.Size, 10))
	}
}

func contentType(entry parcel.Entry) string {
	switch {
	case entry.Sealed():
		return "application/octet-stream"
	case strings.HasSuffix(entry.Path, ".json"):
		return "application/json"
	case strings.HasSuffix(entry.Path, ".txt"), entry.Path == parcel.ReceiptPath:
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

// disposition makes a browser save the file under its own name (RFC 6266): the
// exact one in filename*, and one that every program understands.
func disposition(name string) string {
	name = path.Base(name)
	plain := strings.Map(func(r rune) rune {
		switch {
		case r > unicode.MaxASCII:
			return '_'
		case r < ' ' || r == 0x7f || strings.ContainsRune(`"\/%`, r):
			return '_'
		}
		return r
	}, name)
	params := map[string]string{"filename": plain}
	if plain != name {
		params["filename*"] = "UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return mime.FormatMediaType("attachment", params)
}

// send streams a part of a file for as long as there is a right to it, and
// notes what went out.
func (d *downloads) send(c *gin.Context, visit *provision.Visit, entry parcel.Entry, part portion) error {
	ctx, release := visit.Hold(c.Request.Context())
	defer release()
	body, err := visit.Open(ctx, entry, part.offset, part.length)
	if err != nil {
		return err
	}
	defer body.Close()
	defer cutWhenEnded(ctx, c)()
	sent, err := d.copy(ctx, c, part, body)
	if c.Writer.Written() {
		visit.Record(c.Request.Context(), entry.Path, part.offset, sent)
	}
	if why := endedEarly(ctx); why != nil {
		return why
	}
	return err
}

// cutWhenEnded resets the connection as soon as the right to an answer ends, until
// stop is called.
func cutWhenEnded(ctx context.Context, c *gin.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if endedEarly(ctx) != nil {
			cut(ctx, c.Writer)
		}
	})
}

// copy sends the body. The first bytes are read before the status goes out, so
// that a store that does not answer gives an error and no broken file.
func (d *downloads) copy(ctx context.Context, c *gin.Context, part portion, body io.Reader) (sent int64, err error) {
	buf := d.buffers.Get().(*[copyBuffer]byte)
	defer d.buffers.Put(buf)
	control := http.NewResponseController(c.Writer)
	var moved time.Time
	for sent < part.length {
		n, readErr := io.ReadFull(body, buf[:min(part.length-sent, copyBuffer)])
		switch {
		case ctx.Err() != nil:
			return sent, context.Cause(ctx)
		case readErr != nil:
			return sent, readError(readErr)
		}
		if now := time.Now(); now.Sub(moved) > moveDeadline {
			moved = now
			_ = control.SetWriteDeadline(now.Add(stallLimit))
		}
		c.Status(part.status)
		m, err := c.Writer.Write(buf[:n])
		sent += int64(m)
		if err != nil {
			return sent, err
		}
		if p := newPour(ctx, c); p != nil && sent < part.length {
			return p.rest(body, sent, part.length)
		}
	}
	if part.length == 0 {
		c.Status(part.status)
		c.Writer.WriteHeaderNow()
	}
	return sent, nil
}

// readError says what a store's failure means to who fetches.
func readError(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	var known *models.Error
	if errors.As(err, &known) {
		return err
	}
	return models.Wrap(models.Unavailable, err, "the stored file cannot be read now; try again")
}

type listedFile struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	ETag string `json:"etag"`
}

// list streams the files of the parcel as a page or as JSON.
func (d *downloads) list(c *gin.Context, visit *provision.Visit) error {
	c.Header("Vary", "Accept, Accept-Language")
	writer := listing(&jsonListing{c: c, visit: visit})
	c.Header("Content-Type", "application/json")
	if wantsHTML(c) {
		c.Header("Content-Type", htmlType)
		writer = &pageListing{d: d, c: c, visit: visit, lang: web.Language(c.GetHeader("Accept-Language"))}
	}
	if c.Request.Method == http.MethodHead {
		c.Status(http.StatusOK)
		c.Writer.WriteHeaderNow()
		return nil
	}
	ctx, release := visit.Hold(c.Request.Context())
	defer release()
	defer cutWhenEnded(ctx, c)()
	control := http.NewResponseController(c.Writer)
	n := 0
	for entry, err := range visit.Entries(ctx) {
		if err == nil && n == 0 {
			err = writer.begin()
		}
		if err == nil {
			err = writer.entry(entry, n == 0)
		}
		if err != nil {
			return err
		}
		if n++; n%listingFlush == 0 {
			_ = control.SetWriteDeadline(time.Now().Add(stallLimit))
		}
	}
	return writer.end()
}

// listing is a way to write down the files of a parcel.
type listing interface {
	begin() error
	entry(e parcel.Entry, first bool) error
	end() error
}

type jsonListing struct {
	c     *gin.Context
	visit *provision.Visit
}

func (l *jsonListing) begin() error {
	head, err := json.Marshal(map[string]any{
		"provision": l.visit.Provision().ID, "link": l.visit.Link().ID, "expires_at": l.visit.Ends(),
	})
	if err != nil {
		return err
	}
	_, err = l.c.Writer.WriteString(string(head[:len(head)-1]) + `,"files":[`)
	return err
}

func (l *jsonListing) entry(e parcel.Entry, first bool) error {
	line, err := json.Marshal(listedFile{e.Path, e.Size, e.ETag})
	if err != nil {
		return err
	}
	separator := ",\n"
	if first {
		separator = "\n"
	}
	_, err = l.c.Writer.WriteString(separator + string(line))
	return err
}

func (l *jsonListing) end() error {
	_, err := l.c.Writer.WriteString("\n]}\n")
	return err
}

type pageListing struct {
	d     *downloads
	c     *gin.Context
	visit *provision.Visit
	lang  string
}

type listingPage struct {
	frame
	Ends time.Time
}

type listingRow struct {
	listedFile
	Href string // relative
}

func (l *pageListing) begin() error {
	return l.write("listing-top", listingPage{l.d.frame("listingtitle", l.lang), l.visit.Ends()})
}

func (l *pageListing) entry(e parcel.Entry, _ bool) error {
	href := (&url.URL{Path: "./" + e.Path}).EscapedPath()
	return l.write("listing-row", listingRow{listedFile{e.Path, e.Size, e.ETag}, href})
}

func (l *pageListing) end() error { return l.write("listing-bottom", nil) }

func (l *pageListing) write(name string, data any) error {
	return l.d.pages.Write(l.c.Writer, l.lang, name, data)
}
