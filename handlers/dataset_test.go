package handlers_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/dataset"
	"teikyo/handlers"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/storage/disk"
)

// datasetServer is a real server on loopback with datasets in a folder.
type datasetServer struct {
	*accountServer
	dir   string
	url   string
	db    *database.DB
	token string
	http  *http.Client
}

func newDatasetServer(t *testing.T) *datasetServer {
	t.Helper()
	s := &datasetServer{accountServer: &accountServer{}, dir: t.TempDir(), http: &http.Client{}}
	var err error
	s.db, err = database.Open(t.Context(), database.Options{
		URL: dbtest.URL(t, s.dir), Rand: rand.Reader,
	})
	noError(t, err)
	t.Cleanup(func() { s.db.Close() })
	objects, err := disk.New(filepath.Join(s.dir, "objects"))
	noError(t, err)
	kek, err := crypto.OpenFileKeyring(filepath.Join(s.dir, "keys"), rand.Reader)
	noError(t, err)
	s.access = &access.Service{Store: s.db, Hasher: crypto.NewPasswordHasher(rand.Reader, 2), Now: time.Now, Rand: rand.Reader}
	s.Handler, err = handlers.New(handlers.Config{
		Access: s.access, PublicURL: "https://data.example.jp", Version: "test",
		Datasets: &dataset.Service{
			Store: s.db, Objects: objects, KEK: kek, People: s.access, Now: time.Now, Rand: rand.Reader,
			Limits: dataset.Limits{SegmentSize: 1 << 20},
		},
	})
	noError(t, err)
	s.token = s.setup(t)
	server := httptest.NewServer(s.Handler)
	t.Cleanup(server.Close)
	t.Cleanup(s.http.CloseIdleConnections)
	s.url = server.URL
	return s
}

// person invites, accepts and confirms an account and gives its token.
func (s *datasetServer) person(t *testing.T, email, role string) string {
	t.Helper()
	invited := s.want(t, 201, "POST", "/users", s.token, fields{"email": email, "name": "x", "role": role})
	s.want(t, 200, "POST", "/users/accept", "", fields{"code": invited.text("code"), "password": accountPassword})
	s.want(t, 200, "POST", "/users/"+invited.text("id")+"/confirm", s.token, nil)
	return s.signIn(t, email).text("token")
}

func (s *datasetServer) draft(t *testing.T) string {
	t.Helper()
	return s.want(t, 201, "POST", "/datasets", s.token, fields{"title": "レセプト", "class": "test"}).text("id")
}

// send makes a request over the network.
func (s *datasetServer) send(t *testing.T, method, path string, header map[string]string, body io.Reader) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+"/api/v1"+path, body)
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := s.http.Do(req)
	noError(t, err)
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, body: map[string]any{}}
	text, err := io.ReadAll(resp.Body)
	noError(t, err)
	if len(text) > 0 {
		noError(t, json.Unmarshal(text, &a.body))
	}
	return a
}

func reprDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func hexDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func table(size int) []byte {
	var b bytes.Buffer
	b.WriteString("年月,年齢階級,点数\n")
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "2024-%02d,%d代,%d\n", i%12+1, i%9*10, i*7%90000)
	}
	return b.Bytes()
}

