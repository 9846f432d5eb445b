package s3_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teikyo/storage/s3"
	"teikyo/storage/s3/s3test"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		url  string
		want s3.Options
	}{
		{"s3://data", s3.Options{Bucket: "data"}},
		{"s3://data/", s3.Options{Bucket: "data"}},
		{"s3://data/a/b/?region=ap-northeast-1", s3.Options{Bucket: "data", Prefix: "a/b", Region: "ap-northeast-1"}},
		{"s3://data?endpoint=https://store.example:7070", s3.Options{Bucket: "data", Endpoint: "store.example:7070", PathStyle: true}},
		{"s3://data?path_style=false&endpoint=https://store.example/", s3.Options{Bucket: "data", Endpoint: "store.example"}},
		{"s3://da.ta?path_style=true", s3.Options{Bucket: "da.ta", PathStyle: true}},
		{"s3://data?ca_file=/etc/ca.pem&credentials=file:/etc/keys&profile=p",
			s3.Options{Bucket: "data", CAFile: "/etc/ca.pem", Credentials: "file:/etc/keys", Profile: "p"}},
		{"s3://data?credentials=instance", s3.Options{Bucket: "data", Credentials: "instance"}},
	}
	for _, test := range tests {
		got, err := s3.ParseURL(test.url)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s = %+v, %v", test.url, got, err)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"s3://key:sEcReT@data": "do not belong",
		"s3:data":              "must be like",
		"s3://":                "must be like",
		"https://data":         "must be like",
		"s3://data#x":          "must be like",
		"s3://data:80":         "must be like",
		"s3://Data":            "no name of a bucket",
		"s3://d":               "no name of a bucket",
		"s3://da.ta":           "path_style=true",
		"s3://data/a//b":       "single slashes",
		"s3://data/../b":       "single slashes",
		"s3://data?endpoint=http://store.example": "https://",
		"s3://data?endpoint=store.example":        "must be like https",
		"s3://data?endpoint=https://u:p@x":        "must be like https",
		"s3://data?endpoint=https://x/y":          "must be like https",
		"s3://data?secret=sEcReT":                 "none of endpoint",
		"s3://data?region=a&region=b":             "twice",
		"s3://data?path_style=maybe":              "true or false",
		"s3://data?credentials=sEcReT":            "environment, instance or file",
		"s3://data?credentials=file:":             "environment, instance or file",
		"s3://data?%zz":                           "cannot be read",
		"s3://sEcReT\x00":                         "no URL",
	} {
		_, err := s3.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%s gave %v, want %q", url, err, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://data/a/b?endpoint=https://x:1&region=r&path_style=true&ca_file=c&credentials=file:x&profile=p")
	f.Fuzz(func(t *testing.T, text string) {
		opts, err := s3.ParseURL(text)
		if err == nil && (opts.Bucket == "" || strings.HasPrefix(opts.Prefix, "/")) {
			t.Errorf("%q = %+v", text, opts)
		}
	})
}

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

var goodKeys = map[string]string{"AWS_ACCESS_KEY_ID": s3test.AccessKey, "AWS_SECRET_ACCESS_KEY": s3test.SecretKey}

func TestHostStyles(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	_, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	for _, pathStyle := range []bool{true, false} {
		opts := server.Options("styles")
		opts.Endpoint, opts.PathStyle = net.JoinHostPort(s3test.Domain, port), pathStyle
		var dialled atomic.Value
		opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled.Store(address)
			return (&net.Dialer{}).DialContext(ctx, network, server.Address)
		}
		store := s3test.OpenWith(t, opts)
		if err := store.Check(t.Context()); err != nil {
			t.Errorf("path style %t: %v", pathStyle, err)
		}
		key := fmt.Sprintf("abcdefg-%t", pathStyle)
		if err := put(store, key, 17*mib); err != nil {
			t.Errorf("path style %t: %v", pathStyle, err)
		}
		want := net.JoinHostPort(s3test.Domain, port)
		if !pathStyle {
			want = s3test.Bucket + "." + want
		}
		if dialled.Load() != want {
			t.Errorf("dialled %v, want %s", dialled.Load(), want)
		}
	}
}

