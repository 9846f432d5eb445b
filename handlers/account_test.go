package handlers_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/handlers"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
)

const accountPassword = "correct horse battery staple"

// accountServer is a server with accounts only, and what it wrote to its log.
type accountServer struct {
	http.Handler
	access *access.Service
	log    syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newAccountServer(t *testing.T) *accountServer {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{
		URL: dbtest.URL(t, t.TempDir()), Rand: rand.Reader,
	})
	noError(t, err)
	t.Cleanup(func() {
		ledgertest.CheckLedger(t, db, ledger.VerifyOptions{})
		db.Close()
	})
	s := &accountServer{access: &access.Service{
		Store: db, Hasher: crypto.NewPasswordHasher(rand.Reader, 2), Now: time.Now, Rand: rand.Reader,
	}}
	s.Handler, err = handlers.New(handlers.Config{
		Access: s.access, PublicURL: "https://data.example.jp", Log: slog.New(slog.NewJSONHandler(&s.log, nil)), Version: "test",
	})
	noError(t, err)
	return s
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a decoded answer.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (s *accountServer) call(t *testing.T, method, path, token string, in any) answer {
	t.Helper()
	text, err := json.Marshal(in)
	noError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), method, "/api/v1"+path, bytes.NewReader(text))
	req.Header.Set("Content-Type", "application/json")
	if cookie, found := strings.CutPrefix(token, "cookie:"); found {
		req.AddCookie(&http.Cookie{Name: handlers.SessionCookie, Value: cookie})
	} else if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	a := answer{status: w.Code, header: w.Header(), body: map[string]any{}}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			t.Fatalf("%s %s: %d %q", method, path, w.Code, w.Body)
		}
	}
	return a
}

// want calls and wants that status.
func (s *accountServer) want(t *testing.T, status int, method, path, token string, in any) answer {
	t.Helper()
	a := s.call(t, method, path, token, in)
	if a.status != status {
		t.Fatalf("%s %s: got %d %v, want %d", method, path, a.status, a.body, status)
	}
	if status >= 400 && (a.header.Get("Content-Type") != "application/problem+json" || a.text("request_id") == "") {
		t.Errorf("%s %s: no problem document: %v", method, path, a.body)
	}
	return a
}

type fields map[string]any

func (s *accountServer) setup(t *testing.T) (token string) {
	t.Helper()
	code, _, err := s.access.NewSetupCode(t.Context())
	noError(t, err)
	a := s.want(t, 201, "POST", "/setup", "",
		fields{"code": code, "email": "first@example.jp", "name": "青木 一", "password": accountPassword})
	return a.text("token")
}

func (s *accountServer) signIn(t *testing.T, email string) answer {
	t.Helper()
	return s.want(t, 201, "POST", "/sessions", "", fields{"email": email, "password": accountPassword})
}

func TestAccountStory(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.want(t, 409, "POST", "/setup", "", fields{"code": "x", "email": "a@example.jp", "name": "a", "password": accountPassword})
	admin := s.setup(t)
	if !strings.HasPrefix(admin, "tk_") {
		t.Fatal("no token")
	}
	me := s.want(t, 200, "GET", "/sessions/current", admin, nil)
	if me.text("email") != "first@example.jp" || me.text("confirmed") != "alone" || me.text("token_name") != "setup" {
		t.Errorf("%v", me.body)
	}

	invited := s.want(t, 201, "POST", "/users", admin, fields{"email": "m@example.jp", "name": "森", "role": "manager"})
	id, code := invited.text("id"), invited.text("code")
	if id == "" || code == "" || invited.text("state") != "invited" {
		t.Fatalf("%v", invited.body)
	}
	s.want(t, 401, "POST", "/sessions", "", fields{"email": "m@example.jp", "password": accountPassword})
	s.want(t, 200, "POST", "/users/accept", "", fields{"code": code, "password": accountPassword})
	s.want(t, 410, "POST", "/users/accept", "", fields{"code": code, "password": accountPassword})
	s.want(t, 404, "POST", "/users/accept", "", fields{"code": "nonsense", "password": accountPassword})

	in := s.signIn(t, "m@example.jp")
	manager := in.text("token")
	if user, _ := in.body["user"].(map[string]any); user["id"] != id || in.text("id") == "" || in.text("expires_at") == "" {
		t.Errorf("%v", in.body)
	}
	confirmed := s.want(t, 200, "POST", "/users/"+id+"/confirm", admin, nil)
	if confirmed.text("confirmed") != "alone" {
		t.Errorf("%v", confirmed.body)
	}
	s.want(t, 403, "POST", "/users/"+id+"/confirm", manager, nil)
	s.want(t, 403, "GET", "/users", manager, nil)
	s.want(t, 401, "GET", "/users", "", nil)
	s.want(t, 404, "GET", "/users/u-nobody", admin, nil)
	list := s.want(t, 200, "GET", "/users?limit=1", admin, nil)
	if items, _ := list.body["items"].([]any); len(items) != 1 || list.text("next_cursor") == "" {
		t.Errorf("%v", list.body)
	}
	changed := s.want(t, 200, "PATCH", "/users/"+id, admin, fields{"role": "auditor"})
	if changed.text("role") != "auditor" || changed.text("confirmed") != "no" {
		t.Errorf("%v", changed.body)
	}
	s.want(t, 200, "POST", "/users/"+id+"/disable", admin, nil)
	s.want(t, 401, "GET", "/sessions/current", manager, nil)
	s.want(t, 200, "POST", "/users/"+id+"/enable", admin, nil)
	if reset := s.want(t, 200, "POST", "/users/"+id+"/reset", admin, nil); reset.text("code") == "" || reset.text("code") == code {
		t.Errorf("%v", reset.body)
	}
	s.want(t, 204, "DELETE", "/sessions/current", admin, nil)
	s.want(t, 401, "GET", "/sessions/current", admin, nil)
	s.noSecret(t, accountPassword, code, admin, manager)
}

