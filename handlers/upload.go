package handlers

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"teikyo/access"
	"teikyo/dataset"
	"teikyo/models"
)

func (a *api) fileRoutes(base string) {
	const tag = "files"
	file := base + "/{path}"
	add(a, route{method: get, path: base, id: "file-list", tag: tag, summary: "List the files of a version"}, a.listFiles)
	add(a, route{method: get, path: file, id: "file-show", tag: tag, summary: "Show a file and the gate's report"}, a.showFile)
	add(a, route{method: http.MethodHead, path: file, id: "file-offset", tag: tag, status: http.StatusNoContent,
		summary: "How much of a file has arrived"}, a.fileOffset)
	add(a, route{method: remove, path: file, id: "file-remove", tag: tag, status: http.StatusNoContent,
		summary: "Drop a file of a draft"}, a.removeFile)
	upload := route{method: put, path: file, id: "file-put", tag: tag, status: http.StatusCreated, maxBody: -1,
		summary: "Stream a file into a draft"}.operation()
	upload.Description = "The body is the file. After a break HEAD tells the offset in Upload-Offset; send the rest with " +
		"Content-Range: bytes OFFSET-END/TOTAL. A part that does not reach the end of the file is answered with 202."
	upload.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
	}}
	serve(a, upload, a.putFile)
}

// slashesInPaths lets the path of a file hold plain slashes: the router takes
// it as one parameter, so they are escaped before it looks. A plus sign is
// escaped, too, since the router would take it for a space.
func slashesInPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(r.URL.EscapedPath(), "/", 9)
		if len(parts) == 9 && parts[3] == "datasets" && parts[7] == "files" {
			u := *r.URL
			parts[8] = strings.NewReplacer("/", "%2F", "+", "%2B").Replace(parts[8])
			u.RawPath = strings.Join(parts, "/")
			r = r.WithContext(r.Context())
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

type fileView struct {
	Path      string           `json:"path"`
	Size      int64            `json:"size" doc:"Bytes; 0 until the file is complete."`
	SHA256    string           `json:"sha256,omitempty" doc:"Of the contents; absent until the file is complete."`
	Items     []string         `json:"items"`
	MediaType string           `json:"media_type"`
	Complete  bool             `json:"complete"`
	Offset    int64            `json:"offset,omitempty" doc:"Bytes that are kept of an upload that is not complete."`
	Verdict   string           `json:"verdict,omitempty" doc:"Of the de-identification gate."`
	Findings  []ProblemFinding `json:"findings,omitempty"`
	Report    json.RawMessage  `json:"report,omitempty" doc:"The gate's whole report."`
}

func viewFile(f models.File) fileView {
	return fileView{
		Path: f.Path, Size: f.Size, SHA256: f.SHA256, Items: codes(f.Items), MediaType: f.MediaType, Complete: f.SHA256 != "",
	}
}

func (v fileView) with(r models.GateReport) fileView {
	v.Verdict = r.Verdict
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, ProblemFinding{ID: f.ID, Location: f.Location, Rule: f.Rule, Message: f.Msg})
	}
	return v
}

type listFilesInput struct {
	VersionPath
	PageInput
}

func (a *api) listFiles(ctx context.Context, actor access.Actor, in *listFilesInput) (*body[listOf[fileView]], error) {
	rows, err := a.Datasets.Files(ctx, actor, in.ID, in.Number, in.page())
	return respond(page(rows, in.page(), viewFile, func(f models.File) string { return f.Path }), err)
}

// FilePath names a file of a version in an address.
type FilePath struct {
	VersionPath
	Path string `path:"path" doc:"Path of the file; slashes may stand as they are."`
}

