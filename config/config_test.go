package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "teikyo.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNothingSetWorks(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "issuer:\nlog:\n  # level: debug\n"} {
		l, err := Load(Sources{File: writeFile(t, text)})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if l.Listen != "127.0.0.1:8080" || l.DrainTimeout != time.Minute || l.Origin("listen") != "default" {
			t.Fatalf("%+v", l)
		}
	}
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "listen: 127.0.0.1:1\npublic_url: https://file.example\nissuer:\n  origin: file.example\n  name: 組織\n"+
		"drain_timeout: 5s\ntrusted_proxies: [10.0.0.1, 192.0.2.0/24]\nfiscal_year_start: 1\n")
	l, err := Load(Sources{
		File:    file,
		Environ: []string{"TEIKYO_LISTEN=127.0.0.1:2", "TEIKYO_ISSUER_ORIGIN=env.example", "TEIKYO_TLS_PROXY=true", "HOME=/", "TEIKYO_SERVER=x", "TEIKYO_SERVICE_HOST=y", "TEIKYO_TRUSTED_PROXIES=10.0.0.2,::1"},
		Flags:   map[string]string{"listen": "127.0.0.1:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:3", PublicURL: "https://file.example", TLSProxy: true, FiscalYearStart: 1,
		DrainTimeout: 5 * time.Second, Issuer: Issuer{Origin: "env.example", Name: "組織"}, TrustedProxies: []string{"10.0.0.2", "::1"},
	}.WithDefaults()
	if fmt.Sprint(l.Config) != fmt.Sprint(want) {
		t.Fatalf("got  %+v\nwant %+v", l.Config, want)
	}
	origins := map[string]string{
		"listen": "flag --listen", "issuer.origin": "environment TEIKYO_ISSUER_ORIGIN",
		"issuer.name": file + " line 5", "data": "default",
	}
	for name, from := range origins {
		if l.Origin(name) != from {
			t.Errorf("%s from %q, want %q", name, l.Origin(name), from)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, file, env, want string }{
		{"unknown name", "\n\nlisten_on: x\n", "", `line 3: there is no setting "listen_on"; did you mean listen?`},
		{"unknown name in a group", "issuer:\n  orgin: x\n", "", `line 2: there is no setting "issuer.orgin"; did you mean issuer.origin?`},
		{"unknown name far off", "frobnicate: 1\n", "", "see teikyo config show"},
		{"unknown variable", "", "TEIKYO_LISTN=x", "TEIKYO_LISTN is no setting; did you mean listen?"},
		{"twice", "listen: a\nlisten: b\n", "", "line 2"},
		{"no YAML", "listen: [\n", "", "line"},
		{"a list", "- listen\n", "", "line 1"},
		{"group as value", "issuer: example.org\n", "", "line 1"},
		{"no duration", "drain_timeout: soon\n", "", "drain_timeout (from"},
		{"duration without unit", "drain_timeout: 60\n", "", "with its unit"},
		{"no number", "fiscal_year_start: april\n", "", "fiscal_year_start (from"},
		{"no boolean", "", "TEIKYO_TLS_PROXY=maybe", "tls_proxy (from environment TEIKYO_TLS_PROXY)"},
		{"map as text", "listen: {a: b}\n", "", "listen (from"},
		{"month", "fiscal_year_start: 13\n", "", "1 to 12"},
		{"time zone", "time_zone: Tokio\n", "", "Asia/Tokyo"},
		{"level", "log: {level: loud}\n", "", "debug, info, warn or error"},
		{"all addresses", "listen: 0.0.0.0:80\n", "", "without TLS"},
		{"all addresses, short", "listen: ':8080'\n", "", "without TLS"},
		{"all addresses, IPv6", "listen: '[::]:80'\n", "", "without TLS"},
		{"another host", "listen: data.example.jp:80\n", "", "without TLS"},
		{"from the environment", "", "TEIKYO_LISTEN=192.0.2.1:80", "from environment TEIKYO_LISTEN"},
		{"no port", "listen: 127.0.0.1\n", "", "HOST:PORT"},
		{"port", "listen: 127.0.0.1:99999\n", "", "65535"},
		{"URL as address", "listen: http://127.0.0.1:80\n", "", "HOST:PORT"},
		{"half of TLS", "tls_cert: a.pem\n", "", "belong together"},
		{"public URL plain", "public_url: http://data.example.jp\n", "", "https://"},
		{"public URL with path", "public_url: https://data.example.jp/x\n", "", "without path"},
		{"public URL with user", "public_url: https://u:p@data.example.jp\n", "", "without path"},
		{"public URL relative", "public_url: data.example.jp\n", "", "https://"},
		{"proxy", "trusted_proxies: [proxy]\n", "", "no address or network"},
		{"every proxy", "trusted_proxies: [0.0.0.0/0]\n", "", "everybody"},
		{"database", "database: {url: 'mysql:x'}\n", "", "sqlite:PATH"},
		{"keys in the store's URL", "storage: {url: 's3://id:sEcReT@data'}\n", "", "must not hold access keys"},
		{"keys after it", "storage: {url: 's3://data?secret=sEcReT'}\n", "", "there may be endpoint"},
		{"another store", "storage: {url: 'https://data'}\n", "", "must be like s3://"},
		{"no folder", "storage: {url: 'folder:'}\n", "", "must be like s3://"},
		{"two second places", "checkpoints_dir: a\ncheckpoints_url: s3://b\n", "", "set one"},
		{"second place", "checkpoints_url: folder:x\n", "", "checkpoints_url must be"},
		{"link ends", "links: {ttl: 48h, max_ttl: 24h}\n", "", "links.ttl"},
		{"drain", "drain_timeout: -1s\n", "", "negative"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := Sources{File: writeFile(t, c.file)}
			if c.env != "" {
				src.Environ = []string{c.env}
			}
			if _, err := Load(src); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Load(Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil {
		t.Fatal("a missing file was read")
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"listen: localhost:0\n", "listen: '[::1]:80'\n", "listen: 127.9.9.9:80\n",
		"listen: 0.0.0.0:443\ntls_cert: a\ntls_key: b\n", "listen: ':80'\ntls_proxy: true\n",
		"storage: {url: 'folder:/srv/objects'}\n", "storage: {url: 's3://data/a?endpoint=https://s3.example:1&region=r&credentials=file:/k'}\n",
		"public_url: https://data.example.jp:8443/\n", "public_url: http://127.0.0.1:8080\n", "public_url: http://localhost\n",
		"database: {url: 'postgres://u:p@db/teikyo'}\n", "admin_listen: 127.0.0.1:9090\n", "trusted_proxies: 10.0.0.1\n",
	} {
		if _, err := Load(Sources{File: writeFile(t, text)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A password must not show, whatever prints the configuration.
func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	const password = "tr0ub4dor"
	l, err := Load(Sources{Environ: []string{"TEIKYO_DATABASE_URL=postgres://u:" + password + "@db/t"}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+"\n", l.Database)
		fmt.Fprintf(&out, verb+"\n", l.Database.URL)
	}
	text, err := json.Marshal(l.Config)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "url", l.Database.URL, "all", l.Database)
	if err := l.Write(&out); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&out, l.Settings())
	if strings.Contains(out.String(), password) || strings.Contains(out.String(), fmt.Sprintf("%x", password)) {
		t.Fatal(out.String())
	}
	if !strings.Contains(l.Database.URL.Reveal(), password) {
		t.Fatal("the secret is lost")
	}
	_, err = Load(Sources{Environ: []string{"TEIKYO_DATABASE_URL=" + password}})
	if err == nil || strings.Contains(err.Error(), password) {
		t.Fatal(err)
	}
	_, err = Load(Sources{File: writeFile(t, "database:\n  url: ["+password+", x]\n")})
	if err == nil || strings.Contains(err.Error(), password) {
		t.Fatal(err)
	}
}

// What config show prints is a configuration file with the same effect.
func TestWrittenSettingsReadBack(t *testing.T) {
	t.Parallel()
	l, err := Load(Sources{Flags: map[string]string{"listen": "127.0.0.1:0", "data": `C:\data "x"`, "issuer.name": "組織: #1"}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := l.Write(&out); err != nil {
		t.Fatal(err)
	}
	again, err := Load(Sources{File: writeFile(t, out.String())})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if fmt.Sprint(l.Config) != fmt.Sprint(again.Config) {
		t.Fatalf("%+v\n%+v", l.Config, again.Config)
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"listen: 127.0.0.1:1\n", "issuer:\n  origin: x\n", "a: &a [*a]\n", "? {a: b}\n: c\n", "<<: {listen: x}\n", "!!binary x: y\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := writeFile(t, text)
		l, err := Load(Sources{File: path})
		if err != nil {
			return
		}
		if err := l.Check(); err != nil {
			t.Fatalf("accepted but wrong: %v", err)
		}
	})
}
