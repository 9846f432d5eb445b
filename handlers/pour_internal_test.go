package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/gin-gonic/gin"

	"teikyo/models"
)

// section is a file as the store on disk gives it.
type section struct {
	io.Reader
	file *os.File
}

// WriteTo implements io.WriterTo.
func (s section) WriteTo(w io.Writer) (int64, error) {
	if _, ok := w.(io.ReaderFrom); !ok {
		return 0, errors.New("the file is not handed over")
	}
	return io.Copy(w, io.LimitReader(s.file, 1<<30))
}

func TestPour(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("0123456789abcdef"), 50_000) // some slices and a part of one
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		length int // announced
		whole  bool
		ended  error // why the right ended before
		kind   models.ErrorKind
	}{
		{"whole", len(text), true, nil, ""},
		{"the file is too short", len(text) + 1, false, nil, models.Unavailable},
		{"the right has ended", len(text), false, models.Errorf(models.Expired, "revoked"), models.Expired},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, counted, err := pourOver(t, path, c.length, c.ended)
			if (err == nil) != c.whole || err != nil && !models.IsKind(err, c.kind) {
				t.Fatalf("error %v", err)
			}
			if c.whole && !bytes.Equal(got, text) {
				t.Fatalf("%d bytes arrived, not the file's %d", len(got), len(text))
			}
			if want := len(text); c.ended == nil && counted != want {
				t.Fatalf("the log says %d bytes, not %d", counted, want)
			}
		})
	}
}

// pourOver serves the file over a real connection: its first bytes as usual, the
// rest poured.
func pourOver(t *testing.T, path string, length int, ended error) (got []byte, counted int, err error) {
	t.Helper()
	const first = 1000
	engine, done := gin.New(), make(chan struct{})
	engine.GET("/", func(c *gin.Context) {
		defer close(done)
		f, openErr := os.Open(path)
		if openErr != nil {
			t.Error(openErr)
			return
		}
		defer f.Close()
		ctx, cancel := context.WithCancelCause(c.Request.Context())
		defer cancel(nil)
		c.Header("Content-Type", "application/octet-stream")
		c.Header("Content-Length", strconv.Itoa(length))
		if _, copyErr := io.CopyN(c.Writer, f, first); copyErr != nil {
			t.Error(copyErr)
		}
		if ended != nil {
			cancel(ended)
		}
		p := newPour(ctx, c)
		if p == nil {
			t.Error("nothing to pour into")
			return
		}
		_, err = p.rest(section{f, f}, first, int64(length))
		counted = c.Writer.Size() + c.GetInt(pouredKey)
	})
	server := httptest.NewServer(engine)
	defer server.Close()
	resp, getErr := http.Get(server.URL)
	if getErr != nil {
		t.Fatal(getErr)
	}
	defer resp.Body.Close()
	got, _ = io.ReadAll(resp.Body) // cut short in some cases
	<-done
	return got, counted, err
}

func TestNothingIsPouredIntoTLS(t *testing.T) {
	t.Parallel()
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) {
		if newPour(c.Request.Context(), c) != nil {
			t.Error("TLS has to see the bytes")
		}
	})
	server := httptest.NewTLSServer(engine)
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