func TestDatasetStory(t *testing.T) {
	t.Parallel()
	s := newDatasetServer(t)
	id := s.draft(t)
	base := "/datasets/" + id + "/versions/1"
	body := table(3 << 20)
	put := s.send(t, "PUT", base+"/files/2024/医科 a+b.csv?items=claims.medical,claims.dpc",
		map[string]string{"Repr-Digest": reprDigest(body), "Content-Type": "text/csv"}, bytes.NewReader(body))
	if put.status != 201 || put.text("path") != "2024/医科 a+b.csv" || put.text("sha256") != hexDigest(body) || put.text("verdict") != "pass" {
		t.Fatalf("%d %v", put.status, put.body)
	}
	chunked := s.send(t, "PUT", base+"/files/"+url.PathEscape("2024/b.csv")+"?items=other", nil, struct{ io.Reader }{strings.NewReader("年月,点数\n2024-01,1\n")})
	if chunked.status != 201 || chunked.text("media_type") != "text/csv" || chunked.text("path") != "2024/b.csv" {
		t.Fatalf("%d %v", chunked.status, chunked.body)
	}
	head := s.send(t, "HEAD", base+"/files/2024/医科 a+b.csv", nil, nil)
	if head.status != 204 || head.header.Get("Upload-Offset") != strconv.Itoa(len(body)) || head.header.Get("Repr-Digest") != reprDigest(body) {
		t.Fatalf("%d %v", head.status, head.header)
	}
	done := s.want(t, 200, "POST", base+"/register", s.token, nil)
	if done.text("state") != "registered" || done.body["file_count"] != float64(2) || done.text("id") != id || done.text("class") != "test" {
		t.Fatalf("%v", done.body)
	}
	list := s.want(t, 200, "GET", base+"/files?limit=1", s.token, nil)
	if list.text("next_cursor") != "2024/b.csv" {
		t.Fatalf("%v", list.body)
	}
	show := s.want(t, 200, "GET", base+"/files/2024/b.csv", s.token, nil)
	if report, _ := show.body["report"].(map[string]any); report["verdict"] != show.text("verdict") {
		t.Fatalf("%v", show.body)
	}
	s.want(t, 200, "GET", "/datasets/"+id, s.token, nil)
	s.want(t, 200, "GET", "/datasets?q=レセプト", s.token, nil)
	s.want(t, 200, "GET", "/datasets/"+id+"/versions", s.token, nil)
	s.want(t, 200, "GET", "/datasets/"+id+"/versions/0", s.token, nil)
	s.want(t, 409, "DELETE", base, s.token, nil)
	s.want(t, 422, "POST", base+"/withdraw", s.token, fields{"reason": ""})
	s.want(t, 200, "POST", base+"/withdraw", s.token, fields{"reason": "wrong"})
	s.want(t, 200, "POST", base+"/recall", s.token, fields{"reason": "worse"})
	s.want(t, 200, "POST", "/datasets/sweep", s.token, nil)
	s.want(t, 404, "GET", "/datasets/ds-aaaaaaaaaaaaaaaa", s.token, nil)
	s.want(t, 401, "GET", "/datasets", "", nil)
	second := s.want(t, 201, "POST", "/datasets/"+id+"/versions", s.token, fields{"pq_required": true})
	if second.body["version"] != float64(2) {
		t.Fatalf("%v", second.body)
	}
	s.want(t, 204, "DELETE", "/datasets/"+id+"/versions/2", s.token, nil)
	ledgertest.CheckLedger(t, s.db, ledger.VerifyOptions{})
}

