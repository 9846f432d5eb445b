// Package client talks to a Teikyo server: Call for the API, and the
// recipient's side (get, open, verify) in the other files. It never holds a
// server's secrets; what it downloads it checks.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"teikyo/models"
)

// maxAnswer is the largest JSON answer that is read, in bytes.
const maxAnswer = 64 << 20

// Client calls the API of one server.
type Client struct {
	// Base is the server's address, for example "https://data.example.jp".
	Base string
	// Token is an API token; empty for public calls.
	Token string
	// HTTP is the transport; nil means one with sensible timeouts.
	HTTP *http.Client
	// UserAgent names the program and its version.
	UserAgent string
}

// DefaultHTTP gives up on a server that does not answer the first byte within a
// minute; transfers themselves have no end but their context's.
func DefaultHTTP() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	transport.MaxIdleConnsPerHost = 16
	return withoutRedirects(&http.Client{Transport: transport})
}

// withoutRedirects follows none: nothing here redirects, and a redirect could
// carry a token away.
func withoutRedirects(c *http.Client) *http.Client {
	strict := *c
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &strict
}

// Call sends in as JSON (nil: no body) and decodes the answer into out (nil:
// ignored; *json.RawMessage keeps the bytes). path starts with /api/v1. Errors
// are *models.Error of the server's kind, or Unavailable when it cannot be
// reached.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	header := http.Header{}
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return models.Wrap(models.Internal, err, "the request cannot be encoded")
		}
		body = bytes.NewReader(text)
		header.Set("Content-Type", "application/json")
	}
	return c.Send(ctx, method, path, header, body, out)
}

// Send is Call with a body and headers of the caller's choice.
func (c *Client) Send(ctx context.Context, method, path string, header http.Header, body io.Reader, out any) error {
	resp, err := c.Do(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return networkError(err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return networkError(err)
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = text
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return models.Wrap(models.Unavailable, err, "the server's answer is not what was expected; check its address and version")
	}
	return nil
}

// Do sends a request and returns the answer of a success (2xx, 3xx) with its
// body open, else the error that the server's problem document describes.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Base, "/")+path, body)
	if err != nil {
		return nil, models.Wrap(models.Invalid, hideURL(err), "the server's address is not valid; it looks like https://HOST")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	transport := c.HTTP
	if transport == nil {
		transport = DefaultHTTP()
	}
	resp, err := transport.Do(req)
	if err != nil {
		return nil, networkError(err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, problemError(resp)
	}
	return resp, nil
}

// networkError says that the server could not be reached; the URL, which may
// hold a token, is left out.
func networkError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return models.Wrap(models.Unavailable, hideURL(err),
		"the server cannot be reached or broke the connection; check its address and try again")
}

func hideURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// problemError reads the problem document (RFC 9457) of an error answer.
func problemError(resp *http.Response) error {
	var p struct {
		Type     string `json:"type"`
		Detail   string `json:"detail"`
		Request  string `json:"request_id"`
		Findings []struct {
			ID       string `json:"id"`
			Location string `json:"location"`
			Rule     string `json:"rule"`
			Message  string `json:"message"`
		} `json:"findings"`
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	kind, ok := "", false
	if media == "application/problem+json" && json.Unmarshal(text, &p) == nil {
		kind, ok = strings.CutPrefix(p.Type, "urn:teikyo:problem:")
	}
	if !ok {
		e := models.Errorf(kindOfStatus(resp.StatusCode), "the server answered %s; check its address", resp.Status)
		e.RetryAfter = retryAfter(resp.Header)
		return e
	}
	e := models.Errorf(models.ErrorKind(kind), "%s", p.Detail)
	e.RetryAfter = retryAfter(resp.Header)
	if e.Kind == models.Internal && p.Request != "" {
		e.Msg += " (request " + p.Request + ")"
	}
	for _, f := range p.Findings {
		e.Findings = append(e.Findings, models.Finding{ID: f.ID, Location: f.Location, Rule: f.Rule, Msg: f.Message})
	}
	return e
}

// retryAfter reads how long the server asks to wait, at most an hour.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Hour) //nolint:gosec // 32 bits
}

func kindOfStatus(status int) models.ErrorKind {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return models.Denied
	case status == http.StatusNotFound:
		return models.NotFound
	case status == http.StatusGone:
		return models.Expired
	case status >= 500 || status == http.StatusTooManyRequests:
		return models.Unavailable
	default:
		return models.Invalid
	}
}

// message is what an error says to people, without its cause.
func message(err error) string {
	var e *models.Error
	if errors.As(err, &e) {
		return e.Msg
	}
	return err.Error()
}
