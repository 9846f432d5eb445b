// Package export writes a log to a file of JSON lines and reads it back as a
// ledger.Source, so that an auditor can verify it away from the server.
package export

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

const format = "teikyo-ledger-v1"

// maxLine bounds a line of an export in bytes: leaf, details, salt, names.
const maxLine = ledger.MaxLeafSize + ledger.MaxDetailsSize + ledger.MaxCheckpointSize*2 + 1<<10

// ErrMalformed is wrapped by errors about the form of an export file.
var ErrMalformed = errors.New("malformed ledger export")

// headLine is the first line of an export.
type headLine struct {
	Format     string    `json:"format"`
	Size       int64     `json:"size"`
	Root       tlog.Hash `json:"root"`
	Time       time.Time `json:"time"`
	Checkpoint string    `json:"checkpoint,omitempty"`
}

// entryLine is one entry: leaf and details keep their exact bytes.
type entryLine struct {
	Index   int64           `json:"index"`
	Leaf    json.RawMessage `json:"leaf"`
	Salt    []byte          `json:"salt,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
}

// Write writes a log as JSON lines: the head with its newest checkpoint,
// which may be nil, then every entry.
func Write(ctx context.Context, w io.Writer, src ledger.Source, checkpoint []byte) error {
	head, err := src.Head(ctx)
	if err != nil {
		return fmt.Errorf("head of the ledger: %w", err)
	}
	out := bufio.NewWriter(w)
	line := headLine{Format: format, Size: head.Size, Root: head.Root, Time: head.Time.UTC(), Checkpoint: string(checkpoint)}
	if err := json.NewEncoder(out).Encode(line); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	for rec, err := range src.Records(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		entry := appendEntry(nil, rec)
		if !json.Valid(entry) || bytes.IndexByte(entry, '\n') != len(entry)-1 {
			return fmt.Errorf("entry %d of the ledger is damaged and cannot be exported: verify the ledger", rec.Index)
		}
		if _, err := out.Write(entry); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return ctx.Err()
}

// appendEntry writes a line by hand because encoding/json would escape
// inside leaf and details, whose bytes are hashed.
func appendEntry(b []byte, rec ledger.Record) []byte {
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, rec.Index, 10)
	b = append(b, `,"leaf":`...)
	b = append(b, rec.Leaf...)
	if rec.Details != nil {
		b = append(b, `,"salt":"`...)
		b = base64.StdEncoding.AppendEncode(b, rec.Salt)
		b = append(b, `","details":`...)
		b = append(b, rec.Details...)
	}
	return append(b, "}\n"...)
}

// File is an export file as a ledger.Source.
type File struct {
	file       io.ReaderAt
	size       int64
	head       ledger.Head
	checkpoint []byte
	start      int64 // of the first entry's line
}

// Open reads the head of an export of size bytes; the entries are read
// when they are asked for. Errors wrap ErrMalformed or come from file.
func Open(file io.ReaderAt, size int64) (*File, error) {
	first, err := readLine(bufio.NewReaderSize(io.NewSectionReader(file, 0, size), maxLine))
	if err == io.EOF {
		return nil, fmt.Errorf("%w: it is empty", ErrMalformed)
	}
	if err != nil {
		return nil, err
	}
	var h headLine
	if err := strictJSON(first, &h); err != nil || h.Format != format {
		return nil, fmt.Errorf("%w: its first line is no head", ErrMalformed)
	}
	e := &File{file: file, size: size, start: int64(len(first)) + 1, head: ledger.Head{Size: h.Size, Root: h.Root, Time: h.Time}}
	if h.Checkpoint != "" {
		e.checkpoint = []byte(h.Checkpoint)
	}
	return e, nil
}

// Checkpoint is the newest checkpoint when the export was made; nil when there
// was none. It belongs in ledger.VerifyOptions.Checkpoints.
func (e *File) Checkpoint() []byte { return e.checkpoint }

// Head implements Source.
func (e *File) Head(context.Context) (ledger.Head, error) { return e.head, nil }

// Hashes implements Source: an export holds none.
func (e *File) Hashes(context.Context) iter.Seq2[ledger.StoredHash, error] { return nil }

// Records implements Source; the columns come from the leaves.
func (e *File) Records(ctx context.Context, from int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		r := bufio.NewReaderSize(io.NewSectionReader(e.file, e.start, e.size-e.start), maxLine)
		for {
			rec, err := readRecord(r)
			if err == io.EOF {
				return
			}
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && rec.Index < from {
				continue
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// readRecord reads one entry; io.EOF after the last.
func readRecord(r *bufio.Reader) (ledger.Record, error) {
	line, err := readLine(r)
	if err != nil {
		return ledger.Record{}, err
	}
	var l entryLine
	if err := strictJSON(line, &l); err != nil {
		return ledger.Record{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if rec, err := ledger.NewRecord(l.Index, l.Leaf, l.Salt, l.Details); err == nil {
		return rec, nil
	}
	// The line is well formed; that its leaf is not is for Verify to say.
	return ledger.Record{Index: l.Index, Leaf: l.Leaf, Salt: l.Salt, Details: l.Details}, nil
}

// readLine is the next line without its end; valid until the next read. r's
// buffer bounds it.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err == io.EOF, errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: a line is cut short or too long", ErrMalformed)
	case err != nil:
		return nil, fmt.Errorf("read the export: %w", err)
	}
	return line[:len(line)-1], nil
}

func strictJSON(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.InputOffset() != int64(len(b)) {
		return errors.New("more after the value")
	}
	return nil
}