func TestUploadHeaders(t *testing.T) {
	t.Parallel()
	s := newDatasetServer(t)
	base := "/datasets/" + s.draft(t) + "/versions/1/files/"
	body := table(300_000)
	size := strconv.Itoa(len(body))
	tests := []struct {
		path   string
		header map[string]string
		body   []byte
		status int
		detail string
	}{
		{"a.csv", nil, nil, 422, "is empty"},
		{"a.csv", map[string]string{"Repr-Digest": "sha-256=:AAAA:"}, body, 422, "holds no digest"},
		{"a.csv", map[string]string{"Repr-Digest": "md5=:AAAA:"}, body, 422, "holds no digest"},
		{"a.csv", map[string]string{"Repr-Digest": reprDigest(nil)}, body, 422, "not the announced"},
		{"a.csv", map[string]string{"Content-Range": "bytes 0-5/*"}, body, 422, "not of the form"},
		{"a.csv", map[string]string{"Content-Range": "bytes 9-5/10"}, body, 422, "not of the form"},
		{"a.csv", map[string]string{"Content-Range": "bytes 0-9/10"}, body, 422, "Content-Length of"},
		{"a.csv", map[string]string{"Content-Range": "bytes 10-" + strconv.Itoa(len(body)+9) + "/" + strconv.Itoa(len(body)+10)}, body, 409, "nothing of"},
		{"../a.csv", nil, body, 422, "leads elsewhere"},
		{"..%2Fa.csv", nil, body, 422, "leads elsewhere"},
		{"a%5Cb", nil, body, 422, "backslash"},
		{"a%00b", nil, body, 422, "NUL"},
		{"a%E2%80%AEb", nil, body, 422, "direction"},
		{strings.Repeat("a", 300), nil, body, 422, "at most 251"},
		{"nul.csv", nil, body, 422, "device"},
		{"%E3%81%8B%E3%82%99.csv", nil, body, 422, "NFC"},
		{"a//b", nil, body, 422, "empty part"},
		{"a.csv", map[string]string{"Content-Range": "bytes 0-" + strconv.Itoa(len(body)-1) + "/" + size, "Repr-Digest": "sha-512=:AA:, " + reprDigest(body)}, body, 201, ""},
	}
	for _, test := range tests {
		got := s.send(t, "PUT", base+test.path+"?items=other", test.header, bytes.NewReader(test.body))
		if got.status != test.status || !strings.Contains(got.text("detail"), test.detail) {
			t.Errorf("%s %v: %d %v", test.path, test.header, got.status, got.body)
		}
		if test.status >= 400 && got.text("request_id") == "" {
			t.Errorf("%s: no problem document: %v", test.path, got.body)
		}
	}
	if got := s.send(t, "PUT", base+"b.csv", nil, bytes.NewReader(body)); got.status != 422 || !strings.Contains(got.text("detail"), "no item given") {
		t.Errorf("no items: %d %v", got.status, got.body)
	}
}

func TestResumeOverHTTP(t *testing.T) {
	t.Parallel()
	s := newDatasetServer(t)
	id := s.draft(t)
	path := "/datasets/" + id + "/versions/1/files/big.csv"
	body := table(5 << 20)
	for _, cut := range []int{1 << 20, 3<<20 + 12345} {
		offset := s.offset(t, path)
		s.breakOff(t, path, body, offset, cut)
		if got := s.offset(t, path); got <= offset || got > cut || cut-got > 2*crypto.ChunkSize {
			t.Fatalf("cut at %d: %d bytes are kept", cut, got)
		}
	}
	for parts := 0; ; parts++ {
		offset := s.offset(t, path)
		end := min(offset+1<<20, len(body))
		a := s.send(t, "PUT", path+"?items=other", map[string]string{
			"Content-Range": fmt.Sprintf("bytes %d-%d/%d", offset, end-1, len(body)), "Repr-Digest": reprDigest(body),
		}, bytes.NewReader(body[offset:end]))
		if a.status == 201 {
			if a.text("sha256") != hexDigest(body) || parts == 0 {
				t.Fatalf("after %d parts: %v", parts, a.body)
			}
			break
		}
		if a.status != 202 || a.header.Get("Upload-Offset") == strconv.Itoa(offset) {
			t.Fatalf("%d %v", a.status, a.body)
		}
	}
	s.want(t, 200, "POST", "/datasets/"+id+"/versions/1/register", s.token, nil)
}

func (s *datasetServer) offset(t *testing.T, path string) int {
	t.Helper()
	head := s.send(t, "HEAD", path, nil, nil)
	if head.status == 404 {
		return 0
	}
	offset, err := strconv.Atoi(head.header.Get("Upload-Offset"))
	noError(t, err)
	return offset
}

// breakOff sends the body from offset to cut and closes the connection.
func (s *datasetServer) breakOff(t *testing.T, path string, body []byte, offset, cut int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	noError(t, err)
	defer conn.Close()
	w := bufio.NewWriter(conn)
	fmt.Fprintf(w, "PUT /api/v1%s?items=other HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n",
		path, s.token, len(body)-offset)
	fmt.Fprintf(w, "Content-Range: bytes %d-%d/%d\r\n\r\n", offset, len(body)-1, len(body))
	w.Write(body[offset:cut])
	noError(t, w.Flush())
	noError(t, conn.(*net.TCPConn).CloseWrite())
	_, err = io.ReadAll(conn) // until the server has given up
	noError(t, err)
}

