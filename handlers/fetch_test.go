package handlers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"teikyo/crypto"
	"teikyo/database/dbtest"
)

const big = "data/請求 一覧.csv.age"

// escaped is a path of the parcel as it stands in an address.
func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

type listing struct {
	Provision string    `json:"provision"`
	Link      string    `json:"link"`
	ExpiresAt time.Time `json:"expires_at"`
	Files     []struct {
		Path string `json:"path"`
		Size int64  `json:"size"`
		ETag string `json:"etag"`
	} `json:"files"`
}

// A browser gets from the link to the bytes with nothing but links and a form.
func TestFetchInABrowser(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	link, id := s.link(fields{"bind": "none", "uses": 1})
	for _, method := range []string{"GET", "HEAD", "GET"} {
		got := s.ask(method, link, "", "Accept", "text/html", "Accept-Language", "ja,en;q=0.8")
		if got.status != 200 || got.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %v", method, got.status, got.header)
		}
		if text := string(got.body); method == "GET" {
			for _, part := range []string{"Example &lt;Hospital&gt;", "Claims &lt;請求&gt; 2026", "1.2 MiB", "予行", `<form method="post">`} {
				if !strings.Contains(text, part) {
					t.Errorf("the page lacks %q:\n%s", part, text)
				}
			}
			if strings.Contains(text, "<script") || got.header.Get("Referrer-Policy") != "same-origin" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v\n%s", got.header, text)
			}
		}
	}
	if used := s.api(200, "GET", "/links/"+id, nil)["used"]; used != 0.0 {
		t.Errorf("looking used the link %v times", used)
	}
	opened := s.ask("POST", link, "", "Origin", s.server.URL, "Content-Type", "application/x-www-form-urlencoded")
	session := opened.header.Get("Location")
	if opened.status != http.StatusSeeOther || !strings.HasPrefix(session, "/dl/") || !strings.HasSuffix(session, "/") {
		t.Fatalf("%d %v %s", opened.status, opened.header, opened.body)
	}
	list := s.ask("GET", session, "", "Accept", "text/html,*/*")
	if list.status != 200 || !strings.HasPrefix(list.header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", list.status, list.header)
	}
	found := 0
	for _, href := range links(t, list.body) {
		if !strings.HasPrefix(href, "./") {
			continue
		}
		base, err := url.Parse(s.server.URL + session)
		noError(t, err)
		at, err := base.Parse(href)
		noError(t, err)
		if got := s.ask("GET", at.String(), ""); got.status != 200 || len(got.body) == 0 {
			t.Errorf("%s: %d", href, got.status)
		}
		found++
	}
	if found != len(fetchFiles)+8 {
		t.Errorf("%d files are linked", found)
	}
	if css := s.ask("GET", "/static/teikyo.css", ""); css.status != 200 || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("style sheet: %d %v", css.status, css.header)
	}
	s.keepsQuiet(strings.TrimPrefix(link, s.server.URL+"/d/"), strings.Trim(session, "/")[3:])
}

// keepsQuiet checks that the log has lines, and none with a secret.
func (s *fetchServer) keepsQuiet(secrets ...string) {
	s.t.Helper()
	s.log.mu.Lock()
	text := s.log.String()
	s.log.mu.Unlock()
	if !strings.Contains(text, `"route":"/dl/:session/*path"`) {
		s.t.Error("the log lacks the downloads")
	}
	for _, secret := range secrets {
		if len(secret) < 40 || strings.Contains(text, secret) {
			s.t.Errorf("the log holds %q", secret)
		}
	}
}

// links are the addresses of a page, in order.
func links(t *testing.T, page []byte) []string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	noError(t, err)
	var list []string
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if n.Data == "a" && a.Key == "href" {
				list = append(list, a.Val)
			}
		}
	}
	return list
}

func TestFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	link, _ := s.link(fields{"bind": "none", "uses": 3})
	for _, c := range []struct {
		header []string
		status int
	}{
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 303},
		{[]string{"Origin", s.server.URL}, 303},
	} {
		if got := s.ask("POST", link, "", c.header...); got.status != c.status {
			t.Errorf("%v: %d, want %d", c.header, got.status, c.status)
		}
	}
}

