package ledger

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
)

const exportFormat = "teikyo-ledger-v1"

// maxExportLine bounds a line of an export in bytes: leaf, details, salt, names.
const maxExportLine = MaxLeafSize + MaxDetailsSize + MaxCheckpointSize*2 + 1<<10

// ErrMalformedExport is wrapped by errors about the form of an export file.
var ErrMalformedExport = errors.New("malformed ledger export")

// exportHead is the first line of an export.
type exportHead struct {
	Format     string    `json:"format"`
	Size       int64     `json:"size"`
	Root       tlog.Hash `json:"root"`
	Time       time.Time `json:"time"`
	Checkpoint string    `json:"checkpoint,omitempty"`
}

// exportLine is one entry: leaf and details keep their exact bytes.
type exportLine struct {
	Index   int64           `json:"index"`
	Leaf    json.RawMessage `json:"leaf"`
	Salt    []byte          `json:"salt,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
}

// WriteExport writes a log as JSON lines: the head with its newest checkpoint,
// which may be nil, then every entry.
func WriteExport(ctx context.Context, w io.Writer, src Source, checkpoint []byte) error {
	head, err := src.Head(ctx)
	if err != nil {
		return fmt.Errorf("head of the ledger: %w", err)
	}
	out := bufio.NewWriter(w)
	line := exportHead{Format: exportFormat, Size: head.Size, Root: head.Root, Time: head.Time.UTC(), Checkpoint: string(checkpoint)}
	if err := json.NewEncoder(out).Encode(line); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	for rec, err := range src.Records(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
		if _, err := out.Write(appendExportLine(nil, rec)); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return ctx.Err()
}

// appendExportLine writes a line by hand because encoding/json would escape
// inside leaf and details, whose bytes are hashed.
func appendExportLine(b []byte, rec Record) []byte {
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

// Export is an export file as a Source for Verify.
type Export struct {
	file       io.ReaderAt
	size       int64
	head       Head
	checkpoint []byte
	start      int64 // of the first entry's line
}

// OpenExport reads the head of an export of size bytes; the entries are read
// when they are asked for. Errors wrap ErrMalformedExport or come from file.
func OpenExport(file io.ReaderAt, size int64) (*Export, error) {
	first, err := readLine(bufio.NewReaderSize(io.NewSectionReader(file, 0, size), maxExportLine))
	if err != nil {
		return nil, err
	}
	var h exportHead
	if err := strictJSON(first, &h); err != nil || h.Format != exportFormat {
		return nil, fmt.Errorf("%w: its first line is no head", ErrMalformedExport)
	}
	e := &Export{file: file, size: size, start: int64(len(first)) + 1, head: Head{Size: h.Size, Root: h.Root, Time: h.Time}}
	if h.Checkpoint != "" {
		e.checkpoint = []byte(h.Checkpoint)
	}
	return e, nil
}

// Checkpoint is the newest checkpoint when the export was made; nil when there
// was none. It belongs in VerifyOptions.Checkpoints.
func (e *Export) Checkpoint() []byte { return e.checkpoint }

// Head implements Source.
func (e *Export) Head(context.Context) (Head, error) { return e.head, nil }

// Hashes implements Source: an export holds none.
func (e *Export) Hashes(context.Context) iter.Seq2[StoredHash, error] { return nil }

// Records implements Source; the columns come from the leaves.
func (e *Export) Records(ctx context.Context, from int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := bufio.NewReaderSize(io.NewSectionReader(e.file, e.start, e.size-e.start), maxExportLine)
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
func readRecord(r *bufio.Reader) (Record, error) {
	line, err := readLine(r)
	if err != nil {
		return Record{}, err
	}
	var l exportLine
	if err := strictJSON(line, &l); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrMalformedExport, err)
	}
	rec, err := NewRecord(l.Index, l.Leaf, l.Salt, l.Details)
	if err != nil {
		// Verify names the entry; the line itself was well formed.
		return Record{Index: l.Index, Leaf: l.Leaf, Salt: l.Salt, Details: l.Details}, nil
	}
	return rec, nil
}

// readLine is the next line without its end; valid until the next read. r's
// buffer bounds it.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err == io.EOF, errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: a line is cut short or too long", ErrMalformedExport)
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
