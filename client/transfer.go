package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"teikyo/client/arrival"
	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/models"
)

const (
	maxListing = 64 << 20 // bytes of JSON: 50,000 files with the longest paths
	maxSmall   = 1 << 20  // bytes of issuer file, receipt, signature and tiles

	// stallAfter is how long a transfer may be silent before it is begun anew.
	stallAfter = time.Minute
	copyBuffer = 64 << 10
)

var errStalled = errors.New("no byte arrived in time")

// source is a download session at the server.
type source struct {
	client   *Client
	path     string // below the server's address, ends with a slash
	files    map[string]listed
	patience *patience
	limit    *rate.Limiter // nil: none
	stall    time.Duration
	progress *Progress
	buffers  sync.Pool
}

// listed is a file as the server lists it. Nothing but If-Range and the size of
// the manifest, which its digest confirms, relies on it.
type listed struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	ETag string `json:"etag"`
}

// parseListing reads the listing of a session.
func parseListing(text []byte) (map[string]listed, error) {
	var list struct {
		Files []listed `json:"files"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the server's listing is not what was expected; check its address and version")
	}
	files := make(map[string]listed, len(list.Files))
	for _, f := range list.Files {
		_, twice := files[f.Path]
		if err := crypto.CheckPath(f.Path); err != nil || twice || f.Size < 0 {
			return nil, models.Wrap(models.Integrity, err, fmt.Sprintf("the server lists an unsafe path, %.80q; nothing was fetched", f.Path))
		}
		files[f.Path] = f
	}
	return files, nil
}

// get reads a small answer whole, as often as patience allows.
func get(ctx context.Context, c *Client, p *patience, path string, limit int64) (text []byte, err error) {
	err = p.again(ctx, func() (bool, error) {
		resp, err := c.Do(ctx, http.MethodGet, path, http.Header{"Accept": {"application/json, */*"}}, nil)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return false, unexpected(resp)
		}
		if text, err = io.ReadAll(io.LimitReader(resp.Body, limit+1)); err != nil {
			return false, networkError(err)
		}
		if int64(len(text)) > limit {
			return false, models.Errorf(models.Integrity, "the server sends more than such a document can have; check its address")
		}
		return true, nil
	})
	return text, err
}

func unexpected(resp *http.Response) error {
	return models.Errorf(models.Invalid, "the server answered %s where that makes no sense; check the link", resp.Status)
}

// document reads a small document of the parcel.
func (s *source) document(ctx context.Context, name string) ([]byte, error) {
	return get(ctx, s.client, s.patience, s.at(name), maxSmall)
}

// at is the path of a file of the parcel at the server.
func (s *source) at(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return s.path + strings.Join(parts, "/")
}

// bring fetches what a file still wants until it wants nothing, over as many
// connections as it takes.
func (s *source) bring(ctx context.Context, name string, size int64, in arrival.Incoming) error {
	t := &transfer{source: s, in: in, name: name, size: size, etag: s.files[name].ETag}
	defer t.count()
	s.progress.current.Store(&name)
	for {
		if from, until := in.Want(); from >= until {
			return nil
		}
		err := s.patience.again(ctx, func() (bool, error) {
			got, err := t.part(ctx)
			if flushErr := in.Flush(); flushErr != nil {
				err = flushErr
			}
			t.count()
			return got > 0, err
		})
		if err != nil {
			return err
		}
	}
}

// transfer is the bringing of one file.
type transfer struct {
	*source
	in      arrival.Incoming
	name    string
	size    int64
	etag    string
	counted int64
}

// count tells the progress how far the file is.
func (t *transfer) count() {
	from, _ := t.in.Want()
	t.progress.bytes.Add(from - t.counted)
	t.counted = from
}

// part asks once for the range that is wanted and passes on what comes.
func (t *transfer) part(ctx context.Context) (got int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(t.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	from, until := t.in.Want()
	resp, err := t.client.Do(ctx, http.MethodGet, t.at(t.name), t.rangeHeader(from, until), nil)
	if err != nil {
		if from > 0 && models.IsKind(err, models.Invalid) { // the server does not have that range any more
			return 0, t.anew(err)
		}
		return 0, stalled(ctx, err)
	}
	defer resp.Body.Close()
	if from, until, err = t.accept(resp, from, until); err != nil {
		return 0, err
	}
	got, err = t.pass(ctx, resp.Body, until-from, watch)
	return got, stalled(ctx, err)
}

// stalled gives the watchdog's cancellation its name.
func stalled(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return networkError(errStalled)
	}
	return err
}

// anew begins the file again after an answer that fits no range of it.
func (t *transfer) anew(cause error) error {
	if err := t.in.Restart(); err != nil {
		return err
	}
	return models.Wrap(models.Unavailable, cause, "the server did not go on where the transfer stopped")
}

func (t *transfer) rangeHeader(from, until int64) http.Header {
	// Go would unpack a compressed answer by itself, and offsets would be off.
	header := http.Header{"Accept-Encoding": {"identity"}}
	if from == 0 && until == t.size {
		return header
	}
	header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, until-1))
	if strings.HasPrefix(t.etag, `"`) { // RFC 9110, 13.1.5: strong tags only
		header.Set("If-Range", t.etag)
	}
	return header
}

