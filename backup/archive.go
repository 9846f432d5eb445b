package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/models"
)

const format = "teikyo-backup-v1"

// Names of the parts.
const (
	IssuerPart     = "issuer.json"
	SettingsPart   = "settings.json"
	CheckpointPart = "checkpoint"
	HistoryPart    = "checkpoint.history"
	KeysPart       = "keys.tar.age"
	manifestPart   = "manifest.json"
	sumPart        = "SHA256"
	tablesDir      = "tables/"
	objectsDir     = "objects"
)

// chunkSize is after how many bytes of text a part of lines ends, so that
// neither side holds a table in memory.
const chunkSize = 4 << 20

// Manifest says what a backup holds. It is the last part but one.
type Manifest struct {
	Format  string    `json:"format"`
	MadeAt  time.Time `json:"made_at"`
	Program string    `json:"program"` // version that made it
	Schema  int64     `json:"schema"`  // of the tables
	Ledger  Ledger    `json:"ledger"`
	Tables  []Table   `json:"tables"` // each after those that it refers to
	Objects Objects   `json:"objects"`
	KeysFor string    `json:"keys_for,omitempty"` // fingerprint of the key that opens the keys
	Parts   []Part    `json:"parts"`
}

// Ledger is the state of the ledger in a backup.
type Ledger struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Root   tlog.Hash `json:"root"`
	Time   time.Time `json:"time"`
}

// Table is a table in a backup.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
	Rows    int64    `json:"rows"`
}

// Column is a column of a table; see models.ColumnType.
type Column struct {
	Name string            `json:"name"`
	Type models.ColumnType `json:"type"`
}

func newTable(t models.Table, rows int64) Table {
	columns := make([]Column, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = Column(c)
	}
	return Table{Name: t.Name, Columns: columns, Rows: rows}
}

func (t Table) model() models.Table {
	columns := make([]models.Column, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = models.Column(c)
	}
	return models.Table{Name: t.Name, Columns: columns}
}

// object is a line of the list of objects.
type object struct {
	Kind     string    `json:"kind"` // sealed, pack
	ID       string    `json:"id"`   // of the sealed file or the provision
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256,omitempty"` // of all segments in their order; absent while a file is being uploaded
	Segments []segment `json:"segments"`
}

type segment struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

func newObject(o models.StoredObject) object {
	line := object{Kind: o.Kind, ID: o.ID, Size: o.Size, SHA256: o.SHA256, Segments: make([]segment, len(o.Segments))}
	for i, s := range o.Segments {
		line.Segments[i] = segment(s)
	}
	return line
}

// Objects sums up the list of objects, which are not in the backup.
type Objects struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

// Part is one file in the archive.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes in the archive
	SHA256 string `json:"sha256"`
}

// archive writes the parts one after another.
type archive struct {
	tar   *tar.Writer
	out   io.Writer
	sum   hash.Hash // of everything so far
	at    time.Time
	parts []Part
}

func newArchive(w io.Writer, at time.Time) *archive {
	a := &archive{out: w, sum: sha256.New(), at: at.Truncate(time.Second)}
	a.tar = tar.NewWriter(io.MultiWriter(w, a.sum))
	return a
}

// part writes one part.
func (a *archive) part(name string, data []byte) error {
	if err := a.write(name, data); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	a.parts = append(a.parts, Part{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	return nil
}

func (a *archive) write(name string, data []byte) error {
	header := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: a.at, Format: tar.FormatUSTAR}
	if err := a.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if _, err := a.tar.Write(data); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// lines writes lines as numbered parts below dir and counts them.
func (a *archive) lines(dir string, lines iter.Seq2[[]byte, error]) (int64, error) {
	c := &chunks{archive: a, dir: dir}
	c.zip, _ = gzip.NewWriterLevel(&c.text, gzip.BestSpeed) // the level is a valid one
	var count int64
	for line, err := range lines {
		if err != nil {
			return count, err
		}
		if err := c.add(line); err != nil {
			return count, err
		}
		count++
	}
	return count, c.end()
}

// chunks gathers lines into compressed parts.
type chunks struct {
	archive *archive
	dir     string
	text    bytes.Buffer
	zip     *gzip.Writer
	size    int // of the text before compression
	number  int
}

func (c *chunks) add(line []byte) error {
	_, err := c.zip.Write(line)
	if err == nil {
		_, err = c.zip.Write([]byte{'\n'})
	}
	if err != nil {
		return fmt.Errorf("compress the backup: %w", err)
	}
	if c.size += len(line) + 1; c.size < chunkSize {
		return nil
	}
	return c.end()
}

func (c *chunks) end() error {
	if c.size == 0 {
		return nil
	}
	if err := c.zip.Close(); err != nil {
		return fmt.Errorf("compress the backup: %w", err)
	}
	c.number++
	if err := c.archive.part(chunkName(c.dir, c.number), c.text.Bytes()); err != nil {
		return err
	}
	c.text.Reset()
	c.zip.Reset(&c.text)
	c.size = 0
	return nil
}

func chunkName(dir string, number int) string { return fmt.Sprintf("%s/%06d.jsonl.gz", dir, number) }

// end writes the manifest and, as the last part, the digest of all before it.
func (a *archive) end(m Manifest) error {
	m.Parts = a.parts
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := a.write(manifestPart, append(text, '\n')); err != nil {
		return err
	}
	if err := a.tar.Flush(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if _, err := a.out.Write(trailer(a.sum.Sum(nil))); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// trailer is the end of the archive: a part that holds the digest of everything
// before it. There is one way to write it, so that no bit of the file is free.
func trailer(sum []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	text := hex.EncodeToString(sum) + "\n"
	// A buffer takes everything.
	_ = w.WriteHeader(&tar.Header{Name: sumPart, Mode: 0o600, Size: int64(len(text)), Format: tar.FormatUSTAR})
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

var trailerSize = int64(len(trailer(make([]byte, sha256.Size))))