func TestFetchByAProgram(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	link, id := s.link(fields{})
	page := s.ask("GET", link, "", "Accept-Language", "en")
	if !strings.Contains(string(page.body), "teikyo get &#39;"+link+"&#39; -o DIR -i IDENTITY") || strings.Contains(string(page.body), "<form") {
		t.Errorf("the page of a bound link:\n%s", page.body)
	}
	if got := s.ask("POST", link, ""); got.status != 409 {
		t.Errorf("the form of a bound link: %d", got.status)
	}
	redeemed := s.redeem(200, link)
	issuer, _ := redeemed["issuer"].(map[string]any)
	if redeemed["provision"] != s.prov.ID || redeemed["link"] != id || redeemed["bind"] != "key" || redeemed["session"] != nil ||
		redeemed["key_fingerprint"] != s.prov.KeyFingerprint || issuer["origin"] != issuerOrigin || issuer["fingerprint"] != s.keys.Issuer().Fingerprint() {
		t.Fatalf("answer %v", redeemed)
	}
	sealed, err := base64.StdEncoding.DecodeString(redeemed["sealed_session"].(string))
	noError(t, err)
	text, err := crypto.OpenSmall(sealed, s.identity, 1<<10)
	noError(t, err)
	session := strings.Split(string(text), "\n")[4]
	var list listing
	got := s.ask("GET", session, "", "Accept", "application/json")
	noError(t, json.Unmarshal(got.body, &list))
	if list.Provision != s.prov.ID || list.Link != id || len(list.Files) != len(fetchFiles)+8 || list.ExpiresAt.IsZero() ||
		got.header.Get("Content-Type") != "application/json" {
		t.Errorf("listing %v %+v", got.header, list)
	}
	for _, f := range list.Files {
		want, etag := s.parcelFile(f.Path)
		got := s.ask("GET", session+escaped(f.Path), "")
		if got.status != 200 || !bytes.Equal(got.body, want) || f.Size != int64(len(want)) || f.ETag != etag || got.header.Get("ETag") != etag {
			t.Errorf("%s: %d, %d bytes of %d listed as %d, %s", f.Path, got.status, len(got.body), len(want), f.Size, f.ETag)
		}
	}
	s.keepsQuiet(strings.TrimPrefix(link, s.server.URL+"/d/"), strings.Trim(session, "/")[3:])
}

// redeem is what a program does with a link.
func (s *fetchServer) redeem(status int, link string) map[string]any {
	s.t.Helper()
	_, token, _ := strings.Cut(link, "/d/")
	got := s.ask("POST", "/api/v1/links/redeem", `{"token":"`+token+`"}`, "Content-Type", "application/json")
	if got.status != status {
		s.t.Fatalf("redeem: %d %s", got.status, got.body)
	}
	return got.json(s.t)
}

