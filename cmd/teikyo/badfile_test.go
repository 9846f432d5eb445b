package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// draft makes a draft of a dataset and returns the address of its files.
func (w *world) draft() string {
	w.t.Helper()
	status, answer := w.mori.call("POST", "/api/v1/datasets", map[string]string{"Content-Type": "application/json"},
		strings.NewReader(`{"title":"Draft","class":"anonymized"}`))
	if status != http.StatusCreated {
		w.t.Fatal(status, string(answer))
	}
	return fmt.Sprintf("/api/v1/datasets/%s/versions/1", document(w.t, string(answer))["id"])
}

// put sends a file into a draft.
func (w *world) put(draft, path, text string, header map[string]string) (status int, detail string) {
	w.t.Helper()
	status, answer := w.mori.call("PUT", draft+"/files/"+url.PathEscape(path)+"?items=demographics", header, strings.NewReader(text))
	var problem struct{ Detail string }
	if err := json.Unmarshal(answer, &problem); err != nil {
		w.t.Fatalf("%d %q", status, answer)
	}
	return status, problem.Detail
}

const smallTable = "age_group,sex\n30s,F\n40s,M\n"

func TestBadPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	draft := w.draft()
	for path, says := range map[string]string{
		"..":                            "leads elsewhere",
		"../x.csv":                      "leads elsewhere",
		"a/../../x.csv":                 "leads elsewhere",
		"./x.csv":                       "leads elsewhere",
		"/etc/passwd":                   "absolute",
		"a//x.csv":                      "empty part",
		"a/":                            "empty part",
		`a\x.csv`:                       "backslash",
		`..\x.csv`:                      "backslash",
		"a\x00.csv":                     "NUL",
		"a\n.csv":                       "control character",
		"a\x1b[2J.csv":                  "control character",
		"a\xff.csv":                     "UTF-8",
		strings.Repeat("n", 300):        "bytes",
		strings.Repeat("日", 100):        "bytes",
		strings.Repeat("d/", 600) + "x": "bytes",
		"a\u202evsc.exe":                "direction",
		"a\u200fb.csv":                  "direction",
		"a\u200bb.csv":                  "invisible",
		"cafe\u0301.csv":                "normal form C",
		"か\u3099.csv":                   "normal form C",
		"CON":                           "device",
		"aux.csv":                       "device",
		"a/NUL.txt":                     "device",
		"com1":                          "device",
		"LPT¹.csv":                      "device",
		"x.":                            "dot",
		" x":                            "space",
		"a:b.csv":                       "Windows",
		"a?.csv":                        "Windows",
	} {
		if status, detail := w.put(draft, path, smallTable, nil); status != 422 || !strings.Contains(detail, says) {
			t.Errorf("%q: %d, want 422 and %q: %s", path, status, says, detail)
		}
	}
	for _, path := range []string{"日本/患者一覧.csv", "caf\u00e9.csv", "a b/c+d.csv", "100%.csv"} {
		if status, detail := w.put(draft, path, smallTable, nil); status != http.StatusCreated {
			t.Errorf("%q: %d %s", path, status, detail)
		}
	}
	for path, twin := range map[string]string{"CAF\u00c9.csv": "caf\u00e9.csv", "A B/c+d.csv": "a b", "100%.csv/x": "100%.csv", "日本": "日本"} {
		if status, detail := w.put(draft, path, smallTable, nil); status != 409 || !strings.Contains(detail, twin) {
			t.Errorf("%q beside %q: %d %s", path, twin, status, detail)
		}
	}
	_, files := w.mori.call("GET", draft+"/files", nil, nil)
	if n := len(document(t, string(files))["items"].([]any)); n != 4 {
		t.Errorf("%d files: %s", n, files)
	}
}

