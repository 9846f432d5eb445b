package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"teikyo/config"
	"teikyo/internal/datadir"
	"teikyo/models"
)

func writeFile(t *testing.T, path string, body []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLocalFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "b", "か\u3099.csv"), []byte("x")) // as some systems write it
	writeFile(t, filepath.Join(dir, "a.csv"), []byte("xy"))
	files, err := localFiles([]string{dir})
	if err != nil || len(files) != 2 || files[0].path != "a.csv" || files[0].size != 2 || files[1].path != "b/が.csv" {
		t.Fatalf("%+v, %v", files, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "a.csv"), link); err != nil {
		t.Fatal(err)
	}
	if files, err := localFiles([]string{link}); err != nil || files[0].path != "link" || files[0].size != 2 {
		t.Errorf("a link that is named: %+v, %v", files, err)
	}
	for name, args := range map[string][]string{
		"no ordinary file":       {dir},
		"there are no files":     {t.TempDir()},
		"cannot be read":         {filepath.Join(dir, "absent")},
		"is empty":               {writeFile(t, filepath.Join(t.TempDir(), "e.csv"), nil)},
		"would have the same":    {filepath.Join(dir, "a.csv"), writeFile(t, filepath.Join(t.TempDir(), "A.csv"), []byte("x"))},
		"is a device on Windows": {writeFile(t, filepath.Join(t.TempDir(), "con.csv"), []byte("x"))},
	} {
		if _, err := localFiles(args); !models.IsKind(err, models.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q: %v", name, err)
		}
	}
}

func TestSourceNoticesAChangingFile(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{5, 2000} { // it has 1,000 bytes now
		path := writeFile(t, filepath.Join(t.TempDir(), "a.csv"), bytes.Repeat([]byte("x"), 1000))
		s, err := openSource(localFile{disk: path, path: "a.csv", size: size}, &sendProgress{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.file.Close()
		if _, err := io.Copy(io.Discard, s); !models.IsKind(err, models.Invalid) || !strings.Contains(err.Error(), "changed its size") {
			t.Errorf("announced %d: %v", size, err)
		}
		if s.failed == nil {
			t.Error("the sender is not told")
		}
	}
}

// cutter passes connections on and cuts each upload after so many bytes.
type cutter struct {
	net.Listener
	mu   sync.Mutex
	to   string
	cuts []int64
	then func() // after a cut; may be nil
}

func newCutter(t *testing.T, to string, cuts ...int64) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: listener, to: strings.TrimPrefix(to, "http://"), cuts: cuts}
	var group sync.WaitGroup
	ended := make(chan struct{})
	t.Cleanup(func() { listener.Close(); close(ended); group.Wait() })
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { c.pass(conn) })
			group.Go(func() { <-ended; conn.Close() }) // clients keep theirs open
		}
	})
	return c
}

func (c *cutter) pass(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(from, to)
		from.Close()
	}()
	c.copy(to, from)
	to.Close()
	<-done
}

// copy passes a client's bytes on until an upload has brought as many as the
// next cut allows.
func (c *cutter) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	var sent int64
	limit := int64(-1)
	for {
		n, err := from.Read(buf)
		if limit < 0 && bytes.Contains(buf[:n], []byte("PUT ")) {
			limit = c.next()
			sent = 0
		}
		if sent += int64(n); limit >= 0 && sent > limit {
			c.afterCut()
			return
		}
		if _, writeErr := to.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func (c *cutter) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cuts) == 0 {
		return -1
	}
	cut := c.cuts[0]
	c.cuts = c.cuts[1:]
	return cut
}

// cutOnce cuts one more upload and then calls f.
func (c *cutter) cutOnce(at int64, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts, c.then = []int64{at}, f
}

func (c *cutter) afterCut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.then != nil {
		c.then()
	}
}

func (c *cutter) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cuts)
}

// shell is one person's command line within this process.
type shell struct{ home, url string }

func (s shell) call(ctx context.Context, args ...string) (code int, out, errOut string) {
	var stdout, stderr bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &stdout, err: &stderr, home: s.home, server: s.url}
	code = c.run(ctx, append(args, "--server", s.url))
	return code, stdout.String(), stderr.String()
}

func TestRegisterGoesOnByItself(t *testing.T) {
	t.Parallel()
	server := startServer(t, config.Config{})
	home := t.TempDir()
	password := writeFile(t, filepath.Join(home, "password"), []byte("correct horse battery staple"))
	code, _, said := shell{home, server.URL()}.call(t.Context(), "setup", "--code-file", server.app.folder.Path(datadir.SetupCodeFile), "--email", "a@example.jp",
		"--name", "A", "--password-file", password)
	if code != 0 {
		t.Fatal(said)
	}
	var body bytes.Buffer
	for i := 0; body.Len() < 6<<20; i++ {
		fmt.Fprintf(&body, "2024-%02d,%d\n", i%12+1, i%90000)
	}
	big := writeFile(t, filepath.Join(t.TempDir(), "big.csv"), append([]byte("年月,点数\n"), body.Bytes()...))

	weak := newCutter(t, server.URL(), 1<<20, 100_000, 3<<20)
	line := shell{home, "http://" + weak.Addr().String()}
	person := &cli{home: home} // whose server has this address
	cred, err := person.loadCredentials()
	if err == nil {
		err = person.saveCredentials(credentials{Server: line.url, Token: cred.Token})
	}
	if err != nil {
		t.Fatal(err)
	}
	code, out, said := line.call(t.Context(), "dataset", "register", "--title", "big", "--class", "test", "--item", "other", "--json", big)
	if code != 0 || weak.left() != 0 {
		t.Fatalf("exit %d, %d cuts left\n%s%s", code, weak.left(), out, said)
	}
	var got struct {
		ID      string
		Version int
		State   string
		Files   []remoteFile
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	sum, err := digestOf(localFile{disk: big})
	if err != nil || got.Files[0].SHA256 != fmt.Sprintf("%x", sum) || got.State != "registered" || got.Version != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	notes, err := os.ReadDir(filepath.Join(home, "registrations"))
	if err != nil || len(notes) != 0 {
		t.Errorf("notes of finished registrations stay: %v, %v", notes, err)
	}

	// A file that was partly sent and then changed is sent anew.
	other := writeFile(t, filepath.Join(t.TempDir(), "other.csv"), append([]byte("年月,点数\n"), body.Bytes()...))
	args := []string{"dataset", "register", "--title", "other", "--class", "test", "--item", "other", "--json", other}
	ctx, giveUp := context.WithCancel(t.Context())
	weak.cutOnce(2<<20, giveUp)
	if code, out, said = line.call(ctx, args...); code != 130 {
		t.Fatalf("exit %d\n%s%s", code, out, said)
	}
	writeFile(t, other, append([]byte("年月,件数\n"), body.Bytes()...))
	if code, out, said = line.call(t.Context(), args...); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, said)
	}
	sum, err = digestOf(localFile{disk: other})
	if err != nil || !strings.Contains(out, fmt.Sprintf("%x", sum)) {
		t.Fatalf("%s, %v", out, err)
	}
	server.check()
}
