package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/zipfile"
)

// gzip looks into a gzip file. Its header may hold the name of the file and a
// comment; several members follow each other as one file (RFC 1952 2.2).
func (f Format) gzip(ctx context.Context, in source.Source, c *scan.Collector, b *budget) error {
	packed := &erring{r: in.R}
	z, err := gzip.NewReader(bufio.NewReader(packed))
	if err != nil {
		return damaged(c, packed, err)
	}
	i := &inside{check: f.Inner, c: c, in: in, b: b}
	name := inner(in.Path)
	if z.Name != "" && zipfile.PathProblem(z.Name) != "" {
		c.Block(zipfile.RulePath, "", "the name in the header of the gzip file "+zipfile.PathProblem(z.Name))
	} else if z.Name != "" {
		name = z.Name
	}
	c.Field("comments of archives", scan.Kind{Text: true, Keep: true}).Text([]byte(z.Comment), 0)
	err = i.file(ctx, name, &unfolding{b: b, r: contentsErrors{z}, in: func() int64 { return packed.n }})
	return errors.Join(err, packed.err)
}

// maxWindow is how much of what was unfolded a Zstandard file may refer to, bytes.
const maxWindow = 64 << 20

func (f Format) zstd(ctx context.Context, in source.Source, c *scan.Collector, b *budget) error {
	packed := &erring{r: in.R}
	z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return damaged(c, packed, err)
	}
	defer z.Close()
	i := &inside{check: f.Inner, c: c, in: in, b: b}
	err = i.file(ctx, inner(in.Path), &unfolding{b: b, r: contentsErrors{z}, in: func() int64 { return packed.n }})
	return errors.Join(err, packed.err)
}

// damaged says that a packed file cannot be read, unless reading it from where it
// is failed.
func damaged(c *scan.Collector, packed *erring, err error) error {
	if packed.err != nil {
		return packed.err
	}
	c.Block("damaged", "", "the packed file cannot be read: "+err.Error()+"; pack it again")
	return nil
}

// inner is the name of what is in a packed file.
func inner(file string) string {
	name := path.Base(file)
	for _, ext := range []string{".gz", ".tgz", ".zst", ".zstd", ".tzst"} {
		if short, ok := strings.CutSuffix(strings.ToLower(name), ext); ok && short != "" {
			return name[:len(short)]
		}
	}
	return "contents"
}

// tar looks into a tar archive, as it streams by.
func (f Format) tar(ctx context.Context, in source.Source, c *scan.Collector, b *budget) error {
	src := &erring{r: in.R}
	t := &tape{inside: &inside{check: f.Inner, c: c, in: in, b: b}, seen: map[string]bool{}, src: src}
	r := tar.NewReader(src)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return t.trailer(src)
		}
		if err != nil {
			if src.err != nil {
				return src.err
			}
			c.Block("damaged", t.place("after the "+ordinal(t.number)), "the archive cannot be read to its end: "+err.Error()+"; pack it again")
			return nil
		}
		if err := t.entry(ctx, h, r); err != nil {
			return err
		}
	}
}

// erring counts, and remembers an error of the source, so that it is not taken for
// one of the contents.
type erring struct {
	r   io.Reader
	n   int64
	err error
}

func (e *erring) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}
	return n, err
}

// tape is a tar archive.
type tape struct {
	*inside
	seen map[string]bool
	src  *erring
}

// entry looks at one entry.
func (t *tape) entry(ctx context.Context, h *tar.Header, r io.Reader) error {
	refuse := func(rule, msg string) {
		t.c.Block(rule, t.place(h.Name), "the entry "+msg)
	}
	t.owner(h)
	if why := zipfile.PathProblem(strings.TrimPrefix(h.Name, "./")); why != "" && h.Name != "./" {
		refuse(zipfile.RulePath, why)
	}
	same := zipfile.Same(strings.TrimPrefix(h.Name, "./"))
	if t.seen[same] && h.Typeflag != tar.TypeDir {
		refuse(zipfile.RuleDuplicate, "has the name of another entry; programs take different ones")
	}
	if len(t.seen) < t.b.limits.Entries {
		t.seen[same] = true
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		u := &unfolding{b: t.b, r: contentsErrors{r}, in: func() int64 { return t.src.n }}
		return t.file(ctx, strings.TrimPrefix(h.Name, "./"), u)
	case tar.TypeDir:
		t.number++
		t.name(h.Name)
		return t.b.file()
	case tar.TypeXGlobalHeader:
		return nil
	default:
		t.number++
		refuse(zipfile.RuleSymlink, "is a link or a device; put the file itself there")
		return t.b.file()
	}
}

// owner looks at the names of owners and the extra records, which hold whatever
// the maker's program wrote there.
func (t *tape) owner(h *tar.Header) {
	for _, v := range h.PAXRecords {
		t.c.Field("records of tar entries", scan.Kind{Text: true, Keep: true}).Text([]byte(v), int64(t.number+1))
	}
	if h.Uname != "" && h.Uname != "root" && t.number == 0 {
		t.c.Warn("owner-name", "", "the archive names the account of the person who packed it; pack it with --owner=0 --group=0 --numeric-owner")
	}
}

// trailer sees to it that nothing but zeros follows the end.
func (t *tape) trailer(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				t.c.Block(zipfile.RuleHiddenBytes, "", "something follows the end of the tar archive, which programs do not show; pack it again")
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the end of a tar archive: %w", err)
		}
	}
}
