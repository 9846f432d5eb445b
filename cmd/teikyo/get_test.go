package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"teikyo/client"
	"teikyo/client/clienttest"
	"teikyo/crypto"
)

// reader is a recipient at the command line with an own configuration folder.
type reader struct {
	t    *testing.T
	home string
}

func (r reader) run(want int, stdin string, args ...string) (stdout, stderr string) {
	r.t.Helper()
	var out, errOut bytes.Buffer
	c := &cli{in: strings.NewReader(stdin), out: &out, err: &errOut, home: r.home}
	if got := c.run(r.t.Context(), args); got != want {
		r.t.Fatalf("teikyo %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, &out, &errOut)
	}
	return out.String(), errOut.String()
}

// fields decodes the JSON document that is all of standard output.
func (r reader) fields(stdout string) map[string]any {
	r.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		r.t.Fatalf("%v in %s", err, stdout)
	}
	return v
}

// newParcel is a server with a parcel for the key that keygen made.
func newParcel(t *testing.T) (r reader, identity string, issuer *clienttest.Issuer, server *clienttest.Server) {
	t.Helper()
	r = reader{t: t, home: t.TempDir()}
	identity = filepath.Join(r.home, "key.txt")
	public, _ := r.run(0, "", "keygen", "-o", identity)
	rcpt, err := crypto.ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	issuer = clienttest.NewIssuer(t, "hospital.example")
	server = clienttest.Serve(t, issuer, issuer.Provide(t, clienttest.Content{
		To: rcpt, Files: map[string][]byte{"visits.csv": []byte("a,b\n1,2\n"), "処方/2024.csv": clienttest.Random(t, 200_000)},
	}))
	server.Change(func() { server.Ends = time.Now().Add(time.Hour) })
	return r, identity, issuer, server
}

func TestKeygen(t *testing.T) {
	t.Parallel()
	r := reader{t: t, home: t.TempDir()}
	for _, flags := range [][]string{nil, {"--pq"}} {
		file := filepath.Join(r.home, "key"+strings.Join(flags, ""))
		out, _ := r.run(0, "", append([]string{"keygen", "--json", "-o", file}, flags...)...)
		made := r.fields(out)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		id, err := crypto.ParseIdentity(bytes.NewReader(text))
		if err != nil || len(id.Recipients()) != 1 || id.Recipients()[0].String() != made["public"] || made["post_quantum"] != (flags != nil) {
			t.Errorf("keygen %v: %v, %v", flags, made, err)
		}
		if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if strings.Contains(out, "SECRET") {
			t.Error("the secret key is printed")
		}
		r.run(1, "", "keygen", "-o", file)
		if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, text) {
			t.Error("an existing identity was overwritten")
		}
	}
	r.run(2, "", "keygen")
	r.run(1, "", "keygen", "-o", filepath.Join(r.home, "no", "folder"))
}

