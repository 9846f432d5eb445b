package audit

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed" // README.txt
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"text/template"
	"time"

	"teikyo/crypto"
	"teikyo/evidence"
	"teikyo/models"
)

// writer writes the files of a pack and their digests; after the first error it
// writes nothing more.
type writer struct {
	zip  *zip.Writer
	at   time.Time
	sums strings.Builder
	err  error
}

// file writes one file from a reader.
func (w *writer) file(name string, body io.Reader) {
	if w.err != nil {
		return
	}
	out, err := w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: w.at})
	if err != nil {
		w.err = err
		return
	}
	h := sha256.New()
	if _, w.err = io.Copy(io.MultiWriter(out, h), body); w.err == nil {
		w.sums.WriteString(hex.EncodeToString(h.Sum(nil)) + "  " + name + "\n")
	}
}

func (w *writer) text(name string, text []byte) { w.file(name, bytes.NewReader(text)) }

// json writes a document for people and programs.
func (w *writer) json(name string, v any) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil && w.err == nil {
		w.err = err
	}
	w.file(name, &text)
}

// close adds the list of files and its signature.
func (w *writer) close(signature []byte) error {
	sums := []byte(w.sums.String())
	w.text(evidence.SumsFile, sums)
	w.text(evidence.SignatureFile, signature)
	if w.err != nil {
		return w.err
	}
	return w.zip.Close()
}

//go:embed readme.txt
var readme string

func readmeText(issuer crypto.Issuer) ([]byte, error) {
	var out bytes.Buffer
	page, err := template.New("readme").Parse(readme)
	if err == nil {
		err = page.Execute(&out, struct{ Origin, Fingerprint string }{issuer.Origin, issuer.Fingerprint()})
	}
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "README.txt could not be made")
	}
	return out.Bytes(), nil
}
