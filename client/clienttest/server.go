package clienttest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/crypto"
	"teikyo/ledger"
	"teikyo/models"
)

// Server gives out one parcel by links, as the real one does. Change its fields
// before requests come, or in Fault, which runs with the lock held.
type Server struct {
	*httptest.Server
	Issuer *Issuer

	mu     sync.Mutex
	Parcel Parcel
	Bind   models.LinkBind
	Ends   time.Time
	// Uses counts redeems; every one gives a session of its own.
	Uses int
	// Answer changes the answer to a redeem.
	Answer func(map[string]any)
	// Fault sees every request for bytes first; true means that it answered.
	Fault func(w http.ResponseWriter, r *http.Request, name string) bool
	// ETag makes the tag of a file; the default is its digest.
	ETag func(name string, body []byte) string
	// Requests are the requests for bytes, "PATH RANGE".
	Requests []string
}

// Serve starts a server for a parcel; it ends with the test.
func Serve(t testing.TB, i *Issuer, p Parcel) *Server {
	t.Helper()
	s := &Server{Issuer: i, Parcel: p, Bind: models.BindKey, Ends: Noon().Add(72 * time.Hour)}
	s.ETag = func(_ string, body []byte) string { return `"` + Digest(body) + `"` }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/teikyo.json", s.issuer)
	mux.HandleFunc("GET /ledger/tile/", s.tile)
	mux.HandleFunc("POST /api/v1/links/redeem", s.redeem)
	mux.HandleFunc("GET /dl/{session}/{path...}", s.file)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// Link is a link of the parcel; name tells links apart.
func (s *Server) Link(name string) string { return s.URL + "/d/eyJ." + name + ".sig" }

// Change changes the server between requests.
func (s *Server) Change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Asked are the requests for bytes so far.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.Requests...)
}

func (s *Server) issuer(w http.ResponseWriter, _ *http.Request) {
	text, err := s.Issuer.Keys.Issuer().JSON()
	answer(w, text, err)
}

func (s *Server) tile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tile, err := ledger.ParseTilePath(strings.TrimPrefix(r.URL.Path, "/ledger/"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	text, err := ledger.ReadTile(tile, s.Issuer.Log.Row.Size, s.Issuer.Log)
	answer(w, text, err)
}

func answer(w http.ResponseWriter, text []byte, err error) {
	if err != nil {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text)
}

// Problem answers with a problem document.
func Problem(w http.ResponseWriter, status int, kind models.ErrorKind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:teikyo:problem:" + string(kind), "detail": detail})
}

func (s *Server) redeem(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in struct {
		Token string `json:"token"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || !strings.HasPrefix(in.Token, "eyJ.") {
		Problem(w, http.StatusNotFound, models.NotFound, "there is no such link")
		return
	}
	s.Uses++
	issuer := s.Issuer.Keys.Issuer()
	secret := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{byte(s.Uses)}, 32)) //nolint:gosec // a test
	path := "/dl/" + secret + "/"
	out := map[string]any{
		"provision": s.Parcel.Provision, "link": "l-aaaaaaaaaaaaaaaa", "bind": s.Bind, "expires_at": s.Ends,
		"issuer":          map[string]string{"origin": issuer.Origin, "fingerprint": issuer.Fingerprint()},
		"key_fingerprint": s.Parcel.Content.To.Fingerprint(),
	}
	if s.Bind == models.BindKey {
		text := strings.Join([]string{"teikyo-session-v1", issuer.Origin, "l-aaaaaaaaaaaaaaaa", s.Parcel.Provision, path, ""}, "\n")
		sealed, err := crypto.SealSmall([]byte(text), s.Parcel.Content.To)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		out["sealed_session"] = base64.StdEncoding.EncodeToString(sealed)
	} else {
		out["session"] = path
	}
	if s.Answer != nil {
		s.Answer(out)
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	if s.faulty(w, r, name) {
		return
	}
	s.mu.Lock()
	var list map[string]any
	if name == "" {
		list = s.listing()
	}
	body, ok := s.Parcel.Tree[name]
	tag := s.ETag(name, body)
	s.mu.Unlock()
	switch {
	case name == "":
		_ = json.NewEncoder(w).Encode(list)
	case !ok:
		Problem(w, http.StatusNotFound, models.NotFound, "there is no such file in this parcel")
	default:
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}

// faulty lets the fault answer; it may panic to break the connection.
func (s *Server) faulty(w http.ResponseWriter, r *http.Request, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		s.Requests = append(s.Requests, strings.TrimSpace(name+" "+r.Header.Get("Range")))
	}
	return s.Fault != nil && s.Fault(w, r, name)
}

func (s *Server) listing() map[string]any {
	files := []map[string]any{}
	for name, body := range s.Parcel.Tree {
		files = append(files, map[string]any{"path": name, "size": len(body), "etag": s.ETag(name, body)})
	}
	return map[string]any{"provision": s.Parcel.Provision, "expires_at": s.Ends, "files": files}
}

// Cut lets n bytes of the file through as a real answer would send them, then
// breaks the connection.
func (s *Server) Cut(w http.ResponseWriter, r *http.Request, name string, n int) {
	body := s.Parcel.Tree[name]
	w.Header().Set("ETag", s.ETag(name, body))
	http.ServeContent(&cutter{ResponseWriter: w, left: n}, r, "", time.Time{}, bytes.NewReader(body))
	panic(http.ErrAbortHandler)
}

// cutter sends a number of bytes and breaks the connection.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) < c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}