// A client that lies about its file leaves nothing.
func TestBadUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	draft := w.draft()
	sum := sha256.Sum256([]byte(smallTable))
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for name, test := range map[string]struct {
		text   string
		header map[string]string
		status int
	}{
		"empty":                      {"", nil, 422},
		"another digest":             {smallTable + "50s,F\n", map[string]string{"Repr-Digest": digest}, 422},
		"a digest that is none":      {smallTable, map[string]string{"Repr-Digest": "sha-256=:abc:"}, 422},
		"a range that is none":       {smallTable, map[string]string{"Content-Range": "bytes 9-1/3"}, 422},
		"a range of another length":  {smallTable, map[string]string{"Content-Range": "bytes 0-4/999"}, 422},
		"a part of what is not here": {smallTable, map[string]string{"Content-Range": fmt.Sprintf("bytes 65536-%d/70000", 65535+len(smallTable))}, 409},
	} {
		if status, detail := w.put(draft, "x.csv", test.text, test.header); status != test.status || detail == "" {
			t.Errorf("%s: %d, want %d: %s", name, status, test.status, detail)
		}
	}
	if status, _ := w.put("/api/v1/datasets/ds-aaaaaaaaaaaaaaaa/versions/1", "x.csv", smallTable, nil); status != 404 {
		t.Errorf("no such draft: %d", status)
	}
	if _, files := w.mori.call("GET", draft+"/files", nil, nil); !bytes.Contains(files, []byte(`"items":[]`)) {
		t.Errorf("%s", files)
	}
	if left := listTree(t, filepath.Join(w.data, "objects")); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	register := func(paths ...string) []string {
		return append([]string{"dataset", "register", "--title", "T", "--class", "anonymized", "--item", "demographics"}, paths...)
	}
	empty := w.file("empty.csv", nil)
	names := w.file("names.csv", []byte("氏名,sex\n山田太郎,M\n"))
	if err := os.Symlink("/dev/zero", filepath.Join(w.dir, "zero.csv")); err != nil {
		t.Fatal(err)
	}
	w.refuse(t, []bad{
		{"no file", w.mori, "", register(), 2, "FILE"},
		{"missing file", w.mori, "", register(filepath.Join(w.dir, "none.csv")), 1, "none.csv cannot be read: no such file"},
		{"empty file", w.mori, "", register(empty), 1, "empty.csv is empty; leave it out"},
		{"device", w.mori, "", register(filepath.Join(w.dir, "zero.csv")), 1, "no ordinary file"},
		{"names", w.mori, "", register(names), 1, `(?s)findings.*氏名.*teikyo waiver request ds-`},
		{"name in the title", w.mori, "", []string{"dataset", "register", "--title", "of taro@hospital.or.jp", "--class", "anonymized", "--item", "demographics", w.file("ok.csv", []byte(smallTable))}, 1, "title"},
		{"twins", w.mori, "", register(w.file("twins/A.csv", []byte(smallTable)), w.file("twins/b/a.csv", []byte(smallTable))), 1, "A.csv|a.csv"},
		{"check of nothing", w.mori, "", []string{"dataset", "check", filepath.Join(w.dir, "none.csv")}, 1, "cannot be read"},
		{"unknown profile", w.mori, "", []string{"dataset", "check", "--profile", "lax", names}, 1, "jp-policy"},
		{"version of nothing", w.mori, "", []string{"dataset", "show", "ds-aaaaaaaaaaaaaaaa@1"}, 5, "not found|no dataset|no such"},
		{"withdrawal without a version", w.mori, "", []string{"dataset", "withdraw", "ds-aaaaaaaaaaaaaaaa", "--reason", "x"}, 2, "@VERSION"},
		{"withdrawal of nothing", w.mori, "", []string{"dataset", "withdraw", "ds-aaaaaaaaaaaaaaaa@1", "--reason", "x"}, 5, ""},
	})
}

// A file that changes while it is read is not registered.
func TestFileThatChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(path string) error{
		"shrinks": func(path string) error { return os.Truncate(path, 100_000) },
		"grows": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("20s,F,north,1,100\n")
				err = f.Close()
			}
			return err
		},
	} {
		file := w.table(name+".csv", 24<<20)
		changed := false
		w.door.sharpen(func(request string) (int64, bool) {
			if !changed && strings.HasPrefix(request, "PUT ") {
				changed = true
				if err := change(file); err != nil {
					t.Error(err)
				}
			}
			return 0, false
		})
		w.refuse(t, []bad{{name, w.mori, "", []string{"dataset", "register", "--title", name, "--class", "anonymized", "--item", "demographics", file}, 1, name + `\.csv.*(chang|shr|gr)`}})
		w.door.sharpen(nil)
		if !changed {
			t.Errorf("%s: nothing was sent", name)
		}
		w.register(name, file)
	}
}