// accept finds out which range the answer holds.
func (t *transfer) accept(resp *http.Response, from, until int64) (int64, int64, error) {
	t.etag = resp.Header.Get("ETag")
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var first, last, total int64
		_, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
		if err != nil || first != from || last < first || last >= until || total != t.size {
			return 0, 0, models.Errorf(models.Integrity, "the server sent another part of %s than was asked for", t.name)
		}
		return from, last + 1, nil
	case http.StatusOK:
		if resp.ContentLength >= 0 && resp.ContentLength != t.size {
			return 0, 0, models.Errorf(models.Integrity, "the server has %d bytes for %s, the manifest says %d", resp.ContentLength, t.name, t.size)
		}
		if from > 0 { // it changed, or the server knows no ranges
			if err := t.in.Restart(); err != nil {
				return 0, 0, err
			}
		}
		from, until = t.in.Want()
		return from, until, nil
	}
	return 0, 0, unexpected(resp)
}

// pass reads at most want bytes. A body that ends before is a broken connection.
func (t *transfer) pass(ctx context.Context, body io.Reader, want int64, watch *time.Timer) (got int64, err error) {
	buf := t.buffer()
	defer t.buffers.Put(buf)
	for got < want {
		watch.Reset(t.stall)
		n, err := body.Read((*buf)[:min(int64(len(*buf)), want-got)])
		watch.Stop()
		if n > 0 {
			if _, err := t.in.Write((*buf)[:n]); err != nil {
				return got, err
			}
			got += int64(n)
			t.progress.fetched.Add(int64(n))
			t.count()
			if err := t.slow(ctx, n); err != nil {
				return got, err
			}
		}
		if err != nil && got < want {
			return got, networkError(err)
		}
	}
	return got, nil
}

func (t *transfer) buffer() *[]byte {
	if b, ok := t.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, copyBuffer)
	return &b
}

func (t *transfer) slow(ctx context.Context, n int) error {
	if t.limit == nil {
		return nil
	}
	return t.limit.WaitN(ctx, n)
}

// newLimiter lets bytesPerSecond through, nil for 0; a buffer always fits.
func newLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), copyBuffer)
}

// receive fetches a file of the parcel to where in puts it.
func (s *source) receive(ctx context.Context, name string, size int64, in arrival.Incoming) error {
	err := arrival.Twice(in, func() error { return s.bring(ctx, name, size, in) })
	if closeErr := in.Close(); err == nil {
		err = closeErr
	}
	return err
}

// keep fetches a document to its place, unless it is there.
func (s *source) keep(ctx context.Context, tree *arrival.Tree, f crypto.ManifestFile, name string) error {
	s.progress.total.Add(f.Size)
	if tree.Holds(f) {
		s.progress.bytes.Add(f.Size)
		return nil
	}
	in, err := tree.Keep(f)
	if err != nil {
		return err
	}
	return s.receive(ctx, name, f.Size, in)
}

// tiles proves the ledger's consistency from the server's tiles.
func tiles(c *Client, p *patience) func(ctx context.Context, path string) ([]byte, error) {
	return func(ctx context.Context, path string) ([]byte, error) {
		return get(ctx, c, p, "/ledger/"+path, maxSmall)
	}
}

// manifestSize is the size of the manifest as listed, within bounds.
func (s *source) manifestSize() (int64, error) {
	f, ok := s.files[received.ManifestPath]
	if !ok || f.Size > received.MaxManifest {
		return 0, models.Errorf(models.Integrity, "the server lists no manifest, or one that is too large; tell the issuer")
	}
	return f.Size, nil
}

// Progress counts what has arrived, for whoever shows it. Its zero value is
// ready.
type Progress struct {
	files, filesDone, total, bytes, fetched atomic.Int64

	current atomic.Pointer[string]
}

// Fetched is how many bytes came over the network in this run.
func (p *Progress) Fetched() int64 { return p.fetched.Load() }

// Current is a file that bytes arrive for; empty before the first.
func (p *Progress) Current() string {
	if name := p.current.Load(); name != nil {
		return *name
	}
	return ""
}

// Files is how many data files are done, and how many there are.
func (p *Progress) Files() (done, total int64) { return p.filesDone.Load(), p.files.Load() }

// Bytes is how many bytes are here, and how many there will be.
func (p *Progress) Bytes() (done, total int64) { return p.bytes.Load(), p.total.Load() }
