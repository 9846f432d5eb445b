package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"teikyo/deid/change"
	"teikyo/deid/excel"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/zipfile"
	"teikyo/models"
)

// Format is archives and packed files.
type Format struct {
	Inner Inner // checks what is inside
}

// Name is the name of the format.
func (Format) Name() string { return "archive" }

// Detect reports whether head begins an archive or a packed file.
func (Format) Detect(head []byte) bool { return kindOf(head) != nil }

// kind reads one kind of archive.
type kind struct {
	name string
	read func(Format, context.Context, source.Source, *scan.Collector, *budget) error
}

func kindOf(head []byte) *kind {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return &kind{"ZIP", Format.zip}
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return &kind{"gzip", Format.gzip}
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")), isSkippable(head):
		return &kind{"Zstandard", Format.zstd}
	case isTar(head):
		return &kind{"tar", Format.tar}
	}
	return nil
}

// isSkippable: a frame of Zstandard that readers pass over (RFC 8878 3.1.2).
func isSkippable(head []byte) bool {
	return len(head) > 8 && head[0]&0xF0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// isTar: the magic of POSIX and GNU, or a header of the first tar whose check sum
// is right.
func isTar(head []byte) bool {
	if len(head) < 512 {
		return false
	}
	if string(head[257:262]) == "ustar" {
		return true
	}
	want, digits := 0, strings.Trim(string(head[148:156]), " \x00")
	for _, d := range digits {
		if d < '0' || d > '7' {
			return false
		}
		want = want*8 + int(d-'0')
	}
	sum := 8 * int(' ')
	for i, c := range head[:512] {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	return digits != "" && sum == want && head[0] != 0
}

// Check looks at everything inside.
func (f Format) Check(ctx context.Context, in source.Source, c *scan.Collector) error {
	k := kindOf(in.Head)
	if k == nil {
		c.Unknown("an archive", "ZIP, tar, gzip and Zstandard")
		return nil
	}
	c.Shape.Format = k.name
	ctx, b, leave := enter(ctx, in.Limits)
	defer leave()
	err := b.spent
	if err == nil {
		err = k.read(f, ctx, in, c, b)
	}
	if b.spent != nil && errors.Is(err, b.spent) {
		if b.depth > 1 {
			return err // said once, by the outermost archive
		}
		rule, msg := b.message()
		c.NotLookedAt("what is inside the archive beyond the limit")
		c.Block(rule, "", msg)
		return nil
	}
	return err
}

// zip looks into a ZIP archive, or a workbook that is one.
func (f Format) zip(ctx context.Context, in source.Source, c *scan.Collector, b *budget) error {
	file, size, release, err := in.Spill(ctx)
	if err != nil {
		return err
	}
	defer release()
	a, err := zipfile.Open(file, size, zipfile.Limits{Entries: in.Limits.Entries})
	if errors.Is(err, zipfile.ErrFormat) {
		c.Block("damaged", "", "the archive cannot be read: "+err.Error()+"; pack it again")
		return nil
	}
	if err != nil {
		return err
	}
	i := &inside{check: f.Inner, c: c, in: in, b: b}
	for _, p := range a.Problems {
		place := ""
		if p.Entry != "" {
			place = i.place(p.Entry)
		}
		c.Block(p.Rule, place, subject(p.Entry)+p.Msg)
	}
	switch {
	case excel.IsWorkbook(a):
		return excel.CheckArchive(ctx, a, in.Limits, c)
	case isJar(a):
		c.Block("executable-content", "", "the archive is a Java program (.jar) or a package that installs one; leave it out")
		return nil
	case isOffice(a):
		c.Unknown("Office document (Word or PowerPoint)", "Excel workbooks (.xlsx) and text")
		return f.macros(a, c)
	}
	c.Field("comments of archives", scan.Kind{Text: true, Keep: true}).Text(a.Comment, 0)
	return i.zipEntries(ctx, a)
}

// subject begins a message about an entry.
func subject(entry string) string {
	if entry == "" {
		return ""
	}
	return "the entry "
}

func has(a *zipfile.Archive, names ...string) bool {
	for _, e := range a.Entries {
		for _, n := range names {
			if strings.EqualFold(e.Name, n) {
				return true
			}
		}
	}
	return false
}

func isJar(a *zipfile.Archive) bool {
	return has(a, "META-INF/MANIFEST.MF", "AndroidManifest.xml", "AppxManifest.xml", "extension.vsixmanifest")
}

func isOffice(a *zipfile.Archive) bool { return has(a, "[Content_Types].xml") || has(a, "mimetype") }

// macros refuses Office documents with macros, which no waiver of the unknown
// format should let through unseen.
func (f Format) macros(a *zipfile.Archive, c *scan.Collector) error {
	for _, e := range a.Entries {
		name := strings.ToLower(e.Name)
		if strings.Contains(name, "vbaproject") || strings.Contains(name, "activex") || strings.HasPrefix(name, "basic/") || strings.HasPrefix(name, "scripts/") {
			c.Block("executable-content", "", "the document holds macros or controls; save it without them")
			return nil
		}
	}
	return nil
}

func (i *inside) zipEntries(ctx context.Context, a *zipfile.Archive) error {
	for _, e := range a.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.Folder || e.Refused {
			i.number++
			i.name(e.Name)
			continue
		}
		if err := i.zipEntry(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (i *inside) zipEntry(ctx context.Context, e *zipfile.Entry) error {
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	packed := int64(e.Packed) //nolint:gosec // at most the size of the archive
	u := &unfolding{b: i.b, r: contentsErrors{r}, in: func() int64 { return packed }}
	return i.file(ctx, e.Name, u)
}

// contentsErrors marks errors of contents.
type contentsErrors struct{ r io.Reader }

func (c contentsErrors) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errContents{err}
	}
	return n, err
}

// Transform is refused: archives are checked only.
func (Format) Transform(_ context.Context, in source.Source, _ io.Writer, _ *change.Changer) error {
	return models.Errorf(models.Invalid, "%s: archives are checked but not transformed; unpack it and apply the profile to the files", in.Path)
}
