// Package plain checks text that is no table: letters, readme files, notes. It
// scans it for forms and words of context (DOMAIN.md 4.2, "single hits inside free
// text"), line by line; it does not understand it. Text in which something was
// found needs a waiver for each finding; text in which nothing was found passes
// with a warning that says so.
package plain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"teikyo/deid/change"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/table"
	"teikyo/models"
)

// Format is plain text. In profiles it is "text"; its one field is "text". It is
// asked last.
type Format struct{}

// Name is the name of the format.
func (Format) Name() string { return "text" }

// Detect reports whether head is text that is not of another format.
func (Format) Detect(head []byte) bool {
	if len(head) == 0 || table.BytesFormat(head[:min(len(head), table.HeadSize)]) != "" {
		return false
	}
	dec := table.NewDecoder(head, strings.NewReader(""))
	text, err := table.ReadHead(dec, table.HeadSize)
	return err == nil && table.TextFormat(text) == "" && dec.Encoding() != table.Unknown
}

// The pieces that are looked at: a line, or part of one that is longer. Pieces of
// one line overlap, so that nothing is cut where it cannot be seen.
const (
	pieceBytes = 64 << 10
	overlap    = 256
)

// checker is the check of one text.
type checker struct {
	c        *scan.Collector
	field    *scan.Field
	line     int64
	control  int64 // first line with a NUL or another control character
	badText  int64 // lines with bytes that the encoding does not allow
	badFirst int64

	short    *scan.Field // lines that are short enough to be values: a list of names
	lines    int64       // that are not empty
	regular  int64       // as long as the line before
	split    int64       // with four or more of one separator
	lastSize int
}

// Check scans the text.
func (Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	head, err := table.ReadHead(in.R, table.HeadSize)
	if err != nil {
		return err
	}
	dec := table.NewDecoder(head, in.R)
	t := &checker{c: c, field: c.Field("text", scan.Kind{Text: true}).At("the text"), line: 1}
	t.short = c.Field("lines", scan.Kind{}).At("the lines of the text")
	err = t.read(ctx, dec)
	c.Shape.Format, c.Shape.Encoding, c.Shape.Rows = "text", dec.Encoding(), t.line
	c.NotLookedAt("the meaning of the text: names and stories in it")
	t.sumUp(dec.Encoding())
	return err
}

// read takes the text piece by piece.
func (t *checker) read(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 0, 2*pieceBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		done := t.pieces(buf, errors.Is(err, io.EOF))
		buf = buf[:copy(buf, buf[done:])]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// pieces looks at the whole lines in b, and at pieces of a line that is too long,
// and returns how much of b is done with.
func (t *checker) pieces(b []byte, last bool) int {
	done := 0
	for done < len(b) {
		rest := b[done:]
		end := bytes.IndexByte(rest, '\n')
		switch {
		case end >= 0 && end <= pieceBytes:
			t.look(rest[:end])
			t.line++
			done += end + 1
		case len(rest) > pieceBytes:
			t.look(rest[:pieceBytes])
			done += pieceBytes - overlap
		case last:
			t.look(rest)
			return len(b)
		default:
			return done
		}
	}
	return done
}

func (t *checker) look(piece []byte) {
	piece = bytes.TrimRight(piece, "\r")
	for _, c := range piece {
		if c < 0x20 && c != '\t' && c != '\r' && c != '\f' && c != 0x1b && t.control == 0 {
			t.control = t.line
		}
	}
	if !utf8.Valid(trim(piece)) || bytes.ContainsRune(piece, utf8.RuneError) {
		if t.badText++; t.badText == 1 {
			t.badFirst = t.line
		}
	}
	t.field.Text(piece, t.line)
	t.shape(piece)
}

// shape notes whether the text is built like a table.
func (t *checker) shape(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	t.lines++
	if len(line) <= 60 {
		t.short.Value(line, t.line)
	}
	if len(line) == t.lastSize && len(line) >= 12 {
		t.regular++
	}
	t.lastSize = len(line)
	for _, sep := range []string{",", "\t", "|", ";", "、", "，"} {
		if bytes.Count(line, []byte(sep)) >= 4 {
			t.split++
			break
		}
	}
}

// isRecords: most lines have the same length, or many fields.
func (t *checker) isRecords() bool {
	return t.lines >= 10 && (t.regular*10 >= t.lines*7 || t.split*10 >= t.lines*7)
}

// trim leaves out the parts of characters at the ends of a piece of a line.
func trim(piece []byte) []byte {
	for i := 0; i < utf8.UTFMax && len(piece) > 0 && !utf8.RuneStart(piece[0]); i++ {
		piece = piece[1:]
	}
	for i := 1; i < utf8.UTFMax && i <= len(piece); i++ {
		if at := len(piece) - i; utf8.RuneStart(piece[at]) {
			if !utf8.FullRune(piece[at:]) {
				return piece[:at]
			}
			break
		}
	}
	return piece
}

func (t *checker) sumUp(encoding string) {
	if t.isRecords() {
		t.c.Unknown("records in lines", "text, and tables whose rows have the same fields")
	}
	if t.control > 0 {
		t.c.Block("control-characters", fmt.Sprintf("line %d", t.control), "the text holds NUL or other control characters, as a file of another kind does; correct it")
	}
	if encoding == table.Unknown {
		t.c.Block("unknown-encoding", "", "the text is neither UTF-8 nor CP932, so that it could not be read; convert the file to UTF-8")
		return
	}
	if t.badText > 0 {
		t.c.Block("invalid-text", fmt.Sprintf("line %d", t.badFirst), fmt.Sprintf(
			"%d lines hold bytes that are not %s, so that they could not be read; convert the file to UTF-8", t.badText, encoding))
	}
}

// Transform is refused: no rule can be right for text that nobody understood.
func (Format) Transform(_ context.Context, in source.Source, _ io.Writer, _ *change.Changer) error {
	return models.Errorf(models.Invalid, "%s: free text cannot be transformed; leave it out, or let a person correct it", in.Path)
}
