package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teikyo/delivery"
	"teikyo/delivery/sftp"
	"teikyo/delivery/sftp/sftptest"
	"teikyo/egress"
	"teikyo/models"
)

// content is what the files of a test parcel hold.
type content struct {
	path string
	data []byte
}

func parcelOf(files []content) delivery.Parcel {
	return delivery.Parcel{Folder: "p-test", Files: func(yield func(delivery.File, error) bool) {
		for _, c := range files {
			f := delivery.File{Path: c.path, Size: int64(len(c.data)), Tag: c.path, Open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(c.data[offset:])), nil
			}}
			if !yield(f, nil) {
				return
			}
		}
	}}
}

// noise is n bytes that do not repeat.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
	return data
}

func small() []content {
	return []content{
		{"NOTICE.txt", []byte("notice")}, {"data/空 file.csv.age", noise(1, 100_000)}, {"data/deep/er/empty.age", nil},
		{"manifest.json.sig", []byte("sig")}, {"manifest.json", []byte("{}")},
	}
}

// plain dials without the guard: tests serve on loopback.
func plain(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func target(t *testing.T, c *sftp.Channel, s *sftptest.Server) delivery.Target {
	t.Helper()
	d, err := c.Check(models.Destination{
		Type: models.DestinationSFTP, URL: s.URL(), HostKeys: []string{"files.example.jp " + s.HostKey}, Login: models.LoginKey,
	}, s.PrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	if d.PublicKey != s.PublicKey(t) || len(d.HostKeys) != 1 || d.HostKeys[0] != s.HostKey {
		t.Errorf("%+v", d)
	}
	return delivery.Target{Destination: d, Secret: s.PrivateKey()}
}

// track counts; done is where an attempt begins.
func track(done int, moved func(int64)) *delivery.Track {
	t := &delivery.Track{Done: done, Moved: moved}
	if moved == nil {
		t.Moved = func(int64) {}
	}
	t.FileDone = func() { t.Done++ }
	return t
}

func connect(t *testing.T, c *sftp.Channel, to delivery.Target) delivery.Session {
	t.Helper()
	s, err := c.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func arrived(t *testing.T, s *sftptest.Server, files []content) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(s.Folder, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found++
		}
		return err
	})
	if err != nil || found != len(files) {
		t.Errorf("%d files are there, want %d; %v", found, len(files), err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(s.Folder, "p-test", filepath.FromSlash(f.path)))
		if err != nil || !bytes.Equal(got, f.data) {
			t.Errorf("%s arrived with %d bytes, want %d; %v", f.path, len(got), len(f.data), err)
		}
	}
}

func TestParcelArrivesAndIsConfirmed(t *testing.T) {
	t.Parallel()
	server := sftptest.Start(t, sftptest.Options{})
	c := &sftp.Channel{Dial: plain}
	session := connect(t, c, target(t, c, server))
	progress := track(0, nil)
	if err := session.Send(t.Context(), parcelOf(small()), progress); err != nil {
		t.Fatal(err)
	}
	if progress.Done != len(small()) {
		t.Errorf("%d files are done", progress.Done)
	}
	arrived(t, server, small())
	seen, err := session.Confirm(t.Context(), parcelOf(small()))
	if err != nil || !seen.Confirmed {
		t.Errorf("%+v %v", seen, err)
	}
	changed := filepath.Join(server.Folder, "p-test", "NOTICE.txt")
	if err := os.WriteFile(changed, []byte("NOTICE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Confirm(t.Context(), parcelOf(small())); !models.IsKind(err, models.Integrity) {
		t.Errorf("a changed file: %v", err)
	}
	if err := session.Send(t.Context(), parcelOf(small()), track(0, nil)); err != nil {
		t.Fatal(err)
	}
	arrived(t, server, small())
}

// cutting ends its connection after so many written bytes.
type cutting struct {
	net.Conn
	left atomic.Int64
}

func (c *cutting) Write(b []byte) (int, error) {
	if left := c.left.Add(-int64(len(b))); left < 0 {
		n, _ := c.Conn.Write(b[:max(0, len(b)+int(left))])
		c.Close()
		return n, errors.New("cut")
	}
	return c.Conn.Write(b)
}

// A connection that is cut anywhere is gone on with where it stopped, and what
// arrives has no hole.
func TestSendResumesAfterCuts(t *testing.T) {
	t.Parallel()
	server := sftptest.Start(t, sftptest.Options{})
	files := append([]content{{"data/big.age", noise(2, 40<<20)}}, small()...)
	generator := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	limit := int64(0)
	c := &sftp.Channel{}
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := plain(ctx, network, address)
		if err != nil || limit == 0 {
			return conn, err
		}
		cut := &cutting{Conn: conn}
		cut.left.Store(limit)
		return cut, nil
	}
	to := target(t, c, server)
	done, resumed, cuts := 0, false, 0
	for attempt := range 100 {
		limit = 4096 + generator.Int64N(25<<20)
		if attempt > 12 {
			limit = 0
		}
		session, err := c.Connect(t.Context(), to)
		if err != nil {
			cuts++
			continue
		}
		first := int64(-1)
		progress := track(done, func(held int64) {
			if first < 0 {
				first = held
			}
		})
		err = session.Send(t.Context(), parcelOf(files), progress)
		done, resumed = progress.Done, resumed || first > 0
		_ = session.Close()
		if err == nil {
			break
		}
		cuts++
		if !models.IsKind(err, models.Unavailable) {
			t.Fatal(err)
		}
	}
	t.Logf("%d cuts, resumed within a file: %v", cuts, resumed)
	arrived(t, server, files)
}

