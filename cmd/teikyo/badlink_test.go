package main

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestBadLinks(t *testing.T) {
	t.Parallel()
	w, foreign := newWorld(t), newWorld(t)
	w.notice()
	r := w.partner("Keio")
	provision := w.provide(w.register("Visits", w.table("in/visits.csv", 20_000)), r)
	good, link := w.link(provision)
	get := func(link, folder string, more ...string) []string {
		return append([]string{"get", link, "-o", filepath.Join(r.desk.home, folder), "-i", r.identity, "--issuer", w.issuerFile()}, more...)
	}
	revokedID, revoked := w.link(provision)
	w.mori.json("link", "revoke", revokedID)
	expiredID, expired := w.link(provision, "--ttl", "1s")
	_, used := w.link(provision, "--uses", "1")
	r.fetch(0, used, "used")
	w.until("the link expires", func() bool { return w.mori.json("link", "show", expiredID)["state"] != "active" })
	base, signed := link[:strings.LastIndex(link, ".")+1], link[strings.LastIndex(link, ".")+1:]
	tampered := base + strings.Map(func(c rune) rune {
		if c == 'A' {
			return 'B'
		}
		return 'A'
	}, signed[:1]) + signed[1:]

	w.refuse(t, []bad{
		{"expired", r.desk, "", get(expired, "1"), 6, "expired on .*ask the issuer"},
		{"revoked", r.desk, "", get(revoked, "2"), 6, "revoked"},
		{"used up", r.desk, "", get(used, "3"), 6, "used"},
		{"tampered", r.desk, "", get(tampered, "4"), 5, "no such link; check that the address is whole"},
		{"cut", r.desk, "", get(link[:len(link)-9], "5"), 5, "no such link"},
		{"without token", r.desk, "", get(w.door.url()+"/d/", "6"), 1, "not a download link"},
		{"no link", r.desk, "", get("hello", "7"), 1, "not a download link"},
		{"of nobody", r.desk, "", get(w.door.url()+"/d/"+strings.Repeat("a", 3000), "8"), 1, "not a download link"},
		{"of an unknown issuer", r.desk, "", append([]string{"get", strings.Replace(link, w.door.url(), foreign.door.url(), 1), "-o", filepath.Join(r.desk.home, "9"), "-i", r.identity}, "-q"), 7, "issuer"},
		{"of another issuer than given", r.desk, "", append([]string{"get", link, "-o", filepath.Join(r.desk.home, "10"), "-i", r.identity, "--issuer", foreign.issuerFile()}, "-q"), 7, "issuer"},
		{"a rate that is none", r.desk, "", get(link, "13", "--limit-rate", "fast"), 2, "500K"},
		{"a life that is none", w.mori, "", line("link create --ttl soon", provision), 2, "72h"},
		{"too long a life", w.mori, "", line("link create --ttl 99d", provision), 1, "at most 720h"},
		{"too many uses", w.mori, "", line("link create --uses 100000", provision), 1, "1000"},
		{"bound to nobody", w.mori, "", line("link create --bind none", provision), 1, "allow_unbound"},
		{"bound to the moon", w.mori, "", line("link create --bind moon", provision), 1, "key, login, none"},
		{"of no provision", w.mori, "", line("link create p-aaaaaaaaaaaaaaaa"), 5, "not found"},
		{"revoked twice", w.mori, "", line("link revoke", revokedID), 1, "already"},
	})
	// What a link is bound to shows when it is redeemed: a use is spent, and the
	// same folder goes on with the right identity.
	wrong := w.file("other.txt", []byte(freshIdentity(t)))
	_, errOut := r.desk.run(1, "", "get", link, "-o", filepath.Join(r.desk.home, "bound"), "-i", wrong, "--issuer", w.issuerFile())
	if !strings.Contains(errOut, "key") {
		t.Error(errOut)
	}
	_, errOut = r.desk.run(1, "", "get", link, "-o", filepath.Join(r.desk.home, "bound"))
	if !strings.Contains(errOut, "-i") {
		t.Error(errOut)
	}
	r.desk.run(0, "", get(link, "bound", "--list")...)
	if shown := w.mori.json("link", "show", good); shown["used"] != 1.0 {
		t.Error(shown)
	}
	for _, name := range listTree(t, r.desk.home) {
		if strings.Contains(name, "/data/") {
			t.Errorf("%s arrived", name)
		}
	}
}

// One range a request, no tricks with paths, nothing but GET and HEAD.
func TestBadRangesAndPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	_, link := w.link(w.provide(w.register("Visits", w.table("in/visits.csv", 100_000)), r), "--bind", "login")
	status, answer := r.user.call("POST", "/api/v1/links/redeem", map[string]string{"Content-Type": "application/json"},
		strings.NewReader(`{"token":"`+token(link)+`"}`))
	if status != http.StatusOK {
		t.Fatal(status, string(answer))
	}
	session := document(t, string(answer))["session"].(string)
	file := session + "data/visits.csv.age"
	_, whole := r.user.call("GET", file, nil, nil)
	size := strconv.Itoa(len(whole))

	for spec, want := range map[string]int{
		"bytes=0-0": 206, "bytes=-1": 206, "bytes=5-": 206, "bytes=0-99999999999": 206, "bytes=-99999999": 206,
		"bytes=0-0,2-3": 400, "bytes=" + strings.Repeat("0-1,", 20) + "0-1": 400, "bytes=5-1": 400, "bytes=a-b": 400, "bytes=-": 400,
		"bytes=" + size + "-": 416, "bytes=-0": 416, "bytes=99999999999999999999999-": 400, "bytes=--1": 400,
		"bytes=0x0-1": 400, "rows=1-2": 200, "bytes 0-1": 400, "": 400,
	} {
		status, answer := r.user.call("GET", file, map[string]string{"Range": spec}, nil)
		if status != want || status == 206 && !strings.Contains(string(whole), string(answer)) || len(answer) > len(whole) {
			t.Errorf("%q: %d, want %d: %.200q", spec, status, want, answer)
		}
		if status >= 400 && !strings.Contains(string(answer), `"type":"urn:teikyo:problem:`) && status != 416 {
			t.Errorf("%q: %.200q", spec, answer)
		}
	}
	for _, path := range []string{
		"data/../manifest.json", "data/..%2fmanifest.json", "../" + token(link), "..%2f..%2fapi", "data/visits.csv.age%00", "data/visits.csv.age/",
		"data%5cvisits.csv.age", "/etc/passwd", "data//visits.csv.age", "./manifest.json", "data/VISITS.csv.age", "data/visits.csv", "data/",
		"%2e%2e/%2e%2e/etc/passwd", strings.Repeat("a", 300), "manifest.json%0a", "MANIFEST.JSON", "data/visits%2ecsv.age%20",
	} {
		status, answer := r.user.call("GET", session+path, nil, nil)
		if status != 404 && status != 400 && status != 301 && status != 307 {
			t.Errorf("%q: %d %.200q", path, status, answer)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if status, answer := r.user.call(method, file, nil, nil); status != 405 && status != 404 && status != 422 {
			t.Errorf("%s: %d %.200q", method, status, answer)
		}
	}
	if status, _ := r.user.call("GET", strings.Replace(file, session, "/dl/"+strings.Repeat("A", 43)+"/", 1), nil, nil); status != 404 {
		t.Errorf("another session: %d", status)
	}
	w.verifyLedger()
}
