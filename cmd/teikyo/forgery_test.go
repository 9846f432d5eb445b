package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/crypto"
)

// header reads the header of a sealed file and, with the identity, its key.
func header(t *testing.T, sealed, identity string) ([]byte, crypto.FileKey) {
	t.Helper()
	file, err := os.Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	head, _, err := crypto.SplitHeader(file)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.Open(identity)
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	id, err := crypto.ParseIdentity(secret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ReadHeader(head, id)
	if err != nil {
		t.Fatal(err)
	}
	return head, key
}

// payload seals a text as anybody can who has the key of the file.
func payload(t *testing.T, key crypto.FileKey, text []byte) []byte {
	t.Helper()
	sealer, err := crypto.NewSealer(key, rand.Reader, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer sealer.Close()
	var out bytes.Buffer
	for !sealer.Done() {
		if _, err := io.Copy(&out, sealer.NextSegment(1<<30)); err != nil || sealer.Err() != nil {
			t.Fatal(err, sealer.Err())
		}
	}
	return out.Bytes()
}

// All recipients of a version share its file keys, so that one of them can make
// a payload that opens behind the genuine header of another: stock age cannot
// tell, the manifest does.
func TestPayloadOfAnInsider(t *testing.T) {
	t.Parallel()
	tools(t, "age")
	w := newWorld(t)
	w.notice()
	file := w.table("in/visits.csv", 200_000)
	ds := w.register("Visits", file)
	insider, victim := w.partner("Insider"), w.partner("Victim")
	_, insiderLink := w.link(w.provide(ds, insider))
	_, victimLink := w.link(w.provide(ds, victim))
	dirI, _, _ := insider.fetch(0, insiderLink, "parcel", "--keep-sealed")
	dirV, _, _ := victim.fetch(0, victimLink, "parcel", "--keep-sealed")

	sealedI, sealedV := filepath.Join(dirI, "data", "visits.csv.age"), filepath.Join(dirV, "data", "visits.csv.age")
	headI, key := header(t, sealedI, insider.identity)
	headV, _ := header(t, sealedV, victim.identity)
	if bytes.Equal(headI, headV) || !bytes.Equal(w.read(sealedI)[len(headI):], w.read(sealedV)[len(headV):]) {
		t.Fatal("the parcels are not what DESIGN.md 3.1 says")
	}
	genuine := w.read(file)
	lie := bytes.Replace(genuine, []byte("north"), []byte("south"), 1)
	forged := append(bytes.Clone(headV), payload(t, key, lie)...)
	if err := os.WriteFile(sealedV, forged, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := filepath.Join(w.dir, "forged.csv")
	stock(t, dirV, "age", "-d", "-i", victim.identity, "-o", opened, sealedV)
	if !bytes.Equal(w.read(opened), lie) {
		t.Fatal("the forgery is none: age does not open it")
	}

	out, _ := victim.desk.run(7, "", "verify", dirV, "-i", victim.identity, "--json")
	if findings, _ := document(t, out)["error"].(map[string]any)["findings"].([]any); len(findings) != 1 ||
		!strings.Contains(findings[0].(map[string]any)["location"].(string), "visits.csv") {
		t.Error(out)
	}
	victim.desk.run(7, "", "open", dirV, "-o", filepath.Join(victim.desk.home, "opened"), "-i", victim.identity)
	wantNoFile(t, filepath.Join(victim.desk.home, "opened", "data", "visits.csv"))

	// The same on the server's disk: get asks twice and then refuses.
	w.forgeObject(int64(len(forged)-len(headV)), forged[len(headV):])
	for _, more := range [][]string{nil, {"--keep-sealed"}} {
		dir, out, _ := victim.fetch(7, victimLink, "late"+strings.Join(more, ""), more...)
		if !strings.Contains(out, "visits.csv") {
			t.Error(out)
		}
		for _, name := range listTree(t, dir) {
			if strings.HasPrefix(name, "/data/") {
				t.Errorf("%s has its final name", name)
			}
		}
	}
}

// forgeObject puts other bytes in the place of the one stored object of that
// size.
func (w *world) forgeObject(size int64, text []byte) {
	w.t.Helper()
	var found []string
	for _, name := range listTree(w.t, filepath.Join(w.data, "objects")) {
		path := filepath.Join(w.data, "objects", name)
		if info, err := os.Stat(path); err == nil && info.Size() == size {
			found = append(found, path)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("%d objects of %d bytes", len(found), size)
	}
	if err := os.Chmod(found[0], 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(found[0], text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func wantNoFile(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("%s exists", path)
	}
}

// Whatever else of a parcel is changed is found out as well.
func TestChangedParcels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	_, link := w.link(w.provide(w.register("Visits", w.table("in/visits.csv", 100_000)), r))
	dir, _, _ := r.fetch(0, link, "parcel", "--keep-sealed")
	other := w.partner("Osaka")
	_, link = w.link(w.provide(w.register("Others", w.table("in/others.csv", 100_000)), other))
	foreign, _, _ := other.fetch(0, link, "parcel", "--keep-sealed")

	for _, name := range listTree(t, dir) {
		if strings.HasPrefix(name, "/.") {
			continue
		}
		for how, change := range map[string]func([]byte) []byte{
			"a bit turned": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"cut short":    func(b []byte) []byte { return b[:len(b)-1] },
			"longer":       func(b []byte) []byte { return append(b, '\n') },
			"of another": func(b []byte) []byte {
				text, err := os.ReadFile(filepath.Join(foreign, strings.ReplaceAll(name, "visits", "others")))
				if err != nil {
					t.Fatal(err)
				}
				return text
			},
			"gone": func([]byte) []byte { return nil },
		} {
			if name == "/issuer.json" && how == "of another" {
				continue // it is the same issuer
			}
			t.Run(strings.TrimPrefix(name, "/")+" "+how, func(t *testing.T) {
				t.Parallel()
				copied := filepath.Join(t.TempDir(), "parcel")
				if err := copyFolder(dir, copied); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(copied, name)
				text := change(w.read(path))
				err := os.Remove(path)
				if text != nil {
					err = os.WriteFile(path, text, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				code, out, errOut := r.desk.try("", "verify", copied, "-i", r.identity, "-q")
				if code != 7 || !strings.HasPrefix(errOut, "teikyo: ") {
					t.Errorf("exit %d: %s%s", code, out, errOut)
				}
			})
		}
	}
}