func TestTargetsThatShowLittle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts sftptest.Options
		why  string
	}{
		"only writing is allowed": {sftptest.Options{Deny: []string{"stat", "lstat", "fstat", "read", "opendir", "readdir"}}, "look at"},
		"reading is not allowed":  {sftptest.Options{Deny: []string{"read"}}, "read what"},
		"no posix-rename":         {sftptest.Options{Deny: []string{"posix-rename"}}, "ok"},
		"no rename at all":        {sftptest.Options{Deny: []string{"posix-rename", "rename"}}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sftptest.Start(t, c.opts)
			channel := &sftp.Channel{Dial: plain}
			session := connect(t, channel, target(t, channel, server))
			if err := session.Send(t.Context(), parcelOf(small()), track(0, nil)); err != nil {
				t.Fatal(err)
			}
			arrived(t, server, small())
			seen, err := session.Confirm(t.Context(), parcelOf(small()))
			if c.why == "ok" {
				if err != nil || !seen.Confirmed {
					t.Errorf("%+v %v", seen, err)
				}
			} else if err != nil || seen.Confirmed || !strings.Contains(seen.Why, c.why) {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}

func TestFilesThatAreTakenAway(t *testing.T) {
	t.Parallel()
	server := sftptest.Start(t, sftptest.Options{})
	c := &sftp.Channel{Dial: plain}
	session := connect(t, c, target(t, c, server))
	if err := session.Send(t.Context(), parcelOf(small()), track(0, nil)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(server.Folder, "p-test")); err != nil {
		t.Fatal(err)
	}
	seen, err := session.Confirm(t.Context(), parcelOf(small()))
	if err != nil || seen.Confirmed || !strings.Contains(seen.Why, "takes them away") {
		t.Errorf("%+v %v", seen, err)
	}
}

func TestForeignServersGetNothing(t *testing.T) {
	t.Parallel()
	server, other := sftptest.Start(t, sftptest.Options{}), sftptest.Start(t, sftptest.Options{})
	c := &sftp.Channel{Dial: plain}
	to := target(t, c, server)
	var final delivery.Final

	foreign := to
	foreign.Destination.HostKeys = []string{other.HostKey}
	if _, err := c.Connect(t.Context(), foreign); !errors.As(err, &final) || !models.IsKind(err, models.Integrity) || !strings.Contains(err.Error(), "SHA256:") {
		t.Errorf("a foreign host key: %v", err)
	}
	key, err := c.NewKey(cryptoReader{})
	if err != nil {
		t.Fatal(err)
	}
	stranger := to
	stranger.Secret = key
	if _, err := c.Connect(t.Context(), stranger); !errors.As(err, &final) || !models.IsKind(err, models.Denied) {
		t.Errorf("a key that is not let in: %v", err)
	}
	guarded := &sftp.Channel{Dial: egress.Guard{}.DialContext}
	if _, err := guarded.Connect(t.Context(), to); !errors.As(err, &final) || !strings.Contains(err.Error(), "egress.allow_private") {
		t.Errorf("loopback: %v", err)
	}
}

// cryptoReader is randomness enough for a key that is thrown away.
type cryptoReader struct{}

func (cryptoReader) Read(b []byte) (int, error) { return copy(b, noise(9, len(b))), nil }

func TestFullDiskAndMissingFolder(t *testing.T) {
	t.Parallel()
	server := sftptest.Start(t, sftptest.Options{})
	c := &sftp.Channel{Dial: plain}
	to := target(t, c, server)
	session := connect(t, c, to)
	// A disk that is full: every name of the parcel's folder leads to it.
	if err := os.MkdirAll(filepath.Join(server.Folder, "p-test"), 0o755); err != nil {
		t.Fatal(err)
	}
	one := []content{{"x.age", noise(3, 1000)}}
	probe := track(0, nil)
	if err := session.Send(t.Context(), parcelOf(one), probe); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(server.Folder, "p-test", "x.age")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", filepath.Join(server.Folder, "p-test", sftp.TemporaryName(delivery.File{Path: "x.age", Tag: "x.age"}))); err != nil {
		t.Fatal(err)
	}
	if err := session.Send(t.Context(), parcelOf(one), track(0, nil)); !models.IsKind(err, models.Unavailable) || !strings.Contains(err.Error(), "full") {
		t.Errorf("a full disk: %v", err)
	}
	gone := to
	gone.Destination.URL += "/missing/deep"
	if err := connect(t, c, gone).Send(t.Context(), parcelOf(one), track(0, nil)); !models.IsKind(err, models.NotFound) {
		t.Errorf("a missing folder: %v", err)
	}
}

func TestCutWithinASecond(t *testing.T) {
	t.Parallel()
	server := sftptest.Start(t, sftptest.Options{})
	c := &sftp.Channel{Dial: plain}
	session := connect(t, c, target(t, c, server))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := models.Errorf(models.Expired, "revoked")
	var at time.Time
	slow := []content{{"big.age", noise(4, 64<<20)}}
	err := session.Send(ctx, parcelOf(slow), track(0, func(held int64) {
		if held > 0 && at.IsZero() {
			at = time.Now()
			cancel(why)
		}
	}))
	if !errors.Is(err, why) || time.Since(at) > time.Second {
		t.Errorf("%v after %v", err, time.Since(at))
	}
}

func TestSilentServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := sftptest.Start(t, sftptest.Options{})
	c := &sftp.Channel{Dial: plain, Patience: 200 * time.Millisecond}
	to := target(t, c, server)
	to.Destination.URL = "sftp://x@" + listener.Addr().String() + "/"
	if _, err := c.Connect(t.Context(), to); !models.IsKind(err, models.Unavailable) {
		t.Error(err)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	c := &sftp.Channel{Dial: plain}
	secret, err := c.NewKey(cryptoReader{})
	if err != nil {
		t.Fatal(err)
	}
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mVJkYvXh3z4x8qk9kQq5m5hXfG7E0m8v7mVwq2b0p"
	for address, part := range map[string]string{
		"":                             "must read",
		"http://a@b/c":                 "must read",
		"sftp://b/c":                   "must read",
		"sftp://a:secret@b/c":          "holds a password",
		"sftp://a@b/c?x=1":             "without ?",
		"sftp://a@b/../etc":            "must not hold ..",
		"sftp://a@b/" + "x\ny":         "must read",
		"sftp://a@" + long(600) + "/x": "must read",
	} {
		_, err := c.Check(models.Destination{URL: address, HostKeys: []string{key}, Login: models.LoginKey}, secret)
		if !models.IsKind(err, models.Invalid) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for line, part := range map[string]string{
		"":                        "host key of the server is missing",
		"# only a remark":         "host key of the server is missing",
		"ssh-ed25519 nonsense":    "is no host key",
		"ssh-rsa " + key[12:]:     "is no host key",
		"ssh-dss AAAAB3NzaC1kc3M": "is no host key",
	} {
		_, err := c.Check(models.Destination{URL: "sftp://a@b/c", HostKeys: []string{line}, Login: models.LoginKey}, secret)
		if !models.IsKind(err, models.Invalid) || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", line, err)
		}
	}
	d, err := c.Check(models.Destination{URL: "sftp://a@B.example/c/./d/", HostKeys: []string{key, "b.example " + key}, Login: models.LoginPassword}, []byte("p"))
	if err != nil || d.URL != "sftp://a@b.example:22/c/d" || len(d.HostKeys) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	if _, err := c.Check(models.Destination{URL: "sftp://a@b/c", HostKeys: []string{key}, Login: models.LoginKey}, []byte("AGE-SECRET")); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("no key: %v", err)
	}
}

func long(n int) string { return strings.Repeat("a", n) }