func TestGetOpenVerify(t *testing.T) {
	t.Parallel()
	r, identity, issuer, server := newParcel(t)
	dir := filepath.Join(r.home, "in")
	_, words := r.run(7, "", "get", server.Link("one"), "-o", dir, "-i", identity)
	if !strings.Contains(words, issuer.Keys.Issuer().Fingerprint()) || !strings.Contains(words, "--issuer") {
		t.Errorf("unknown issuer: %s", words)
	}
	file := issuer.File(t)
	out, _ := r.run(0, "", "get", server.Link("one"), "-o", dir, "-i", identity, "--issuer", file, "--list")
	if !strings.Contains(out, "visits.csv") || !strings.Contains(out, "処方/2024.csv") {
		t.Errorf("listing: %s", out)
	}
	// From here on the issuer is known; the link comes on standard input.
	out, _ = r.run(0, server.Link("one")+"\n", "get", "-", "-o", dir, "-i", identity, "--json")
	got := r.fields(out)
	if got["files"] != 2.0 || got["opened"] != true || got["class"] != "anonymized" || got["folder"] != dir {
		t.Errorf("get: %v", got)
	}
	out, _ = r.run(0, "", "get", server.Link("one"), "-o", dir, "-i", identity)
	if !strings.Contains(out, "anonym") || !strings.Contains(out, "valid until") || !strings.Contains(out, "Claims, レセプト, version 1") {
		t.Errorf("get for people: %s", out)
	}
	out, _ = r.run(3, "", "verify", dir, "--json")
	if got := r.fields(out); got["ok"] != false || got["unchecked"] != 2.0 {
		t.Errorf("verify without the identity: %v", got)
	}
	out, _ = r.run(0, "", "verify", dir, "-i", identity, "--json")
	if got := r.fields(out); got["ok"] != true || got["files"] != 2.0 {
		t.Errorf("verify: %v", got)
	}

	sealed, opened := filepath.Join(r.home, "sealed"), filepath.Join(r.home, "opened")
	r.run(0, "", "get", server.Link("two"), "-o", sealed, "-i", identity, "--keep-sealed")
	_, words = r.run(0, "", "verify", sealed)
	if !strings.Contains(words, "everything holds") {
		t.Errorf("verify for people: %s", words)
	}
	r.run(0, "", "open", sealed, "-o", opened, "-i", identity)
	if text, err := os.ReadFile(filepath.Join(opened, "data", "visits.csv")); err != nil || string(text) != "a,b\n1,2\n" {
		t.Errorf("opened %q, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(sealed, "data", "visits.csv.age"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = r.run(7, "", "verify", sealed, "--json")
	problem := r.fields(out)["error"].(map[string]any)
	findings := problem["findings"].([]any)
	if problem["kind"] != "integrity" || len(findings) != 1 || findings[0].(map[string]any)["location"] != "visits.csv" {
		t.Errorf("changed file: %v", problem)
	}
	r.run(7, "", "open", sealed, "-o", filepath.Join(r.home, "again"), "-i", identity)
}

func TestGetRefuses(t *testing.T) {
	t.Parallel()
	r, identity, issuer, server := newParcel(t)
	dir, file := filepath.Join(r.home, "in"), issuer.File(t)
	for _, c := range []struct {
		code int
		args []string
	}{
		{2, []string{"get"}},
		{2, []string{"get", server.Link("one")}},
		{2, []string{"get", server.Link("one"), "-o", dir, "--limit-rate", "fast"}},
		{2, []string{"get", server.Link("one"), "-o", dir, "--unknown"}},
		{1, []string{"get", "https://example.jp/", "-o", dir}},
		{1, []string{"get", server.Link("one"), "-o", dir, "-i", filepath.Join(r.home, "absent")}},
		{1, []string{"get", server.Link("one"), "-o", dir, "-i", file}},
		{7, []string{"get", server.Link("one"), "-o", dir, "-i", identity, "--issuer", identity}},
		{1, []string{"get", server.Link("one"), "-o", r.home, "-i", identity, "--issuer", file}},
		{5, []string{"get", server.URL + "/d/foreign", "-o", dir, "-i", identity, "--issuer", file}},
		{2, []string{"open", dir}},
		{5, []string{"open", filepath.Join(r.home, "absent"), "-o", dir, "-i", identity}},
		{2, []string{"verify"}},
		{7, []string{"verify", t.TempDir()}},
	} {
		_, words := r.run(c.code, "", c.args...)
		if strings.Contains(words, "eyJ") {
			t.Errorf("the link is repeated: %s", words)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &cli{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, home: r.home}
	if code := c.run(ctx, []string{"get", server.Link("one"), "-o", dir, "-i", identity}); code != 130 {
		t.Errorf("interrupted: exit %d", code)
	}
}

func TestAskIssuer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, " YES \n": true, "yes": true, "y\n": false, "\n": false, "": false, "no\n": false} {
		var words bytes.Buffer
		c := &cli{in: strings.NewReader(answer), err: &words}
		got, err := c.askIssuer("hospital.example", "abcde-fghij")
		if got != want || err != nil {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
		if !strings.Contains(words.String(), "abcde-fghij") || !strings.Contains(words.String(), "hospital.example") {
			t.Errorf("asked: %s", &words)
		}
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"": 0, "100": 100, "500K": 500 << 10, "10M": 10 << 20, "1.5m": 3 << 19, "2G": 2 << 30, "10MiB": 10 << 20, "7B": 7,
		"0": -1, "-1M": -1, "M": -1, "1X": -1, "NaN": -1, "Inf": -1, "1e30": -1,
	} {
		got, err := parseRate(text)
		if want >= 0 && (got != want || err != nil) || want < 0 && err == nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestCutToWidth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"レセプト", 8, "レセプト"}, {"レセプト", 7, "レセプ…"}, {"レセプト", 6, "レセ…"}, {"ｶﾅ", 2, "ｶﾅ"}, {"a b", 2, "a…"},
	} {
		if got := cutToWidth(c.text, c.columns); got != c.want || textWidth(got) > c.columns {
			t.Errorf("%q to %d: %q", c.text, c.columns, got)
		}
	}
}

func FuzzCutToWidth(f *testing.F) {
	f.Add("12/34 files   45%  レセプト/処方.csv", 20)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		if columns < 1 || columns > 200 || !utf8.ValidString(text) {
			return
		}
		if got := cutToWidth(text, columns); textWidth(got) > columns || !utf8.ValidString(got) {
			t.Errorf("%q to %d: %q", text, columns, got)
		}
	})
}

func TestProgressText(t *testing.T) {
	t.Parallel()
	line := &progressLine{p: &client.Progress{}, began: clienttest.Noon()}
	if text := line.text(clienttest.Noon()); text != "" {
		t.Errorf("before the first byte: %q", text)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb\u202ec\nd"); got != "a [2Jb c d" {
		t.Errorf("%q", got)
	}
}