// metadata is what the role of a machine is fetched from (instance metadata
// service, version 2).
func metadata(t *testing.T, fetched *atomic.Int32) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
			fmt.Fprint(w, "session")
			return
		}
		if r.Header.Get("X-aws-ec2-metadata-token") != "session" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch strings.TrimPrefix(r.URL.Path, "/latest/meta-data/iam/security-credentials/") {
		case "":
			fmt.Fprint(w, "role-of-teikyo")
		case "role-of-teikyo":
			fetched.Add(1)
			fmt.Fprintf(w, `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`,
				s3test.AccessKey, s3test.SecretKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	var fetched atomic.Int32
	role := map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata(t, &fetched)}
	for source, env := range map[string]map[string]string{
		"": goodKeys, "environment": goodKeys, "instance": role, "file:" + server.CredentialsFile: nil,
	} {
		opts := server.Options("credentials")
		opts.Credentials, opts.Getenv = source, environment(env)
		store := s3test.OpenWith(t, opts)
		for range 3 {
			if err := store.Check(t.Context()); err != nil {
				t.Errorf("%q: %v", source, err)
			}
		}
	}
	if fetched.Load() != 1 {
		t.Errorf("the role's keys were fetched %d times", fetched.Load())
	}
}

func TestCredentialsThatAreRefused(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	const secret = "sEcReT"
	for source, want := range map[string]string{
		"environment": "AWS_ACCESS_KEY_ID",
		write("open", "[default]\naws_access_key_id = a\naws_secret_access_key = "+secret, 0o644): "chmod",
		write("empty", "", 0o600):                                "no section [default]",
		write("broken", "[default\n"+secret, 0o600):              "no section [default]",
		write("half", "[default]\naws_access_key_id=a\n", 0o600): "no section [default]",
		"file:" + filepath.Join(dir, "none"):                     "no such file",
	} {
		opts := server.Options("")
		opts.Credentials, opts.Getenv = source, environment(map[string]string{"AWS_SECRET_ACCESS_KEY": secret})
		if _, err := s3.New(opts); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s gave %v, want %q", source, err, want)
		}
	}
	opts := server.Options("")
	opts.Credentials = "environment"
	opts.Getenv = environment(map[string]string{"AWS_ACCESS_KEY_ID": s3test.AccessKey, "AWS_SECRET_ACCESS_KEY": secret})
	err := s3test.OpenWith(t, opts).Check(t.Context())
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a wrong secret gave %v", err)
	}
}

func TestStoresThatCannotBeReached(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	for name, change := range map[string]func(*s3.Options){
		"another authority": func(o *s3.Options) { o.CAFile = "" },
		"another bucket":    func(o *s3.Options) { o.Bucket = "nothing-here" },
		"another region":    func(o *s3.Options) { o.Region = "eu-north-1" },
		"nobody listens":    func(o *s3.Options) { o.Endpoint = "127.0.0.1:1" },
	} {
		opts := server.Options("")
		change(&opts)
		if err := s3test.OpenWith(t, opts).Check(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	opts := server.Options("")
	opts.CAFile = server.CredentialsFile
	if _, err := s3.New(opts); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a file without certificates gave %v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	opts = server.Options("")
	opts.Endpoint, opts.Idle = silent.Addr().String(), 50*time.Millisecond
	if err := s3test.OpenWith(t, opts).Check(t.Context()); err == nil {
		t.Error("a store that says nothing was believed")
	}
}

func TestStoreThatStopsAndComesBack(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	store := server.Open(t, "")
	if err := put(store, key, 1000); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := put(store, key+"2", 1000); err == nil {
		t.Error("Put to nobody worked")
	}
	server.Restart()
	if n, err := read(store, key, 0, -1); n != 1000 || err != nil {
		t.Errorf("after the restart: %d, %v", n, err)
	}
	if err := put(store, key+"2", 1000); err != nil {
		t.Error(err)
	}
}