// noSecret wants that the log, which must not be empty, holds none of these.
func (s *accountServer) noSecret(t *testing.T, secrets ...string) {
	t.Helper()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	text := s.log.String()
	if !strings.Contains(text, `"route":"/api/v1/sessions"`) {
		t.Error("the log lacks the request that it must hold")
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestTokensOverHTTP(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	admin := s.setup(t)
	made := s.want(t, 201, "POST", "/tokens", admin, fields{"name": "nightly", "expires_in": 3600})
	s.want(t, 200, "GET", "/sessions/current", made.text("token"), nil)
	s.want(t, 422, "POST", "/tokens", admin, fields{"name": "x", "expires_in": -1})
	s.want(t, 422, "POST", "/tokens", admin, fields{"name": ""})
	list := s.want(t, 200, "GET", "/tokens", admin, nil)
	items, _ := list.body["items"].([]any)
	text, err := json.Marshal(items)
	noError(t, err)
	if len(items) != 2 || strings.Contains(string(text), "tk_") || strings.Contains(string(text), "hash") {
		t.Errorf("%s", text)
	}
	s.want(t, 204, "DELETE", "/tokens/"+made.text("id"), admin, nil)
	s.want(t, 401, "GET", "/sessions/current", made.text("token"), nil)
	s.want(t, 404, "DELETE", "/tokens/t-nothing", admin, nil)
}

func TestBrowserSession(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.setup(t)
	in := s.want(t, 201, "POST", "/sessions", "", fields{"email": "first@example.jp", "password": accountPassword, "browser": true})
	if in.text("token") != "" {
		t.Error("the secret of a session must not be readable by script")
	}
	cookie, err := http.ParseSetCookie(in.header.Get("Set-Cookie"))
	noError(t, err)
	if cookie.Name != "__Host-teikyo" || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" ||
		cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge <= 0 {
		t.Errorf("%+v", cookie)
	}
	s.want(t, 200, "GET", "/sessions/current", "cookie:"+cookie.Value, nil)
	out := s.want(t, 204, "DELETE", "/sessions/current", "cookie:"+cookie.Value, nil)
	if gone, err := http.ParseSetCookie(out.header.Get("Set-Cookie")); err != nil || gone.MaxAge >= 0 || gone.Value != "" {
		t.Errorf("%+v %v", gone, err)
	}
	s.want(t, 401, "GET", "/sessions/current", "cookie:"+cookie.Value, nil)
	// An old cookie is not in the way of signing in again; an old token is.
	again := fields{"email": "first@example.jp", "password": accountPassword}
	s.want(t, 201, "POST", "/sessions", "cookie:"+cookie.Value, again)
	s.want(t, 401, "POST", "/sessions", "tk_old", again)
}

func TestCrossSiteRequestIsRefused(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.setup(t)
	in := s.want(t, 201, "POST", "/sessions", "", fields{"email": "first@example.jp", "password": accountPassword, "browser": true})
	cookie, err := http.ParseSetCookie(in.header.Get("Set-Cookie"))
	noError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), "DELETE", "/api/v1/sessions/current", nil)
	req.AddCookie(cookie)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	if w.Code != 403 {
		t.Errorf("got %d", w.Code)
	}
	s.want(t, 200, "GET", "/sessions/current", "cookie:"+cookie.Value, nil)
}

func TestTooManyAttemptsSayWhenToComeBack(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	s.setup(t)
	wrong := fields{"email": "first@example.jp", "password": "wrong password"}
	var last answer
	for range 8 {
		if last = s.call(t, "POST", "/sessions", "", wrong); last.status == 429 {
			break
		}
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" || last.text("type") != "urn:teikyo:problem:rate_limited" {
		t.Errorf("%d %v %v", last.status, last.header, last.body)
	}
	s.noSecret(t, "wrong password")
}

func TestBadAccountInput(t *testing.T) {
	t.Parallel()
	s := newAccountServer(t)
	admin := s.setup(t)
	for name, in := range map[string]any{
		"unknown role":          fields{"email": "a@example.jp", "name": "a", "role": "owner"},
		"unknown field":         fields{"email": "a@example.jp", "name": "a", "role": "manager", "confirmed_by": "me"},
		"missing name":          fields{"email": "a@example.jp", "role": "manager"},
		"long name":             fields{"email": "a@example.jp", "name": strings.Repeat("a", 1000), "role": "manager"},
		"recipient without one": fields{"email": "a@example.jp", "name": "a", "role": "recipient"},
		"a list":                []string{"a"},
	} {
		if a := s.call(t, "POST", "/users", admin, in); a.status != 422 {
			t.Errorf("%s: %d %v", name, a.status, a.body)
		}
	}
	if list := s.want(t, 200, "GET", "/users", admin, nil); len(list.body["items"].([]any)) != 1 {
		t.Errorf("%v", list.body)
	}
	s.want(t, 409, "POST", "/users", admin, fields{"email": "first@example.jp", "name": "a", "role": "manager"})
	s.want(t, 422, "GET", "/users?cursor=nonsense", admin, nil)
}