func (a *api) showFile(ctx context.Context, actor access.Actor, in *FilePath) (*body[fileView], error) {
	p, err := a.Datasets.File(ctx, actor, in.ID, in.Number, in.Path)
	if err != nil {
		return nil, err
	}
	view := viewFile(p.File)
	if !p.Complete {
		view.Offset = p.Offset
		return &body[fileView]{Body: view}, nil
	}
	report, err := a.Datasets.Report(ctx, actor, p.File)
	view = view.with(report)
	view.Report = report.Report
	return respond(view, err)
}

type offsetOutput struct {
	Offset     string `header:"Upload-Offset" doc:"Bytes that have arrived: go on from here."`
	Complete   string `header:"Upload-Complete" doc:"?1 when the file is complete (a structured boolean)."`
	ReprDigest string `header:"Repr-Digest" doc:"Of the complete file (RFC 9530)."`
}

func (a *api) fileOffset(ctx context.Context, actor access.Actor, in *FilePath) (*offsetOutput, error) {
	p, err := a.Datasets.File(ctx, actor, in.ID, in.Number, in.Path)
	if err != nil {
		return nil, err
	}
	out := &offsetOutput{Offset: strconv.FormatInt(p.Offset, 10), Complete: "?0"}
	if p.Complete {
		out.Complete, out.ReprDigest = "?1", writeReprDigest(p.File.SHA256)
	}
	return out, nil
}

func (a *api) removeFile(ctx context.Context, actor access.Actor, in *FilePath) (*none, error) {
	return &none{}, a.Datasets.Remove(ctx, actor, in.ID, in.Number, in.Path)
}

type putFileInput struct {
	FilePath
	Items        string `query:"items" doc:"Items of the file, joined by commas, for example demographics,checkups."`
	ContentType  string `header:"Content-Type" doc:"Media type of the file; guessed from its name when absent."`
	ContentRange string `header:"Content-Range" doc:"bytes OFFSET-END/TOTAL of a part; absent for the whole file."`
	ReprDigest   string `header:"Repr-Digest" doc:"sha-256=:BASE64: of the whole file; checked (RFC 9530)."`
}

type putFileOutput struct {
	Status int
	Offset string `header:"Upload-Offset"`
	Body   fileView
}

func (a *api) putFile(ctx context.Context, actor access.Actor, in *putFileInput) (*putFileOutput, error) {
	hctx, ok := ctx.Value(humaContextKey{}).(huma.Context)
	if !ok {
		return nil, models.Errorf(models.Internal, "the request cannot be streamed")
	}
	c := humagin.Unwrap(hctx)
	stream := newStream(c.Writer, c.Request.Body)
	defer stream.stop()
	up, err := in.upload(c.Request.ContentLength)
	if err != nil {
		return nil, err
	}
	up.Body = stream
	p, err := a.Datasets.Put(ctx, actor, up)
	if err != nil {
		return nil, err
	}
	out := &putFileOutput{Status: http.StatusCreated, Offset: strconv.FormatInt(p.Offset, 10)}
	out.Body = viewFile(p.File).with(p.Report)
	if !p.Complete {
		out.Status, out.Body.Offset = http.StatusAccepted, p.Offset
	}
	return out, nil
}

// upload is the request in words of the use case; length is -1 for a chunked
// body.
func (in *putFileInput) upload(length int64) (dataset.Upload, error) {
	up := dataset.Upload{
		DatasetID: in.ID, Version: in.Number, Path: in.Path, MediaType: in.ContentType, Length: length, Total: length,
	}
	for item := range strings.SplitSeq(in.Items, ",") {
		if item = strings.TrimSpace(item); item != "" {
			up.Items = append(up.Items, models.Item(item))
		}
	}
	var err error
	if up.SHA256, err = parseReprDigest(in.ReprDigest); err != nil || in.ContentRange == "" {
		return up, err
	}
	start, end, total, err := parseContentRange(in.ContentRange)
	if err != nil {
		return up, err
	}
	if length >= 0 && length != end-start {
		return up, models.Errorf(models.Invalid, "Content-Range speaks of %d bytes, Content-Length of %d", end-start, length)
	}
	up.Offset, up.Length, up.Total = start, end-start, total
	return up, nil
}