func TestHeadersOfBytes(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	want, etag := s.parcelFile(big)
	size := strconv.Itoa(len(want))
	common := map[string]string{
		"Cache-Control": "private, no-store, no-transform", "Referrer-Policy": "no-referrer", "Accept-Ranges": "bytes", "Etag": etag,
		"X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no",
	}
	for _, c := range []struct {
		name, method string
		header       []string
		status       int
		body         []byte
		want         map[string]string
	}{
		{"whole", "GET", nil, 200, want, map[string]string{"Content-Length": size, "Content-Type": "application/octet-stream"}},
		{"head", "HEAD", nil, 200, nil, map[string]string{"Content-Length": size, "Content-Type": "application/octet-stream"}},
		{"head with a range", "HEAD", []string{"Range", "bytes=0-9"}, 200, nil, map[string]string{"Content-Length": size}},
		{"range", "GET", []string{"Range", "bytes=3-9"}, 206, want[3:10], map[string]string{"Content-Range": "bytes 3-9/" + size, "Content-Length": "7"}},
		{"suffix", "GET", []string{"Range", "bytes=-5"}, 206, want[len(want)-5:], nil},
		{"if-range of it", "GET", []string{"Range", "bytes=3-9", "If-Range", etag}, 206, want[3:10], nil},
		{"if-range of another", "GET", []string{"Range", "bytes=3-9", "If-Range", `"x"`}, 200, want, nil},
		{"if-range weak", "GET", []string{"Range", "bytes=3-9", "If-Range", "W/" + etag}, 200, want, nil},
		{"if-range date", "GET", []string{"Range", "bytes=3-9", "If-Range", "Sun, 22 Nov 2026 00:00:00 GMT"}, 200, want, nil},
		{"unknown unit", "GET", []string{"Range", "lines=3-9"}, 200, want, nil},
		{"if-none-match", "GET", []string{"If-None-Match", `"a", W/` + etag}, 304, nil, map[string]string{"Content-Length": ""}},
		{"if-none-match any", "HEAD", []string{"If-None-Match", "*"}, 304, nil, nil},
		{"if-match", "GET", []string{"If-Match", etag}, 200, want, nil},
		{"if-match another", "GET", []string{"If-Match", `"x"`}, 412, nil, nil},
		{"if-match weak", "GET", []string{"If-Match", "W/" + etag}, 412, nil, nil},
		{"past the end", "GET", []string{"Range", "bytes=" + size + "-"}, 416, nil, map[string]string{"Content-Range": "bytes */" + size}},
		{"no byte of the end", "GET", []string{"Range", "bytes=-0"}, 416, nil, map[string]string{"Content-Range": "bytes */" + size}},
	} {
		got := s.ask(c.method, session+escaped(big), "", c.header...)
		if got.status != c.status || !bytes.Equal(got.body, c.body) {
			t.Errorf("%s: %d with %d bytes, want %d with %d", c.name, got.status, len(got.body), c.status, len(c.body))
		}
		for _, set := range []map[string]string{common, c.want} {
			for name, value := range set {
				if got.header.Get(name) != value {
					t.Errorf("%s: %s: %q, want %q", c.name, name, got.header.Get(name), value)
				}
			}
		}
	}
}

func TestRangesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	for _, bad := range []string{
		"bytes=0-1,3-4", "bytes=0-1, 3-4", "bytes=,", "bytes=", "bytes=-", "bytes", "bytes=5-3", "bytes=a-b", "bytes=1-2-3", "bytes=+1-2",
		"bytes=0x1-2", "bytes=1-99999999999999999999", "bytes=99999999999999999999-", "bytes=--1", "bytes= 1 - 2", "bytes=1-2;q=1",
		"bytes=" + strings.Repeat("0", 80) + "1-2", "bytes=" + strings.Repeat("0-1,", 500) + "0-1",
	} {
		got := s.ask("GET", session+escaped(big), "", "Range", bad)
		if got.status != 400 || got.header.Get("Content-Type") != "application/problem+json" || len(got.body) > 1000 || got.header.Get("ETag") != "" {
			t.Errorf("%.40s: %d %v %.100s", bad, got.status, got.header, got.body)
		}
	}
	if got := s.ask("GET", session+escaped(big), "", "Range", "bytes=0-1", "Range", "bytes=3-4"); got.status != 400 {
		t.Errorf("two headers: %d", got.status)
	}
}

// Every single range gives what the standard library gives for the same bytes.
func TestRangesAsTheStandardLibrary(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	client := s.client()
	contents, tags := map[string][]byte{}, map[string]string{}
	names := []string{big, "README.txt", "data/empty.csv.age"}
	for _, name := range names {
		contents[name], tags[name] = s.parcelFile(name)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "name")
		content := contents[name]
		number := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, len(content)+10))
		first := number.Draw(t, "first")
		spec := rapid.SampledFrom([]string{
			fmt.Sprintf("bytes=%d-", first), fmt.Sprintf("bytes=-%d", first+1), fmt.Sprintf("bytes=%d-%d", first, first+number.Draw(t, "more")),
		}).Draw(t, "range")
		req := httptest.NewRequest("GET", s.server.URL+session+escaped(name), nil)
		req.RequestURI = ""
		req.Header.Set("Range", spec)
		if rapid.Bool().Draw(t, "if-range") {
			req.Header.Set("If-Range", rapid.SampledFrom([]string{tags[name], `"other"`}).Draw(t, "tag"))
		}
		oracle := httptest.NewRecorder()
		oracle.Header().Set("ETag", tags[name])
		http.ServeContent(oracle, req, "", time.Time{}, bytes.NewReader(content))
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != oracle.Code || resp.Header.Get("Content-Range") != oracle.Header().Get("Content-Range") {
			t.Fatalf("%s: %d %s, want %d %s (%v)", spec, resp.StatusCode, resp.Header.Get("Content-Range"),
				oracle.Code, oracle.Header().Get("Content-Range"), err)
		}
		if oracle.Code < 300 && !bytes.Equal(body, oracle.Body.Bytes()) {
			t.Fatalf("%s: other bytes", spec)
		}
	})
}

