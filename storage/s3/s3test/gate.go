package s3test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Gate stands before a server, speaks TLS like it, and may answer in its place
// or spoil what passes.
type Gate struct {
	Address string // HOST:PORT

	mu       sync.Mutex
	requests []string
	hook     Hook
}

// Hook decides what becomes of a request; calling next lets it through.
type Hook func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Gate puts a gate before the server until the end of the test.
func (s *Server) Gate(tb testing.TB) *Gate {
	tb.Helper()
	g := &Gate{}
	next := &httputil.ReverseProxy{
		// The signature covers the host as the client wrote it.
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "https", s.Address },
		Transport: s.certs.transport(), ErrorLog: log.New(io.Discard, "", 0), FlushInterval: -1,
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.handle(w, r, next)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{s.certs.pair}}
	server.StartTLS()
	tb.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		tb.Fatal(err)
	}
	g.Address = at.Host
	return g
}

func (g *Gate) handle(w http.ResponseWriter, r *http.Request, next http.Handler) {
	g.mu.Lock()
	g.requests = append(g.requests, r.Method+" "+r.URL.RequestURI())
	hook := g.hook
	g.mu.Unlock()
	if hook == nil {
		next.ServeHTTP(w, r)
		return
	}
	hook(w, r, next)
}

// Set makes hook decide from now on; nil lets everything through.
func (g *Gate) Set(hook Hook) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hook = hook
}

// Requests are those since the last call, as METHOD PATH?QUERY.
func (g *Gate) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() { g.requests = nil }()
	return slices.Clone(g.requests)
}

// First lets hook decide about the first n requests that match, and lets all
// others through.
func First(n int, match func(r *http.Request) bool, hook Hook) Hook {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		mine := n > 0 && match(r)
		if mine {
			n--
		}
		mu.Unlock()
		if mine {
			hook(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Method matches requests of a method.
func Method(method string) func(r *http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method }
}

// Answer refuses with a status and a code of S3.
func Answer(status int, code string) Hook {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>injected</Message></Error>", code)
		}
	}
}

// WrongBytes changes one byte of what the server answers, or of what it is sent.
func WrongBytes(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.Method == http.MethodPut {
		r.Body = io.NopCloser(&flipper{r: r.Body})
		next.ServeHTTP(w, r)
		return
	}
	next.ServeHTTP(&wrongAnswer{ResponseWriter: w}, r)
}

type flipper struct {
	r    io.Reader
	done bool
}

func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if n > 0 && !f.done {
		p[0] ^= 0x40
		f.done = true
	}
	return n, err
}

type wrongAnswer struct {
	http.ResponseWriter
	done bool
}

func (w *wrongAnswer) Write(p []byte) (int, error) {
	if w.done || len(p) == 0 {
		return w.ResponseWriter.Write(p)
	}
	w.done = true
	wrong := bytes.Clone(p)
	wrong[0] ^= 0x40
	return w.ResponseWriter.Write(wrong)
}

// ShortBytes breaks off after half of what the server answers.
func ShortBytes(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	body := answer.Body.Bytes()
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// LostAnswer lets the request through and closes the connection in place of the
// answer.
func LostAnswer(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}