// parseContentRange reads "bytes FIRST-LAST/TOTAL" (RFC 9110, 14.4); end is the
// offset after the last byte.
func parseContentRange(text string) (start, end, total int64, err error) {
	refused := models.Errorf(models.Invalid, "Content-Range %.80q is not of the form bytes OFFSET-END/TOTAL", text)
	unit, rest, _ := strings.Cut(text, " ")
	span, size, ok := strings.Cut(rest, "/")
	first, last, ok2 := strings.Cut(span, "-")
	if !strings.EqualFold(unit, "bytes") || !ok || !ok2 {
		return 0, 0, 0, refused
	}
	for _, n := range []struct {
		text string
		to   *int64
	}{{first, &start}, {last, &end}, {size, &total}} {
		if *n.to, ok = parseDecimal(n.text); !ok {
			return 0, 0, 0, refused
		}
	}
	if start > end || end >= total {
		return 0, 0, 0, refused
	}
	return start, end + 1, total, nil
}

// parseDecimal takes digits only, at most 18 of them.
func parseDecimal(text string) (int64, bool) {
	if text == "" || len(text) > 18 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// parseReprDigest finds the SHA-256 in a Repr-Digest field (RFC 9530), in hex;
// empty when the field is. Other algorithms beside it are left aside.
func parseReprDigest(field string) (string, error) {
	if field == "" {
		return "", nil
	}
	for member := range strings.SplitSeq(field, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(member), "=")
		if name != "sha-256" {
			continue
		}
		encoded, ok := strings.CutPrefix(value, ":")
		encoded, ok2 := strings.CutSuffix(encoded, ":")
		sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if ok && ok2 && err == nil && len(sum) == 32 {
			return hex.EncodeToString(sum), nil
		}
	}
	return "", models.Errorf(models.Invalid, "Repr-Digest holds no digest of the form sha-256=:BASE64:")
}

func writeReprDigest(sha256hex string) string {
	sum, err := hex.DecodeString(sha256hex)
	if err != nil {
		return ""
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}

const (
	// stallTime is how long an upload may bring no byte.
	stallTime = time.Minute
	// renewTime is how often the deadline is moved while bytes flow.
	renewTime = 5 * time.Second
	// drainTime is how long the rest of a refused body may take.
	drainTime = time.Second
)

var errStreamStopped = errors.New("handlers: the request is answered")

// stream is a request body that may take as long as bytes flow. After stop
// nothing reads it any more, even a goroutine that still holds it.
type stream struct {
	control  *http.ResponseController
	body     io.Reader
	mu       sync.Mutex // held while reading
	renewed  time.Time
	ended    bool
	stopping atomic.Bool
}

func newStream(w http.ResponseWriter, body io.Reader) *stream {
	s := &stream{control: http.NewResponseController(w), body: body}
	// The answer comes when everything is stored, however long that takes.
	_ = s.control.SetWriteDeadline(time.Time{})
	return s
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return 0, errStreamStopped
	}
	if now := time.Now(); now.Sub(s.renewed) > renewTime {
		s.renewed = now
		_ = s.control.SetReadDeadline(now.Add(stallTime))
		if s.stopping.Load() {
			_ = s.control.SetReadDeadline(now)
		}
	}
	n, err := s.body.Read(p)
	if err == io.EOF {
		s.ended = true
		_ = s.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// stop ends a Read that is under way and all later ones. What a client still
// sends after an early answer is waited for no longer than drainTime: the
// server reads some of it before it writes the answer.
func (s *stream) stop() {
	s.stopping.Store(true)
	if !s.mu.TryLock() {
		_ = s.control.SetReadDeadline(time.Now())
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if !s.ended {
		_ = s.control.SetReadDeadline(time.Now().Add(drainTime))
	}
}