// A browser saves a file under its own name, whatever it is.
func TestNamesOfSavedFiles(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	for file := range fetchFiles {
		name := path.Base(file) + ".age"
		header := s.ask("HEAD", session+escaped("data/"+file+".age"), "").header.Get("Content-Disposition")
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || params["filename"] != name {
			t.Errorf("%q is saved as %v by %q, %v", name, params, header, err)
		}
		if strings.ContainsFunc(header, func(r rune) bool { return r > '~' || r < ' ' }) {
			t.Errorf("header %q", header)
		}
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	for _, bad := range []string{
		"data", "data/", "data/people.csv", "data/people.csv.age/", "./manifest.json", "data/../manifest.json", "..%2f..%2fteikyo.db", "%2e%2e/teikyo.db",
		"data%5Cpeople.csv.age", "MANIFEST.JSON", "manifest.json%00", "data//people.csv.age", "/manifest.json", "%ff", "%E2%80%AEmanifest.json",
		"data/" + strings.Repeat("a", 300) + ".age", "data/a%20b%2520c.csv.age",
	} {
		got := s.ask("GET", session+bad, "")
		if got.status != 404 {
			t.Errorf("%s: %d", bad, got.status)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if got := s.ask(method, session+"manifest.json", ""); got.status != 405 {
			t.Errorf("%s: %d", method, got.status)
		}
	}
}

// What is genuine and over is 410; what is tampered with and what is unknown
// look the same.
func TestAnswersOfLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	live, _ := s.link(fields{"bind": "none"})
	revoked, id := s.link(fields{"bind": "none"})
	s.api(200, "POST", "/links/"+id+"/revoke", nil)
	used, _ := s.link(fields{"bind": "none", "uses": 1})
	s.ask("POST", used, "")
	short, shortID := s.link(fields{"bind": "none", "expires_in": 1})
	s.awaitState(shortID, "expired")
	last := strings.Map(func(r rune) rune { return map[rune]rune{'A': 'B'}[r] | r }, live)
	if last == live {
		last = live[:len(live)-2] + "AA"
	}
	var notFound []byte
	for _, c := range []struct {
		name, link string
		status     int
	}{
		{"tampered", last, 404}, {"cut", live[:len(live)-9], 404}, {"unknown", s.server.URL + "/d/" + strings.Repeat("A", 300), 404},
		{"too long", s.server.URL + "/d/" + strings.Repeat("A", 3000), 404},
		{"revoked", revoked, 410}, {"used up", used, 410}, {"expired", short, 410},
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			got := s.ask(method, c.link, "")
			if got.status != c.status || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
				t.Errorf("%s %s: %d %v", method, c.name, got.status, got.header)
			}
			if c.status == 404 && method == "GET" {
				if notFound != nil && !bytes.Equal(notFound, got.body) {
					t.Errorf("%s looks different:\n%s", c.name, got.body)
				}
				notFound = got.body
			}
		}
		if c.name == "too long" {
			continue
		}
		if kind := s.redeem(c.status, c.link)["type"]; !slices.Contains([]any{"urn:teikyo:problem:not_found", "urn:teikyo:problem:expired"}, kind) {
			t.Errorf("%s: %v", c.name, kind)
		}
	}
}

func (s *fetchServer) awaitState(linkID, state string) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for s.api(200, "GET", "/links/"+linkID, nil)["state"] != state {
		select {
		case <-tick.C:
		case <-s.t.Context().Done():
			s.t.Fatal("never " + state)
		}
	}
}