func TestWaiversOverHTTP(t *testing.T) {
	t.Parallel()
	s := newDatasetServer(t)
	id := s.draft(t)
	base := "/datasets/" + id + "/versions/1"
	put := s.send(t, "PUT", base+"/files/p.pdf?items=other", nil, strings.NewReader("%PDF-1.7\n"))
	if put.text("verdict") != "waiver-required: unknown format" {
		t.Fatalf("%v", put.body)
	}
	refused := s.want(t, 409, "POST", base+"/register", s.token, nil)
	findings, _ := refused.body["findings"].([]any)
	finding, _ := findings[0].(map[string]any)
	ask := fields{"dataset": id, "version": 1, "finding": finding["id"], "reason": "synthetic"}
	s.want(t, 422, "POST", "/waivers", s.token, fields{"dataset": id, "version": 1, "finding": finding["id"], "reason": ""})
	w := s.want(t, 201, "POST", "/waivers", s.token, ask)
	s.want(t, 403, "POST", "/waivers/"+w.text("id")+"/approve", s.token, fields{})
	other := s.person(t, "m@example.jp", "manager")
	open := s.want(t, 200, "GET", "/waivers?open=true", other, nil)
	if items, _ := open.body["items"].([]any); len(items) != 1 {
		t.Fatalf("%v", open.body)
	}
	granted := s.want(t, 200, "POST", "/waivers/"+w.text("id")+"/approve", other, fields{"reason": "seen"})
	if granted.text("state") != "approved" || granted.text("independence") == "" || granted.text("expires_at") == "" {
		t.Fatalf("%v", granted.body)
	}
	s.want(t, 409, "POST", "/waivers/"+w.text("id")+"/reject", other, fields{"reason": "late"})
	s.want(t, 200, "POST", base+"/register", s.token, nil)
	ledgertest.CheckLedger(t, s.db, ledger.VerifyOptions{})
}

// Nothing of what is uploaded stands in clear in the data folder, while it is
// sent, after a break and after the end.
func TestNoPlaintextOnDisk(t *testing.T) {
	t.Parallel()
	s := newDatasetServer(t)
	canary := "canary" + rand.Text()
	row := []byte("年月,値\n2024-01," + canary + "\n")
	body := append(row, bytes.Repeat(row[len("年月,値\n"):], 3<<20/len(row))...)
	path := "/datasets/" + s.draft(t) + "/versions/1/files/a.csv"
	s.breakOff(t, path, body, 0, 2<<20)
	if found := search(t, s.dir, canary); found != "" {
		t.Errorf("plaintext after a break in %s", found)
	}
	if put := s.send(t, "PUT", path+"?items=other", nil, bytes.NewReader(body)); put.status != 201 {
		t.Fatalf("%d %v", put.status, put.body)
	}
	if found := search(t, s.dir, canary); found != "" {
		t.Errorf("plaintext in %s", found)
	}
	planted := filepath.Join(s.dir, "objects", "planted")
	noError(t, os.WriteFile(planted, []byte("x"+canary), 0o600))
	if search(t, s.dir, canary) != planted {
		t.Error("the search does not find what is there")
	}
}

func search(t *testing.T, dir, text string) (found string) {
	t.Helper()
	noError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if bytes.Contains(body, []byte(text)) {
			found = path
		}
		return err
	}))
	return found
}

// A slow client keeps its upload while bytes flow, however long that takes, and
// an answer given early ends the reading of the body.
func TestEarlyAnswerEndsTheBody(t *testing.T) {
	t.Parallel()
	s := newDatasetServer(t)
	pr, pw := io.Pipe()
	defer pw.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "PUT", s.url+"/api/v1/datasets/ds-aaaaaaaaaaaaaaaa/versions/1/files/a?items=other", pr)
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := s.http.Do(req)
	noError(t, err)
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Fatalf("%s", resp.Status)
	}
}
