// Package transit keeps the key-encryption key in the transit secrets engine of
// HashiCorp Vault or OpenBao (their HTTP API, "Transit Secrets Engine"): the key
// never leaves that server. It implements crypto.KEKProvider.
package transit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"teikyo/crypto"
)

// Config says how to reach the engine. Every field must be set unless it says
// otherwise.
type Config struct {
	URL       string // of the server, without path
	Mount     string // of the engine
	Key       string // its name there
	Namespace string // may be empty
	// Token reads the token. It is asked again when the server refuses one.
	// With RoleID it is not used.
	Token func() (string, error)
	// RoleID and SecretID sign in by AppRole; RoleID may be empty.
	RoleID   string
	SecretID func() (string, error)
	// HTTP makes the connections: that of package egress.
	HTTP *http.Client
	// Timeout bounds one request.
	Timeout time.Duration
	Now     func() time.Time
	Rand    io.Reader
	// Pause waits between attempts; nil is a timer.
	Pause func(ctx context.Context, d time.Duration) error
}

const (
	attempts  = 3
	firstWait = 100 * time.Millisecond
	// maxAnswer bounds an answer, in bytes: the longest is a wrapped key.
	maxAnswer = 256 << 10
	// maxWords bounds what is repeated of the server's own words.
	maxWords = 200
)

// refusal is an answer that another attempt does not change.
type refusal struct {
	status int
	words  string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("the key service answers %d: %s", e.status, e.words)
}

// caller is the HTTP side: tokens, attempts, limits.
type caller struct {
	Config

	mu    sync.Mutex
	token string
}

// call sends in as JSON and decodes the data of the answer into out. Errors wrap
// crypto.ErrProvider, or are a *refusal.
func (c *caller) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("transit: encoding a request: %w", err)
		}
		defer clear(body)
	}
	var err error
	renewed := false
	for n := range attempts {
		if n > 0 {
			if pauseErr := c.pause(ctx, firstWait<<(2*(n-1))); pauseErr != nil {
				return errors.Join(err, pauseErr)
			}
		}
		err = c.once(ctx, method, path, body, out)
		var refused *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused) && refused.status == http.StatusForbidden && !renewed:
			renewed = true // the token may have been replaced, or have ended
			c.forget()
		case errors.As(err, &refused):
			return err
		}
	}
	return err
}

func (c *caller) pause(ctx context.Context, d time.Duration) error {
	if c.Pause != nil {
		return c.Pause(ctx, d)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", crypto.ErrProvider, ctx.Err())
	}
}

func (c *caller) once(ctx context.Context, method, path string, body []byte, out any) error {
	token, err := c.current(ctx)
	if err != nil {
		return err
	}
	return c.send(ctx, method, path, token, body, func(data json.RawMessage, _ json.RawMessage) error {
		if out == nil {
			return nil
		}
		return json.Unmarshal(data, out)
	})
}

// send is one request. A refusal is final; all else wraps crypto.ErrProvider.
func (c *caller) send(
	ctx context.Context, method, path, token string, body []byte, use func(data, auth json.RawMessage) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", crypto.ErrProvider, err)
	}
	req.Header.Set("X-Vault-Request", "true")
	if token != "" {
		req.Header.Set("X-Vault-Token", token)
	}
	if c.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", c.Namespace)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", crypto.ErrProvider, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(text) > maxAnswer {
		return fmt.Errorf("%w: the answer breaks off or is too long (%v)", crypto.ErrProvider, err)
	}
	defer clear(text)
	if resp.StatusCode >= 300 {
		return failure(resp.StatusCode, text)
	}
	return decode(text, use)
}

func decode(text []byte, use func(data, auth json.RawMessage) error) error {
	var answer struct {
		Data json.RawMessage `json:"data"`
		Auth json.RawMessage `json:"auth"`
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("%w: the answer is not JSON", crypto.ErrProvider)
		}
	}
	if err := use(answer.Data, answer.Auth); err != nil {
		return fmt.Errorf("%w: the answer is not what was expected", crypto.ErrProvider)
	}
	return nil
}

// failure is an answer that is no success. 4xx are about the request, but for a
// server that is too busy (429) or not ready (412, 472, 473).
func failure(status int, text []byte) error {
	var answer struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(text, &answer)
	words := printable(strings.Join(answer.Errors, "; "))
	switch {
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusPreconditionFailed || status == 472 || status == 473:
		return fmt.Errorf("%w: it answers %d: %s", crypto.ErrProvider, status, words)
	case status < 400:
		return fmt.Errorf("%w: it redirects elsewhere (%d); give the address of the server itself", crypto.ErrProvider, status)
	}
	return &refusal{status, words}
}

// printable shortens what a server says, and keeps control characters out.
func printable(words string) string {
	words = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words, "?"))
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "…"
	}
	if words == "" {
		return "no reason given"
	}
	return words
}

func (c *caller) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

// current is the token, read from its file or got by AppRole when there is none.
func (c *caller) current(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" {
		return c.token, nil
	}
	if c.RoleID != "" {
		return c.signIn(ctx)
	}
	token, err := c.Token()
	if err != nil {
		return "", fmt.Errorf("%w: its token: %w", crypto.ErrProvider, err)
	}
	c.token = token
	return token, nil
}

// signIn is the login of AppRole (API, "AppRole Auth Method").
func (c *caller) signIn(ctx context.Context) (string, error) {
	secret, err := c.SecretID()
	if err != nil {
		return "", fmt.Errorf("%w: its secret id: %w", crypto.ErrProvider, err)
	}
	body, err := json.Marshal(map[string]string{"role_id": c.RoleID, "secret_id": secret})
	if err != nil {
		return "", fmt.Errorf("transit: encoding a request: %w", err)
	}
	defer clear(body)
	err = c.send(ctx, http.MethodPost, "auth/approle/login", "", body, func(_, auth json.RawMessage) error {
		var in struct {
			Token string `json:"client_token"`
		}
		if err := json.Unmarshal(auth, &in); err != nil || in.Token == "" {
			return errors.New("transit: no token")
		}
		c.token = in.Token
		return nil
	})
	var refused *refusal
	if errors.As(err, &refused) {
		return "", fmt.Errorf("%w: signing in: %w", crypto.ErrProvider, err)
	}
	return c.token, err
}