func TestAHundredRedeemsOverHTTP(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	link, _ := s.link(fields{"uses": 3})
	_, token, _ := strings.Cut(link, "/d/")
	client := s.client()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[int]int{}
	for range 100 {
		wg.Go(func() {
			resp, err := client.Post(s.server.URL+"/api/v1/links/redeem", "application/json", strings.NewReader(`{"token":"`+token+`"}`))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			got[resp.StatusCode]++
		})
	}
	wg.Wait()
	busy := 0
	if dbtest.OnPostgres() { // waiting for a connection has an end
		busy = got[503]
	}
	if got[200] != 3 || got[410]+got[429]+busy != 97 {
		t.Errorf("answers %v", got)
	}
	limited := page{}
	for limited.status != 429 {
		limited = s.ask("POST", "/api/v1/links/redeem", `{"token":"x"}`, "Content-Type", "application/json")
		if limited.status != 404 && limited.status != 429 {
			t.Fatalf("%d %s", limited.status, limited.body)
		}
	}
	if limited.header.Get("Retry-After") == "" {
		t.Errorf("headers %v", limited.header)
	}
}

// A download that is cut goes on with the next server.
func TestResumeAcrossRestarts(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	want, etag := s.parcelFile(big)
	var got []byte
	for cut := len(want) / 3; len(got) < len(want); cut += len(want) / 3 {
		part := s.ask("GET", session+escaped(big), "", "Range", fmt.Sprintf("bytes=%d-%d", len(got), min(cut, len(want)-1)), "If-Range", etag)
		if part.status != 206 {
			t.Fatalf("%d %s", part.status, part.body)
		}
		got = append(got, part.body...)
		s.restart()
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes")
	}
}

// A store that fails before the first byte gives an error, later a cut answer,
// never a whole one that is wrong.
func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	session, _ := s.session()
	sealed, err := s.db.SealedFilesOf(t.Context(), "ds-claims", 1, "", 100)
	noError(t, err)
	for _, f := range sealed {
		for _, segment := range f.Segments {
			noError(t, s.objects.Delete(t.Context(), segment.Key))
		}
	}
	got := s.ask("GET", session+escaped(big), "", "Range", "bytes=500-")
	if got.status != 503 || got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Content-Range") != "" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.server.URL+session+escaped(big), nil)
	noError(t, err)
	resp, err := s.client().Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); resp.StatusCode == 200 && err == nil {
		t.Errorf("a whole answer with %d bytes", n)
	}
}

func TestLinksOverTheAPI(t *testing.T) {
	t.Parallel()
	s := newFetchServer(t, false, fetchFiles)
	_, first := s.link(fields{"expires_in": 60, "uses": 2})
	_, second := s.link(fields{"bind": "login"})
	list := s.api(200, "GET", "/links?provision="+s.prov.ID, nil)
	items, _ := list["items"].([]any)
	if len(items) != 2 || items[0].(map[string]any)["id"] != second || items[1].(map[string]any)["url"] != nil {
		t.Errorf("listed %v", list)
	}
	page := s.api(200, "GET", "/links?limit=1", nil)
	next, _ := page["next_cursor"].(string)
	if rest := s.api(200, "GET", "/links?cursor="+next, nil); len(rest["items"].([]any)) != 1 {
		t.Errorf("the next page %v", rest)
	}
	if l := s.api(200, "POST", "/links/"+first+"/revoke", nil); l["state"] != "revoked" || l["revoked_by"] == "" {
		t.Errorf("revoked %v", l)
	}
	s.api(409, "POST", "/links/"+first+"/revoke", nil)
	s.api(404, "GET", "/links/l-aaaaaaaaaaaaaaaa", nil)
	s.api(422, "POST", "/links", fields{"provision_id": s.prov.ID, "bind": "face"})
	s.api(422, "POST", "/links", fields{"provision_id": s.prov.ID, "uses": 5000})
	if got := s.ask("GET", "/api/v1/links", ""); got.status != 401 {
		t.Errorf("without a token: %d", got.status)
	}
}
