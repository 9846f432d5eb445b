package excel

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"

	"teikyo/deid/program"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/table"
	"teikyo/deid/zipfile"
)

// book is one workbook that is being checked.
type book struct {
	c      *scan.Collector
	zip    *zipfile.Archive
	styles *styles
	texts  *texts
	sheets map[string]listed // by part
	fields int
	wide   bool

	damaged  place // cells that refer to nothing
	external place // formulas that read other files
	remote   place // formulas that call out
	pictures int
	binary   int
}

// listed is a sheet as the workbook lists it.
type listed struct {
	number int
	state  string
}

type place struct {
	where string
	line  int64
	count int64
}

func (p *place) add(where string, line int64) {
	if p.count++; p.count == 1 {
		p.where, p.line = where, line
	}
}

func (p *place) String() string { return fmt.Sprintf("%s, row %d", p.where, p.line) }

// IsWorkbook reports whether the archive is an Excel workbook.
func IsWorkbook(a *zipfile.Archive) bool {
	for _, e := range a.Entries {
		if name := strings.ToLower(e.Name); name == "xl/workbook.xml" || name == "xl/workbook.bin" {
			return true
		}
	}
	return false
}

// unpacked is what a workbook may unfold to, bytes.
const unpacked = 8 << 30

// CheckArchive checks the workbook in a. Problems of the archive itself are the
// caller's.
func CheckArchive(ctx context.Context, a *zipfile.Archive, limits source.Limits, c *scan.Collector) error {
	c.ForFormat(Key)
	c.Shape.Format = "Excel"
	b := &book{c: c, zip: a, styles: &styles{from: day1900()}, texts: &texts{}, sheets: map[string]listed{}}
	c.NotLookedAt("pictures, and what drawings and charts show beyond their text")
	if b.isBomb(limits) {
		return ctx.Err()
	}
	if b.entry("xl/workbook.xml") == nil {
		c.Unknown("Excel workbook in binary form (.xlsb)", "the form .xlsx")
		return ctx.Err()
	}
	for _, step := range []func(context.Context) error{b.readWorkbook, b.readLook, b.readParts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.sumUp()
	return ctx.Err()
}

// isBomb compares the sizes of the parts with the limits. The sizes are the
// archive's word, and reading a part ends where its word does.
func (b *book) isBomb(limits source.Limits) bool {
	var packed, size uint64
	most := uint64(min(limits.Expanded, unpacked)) //nolint:gosec // limits are positive
	for _, e := range b.zip.Entries {
		if e.Size > most {
			size = most + 1
			break
		}
		packed, size = packed+e.Packed, size+e.Size
	}
	if size > most || size > 16<<20 && float64(size) > limits.Ratio*float64(packed+1) {
		b.c.Block("archive-bomb", "", fmt.Sprintf(
			"the workbook unfolds to more than can be checked (%d bytes or %.0f times its size); save its sheets as CSV", most, limits.Ratio))
		return true
	}
	return false
}

func (b *book) entry(name string) *zipfile.Entry {
	for _, e := range b.zip.Entries {
		if strings.EqualFold(e.Name, name) && !e.Folder {
			return e
		}
	}
	return nil
}

// with opens a part; a broken one is a finding.
func (b *book) with(e *zipfile.Entry, read func(io.Reader) error) error {
	if e == nil || e.Refused {
		return nil
	}
	r, err := e.Open()
	if err == nil {
		err = read(r)
		_ = r.Close()
	}
	return b.broken(e, err)
}

// broken turns what is wrong with a part into a finding; other errors go on.
func (b *book) broken(e *zipfile.Entry, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errStrings):
		b.c.Block("too-large", "", "the workbook cannot be checked: "+err.Error())
	default:
		b.c.Block("damaged", b.partName(e), "the part cannot be read to its end: "+reason(err)+"; save the workbook again with Excel")
	}
	return nil
}

// partName is the name of a part for reports: names of parts are Excel's, but a
// stranger can give them any.
func (b *book) partName(e *zipfile.Entry) string {
	if b.c.IsIdentifier(path.Base(e.Name)) {
		return "a part"
	}
	return "part " + scan.DisplayName(e.Name)
}

// readWorkbook reads the list of sheets and what stands in the workbook's part.
func (b *book) readWorkbook(ctx context.Context) error {
	targets := map[string]string{}
	err := b.with(b.entry("xl/_rels/workbook.xml.rels"), func(r io.Reader) error {
		return each(ctx, r, func(t xml.StartElement) {
			if t.Name.Local == "Relationship" {
				target := attr(t, "Target")
				if !strings.HasPrefix(target, "/") {
					target = "/xl/" + target
				}
				targets[attr(t, "Id")] = strings.ToLower(strings.TrimPrefix(path.Clean(target), "/"))
			}
		})
	})
	if err != nil {
		return err
	}
	return b.with(b.entry("xl/workbook.xml"), func(r io.Reader) error {
		return each(ctx, r, func(t xml.StartElement) {
			switch t.Name.Local {
			case "workbookPr":
				if v := attr(t, "date1904"); v == "1" || v == "true" {
					b.styles.from = day1904()
				}
			case "sheet":
				b.list(targets[attr(t, "id")], attr(t, "state"))
			case "absPath":
				b.c.Warn("file-path", "xl/workbook.xml", "the workbook remembers the folder that it was saved in, which often holds a user's name; "+
					"let Excel's document inspector remove it")
			}
		})
	})
}

func (b *book) list(part, state string) {
	l := listed{number: len(b.sheets) + 1, state: state}
	if part != "" {
		b.sheets[part] = l
	}
	if state == "hidden" || state == "veryHidden" {
		b.c.Warn("hidden-sheet", fmt.Sprintf("sheet %d", l.number), "the sheet is hidden ("+state+"); it was looked at like the others, "+
			"show it and see whether it belongs to the data")
	}
}

// each calls do with every element of a part.
func each(ctx context.Context, r io.Reader, do func(xml.StartElement)) error {
	p, err := newParser(r)
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		tok, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if t, ok := tok.(xml.StartElement); ok {
			do(t)
		}
	}
}

// readLook reads the formats of cells and the table of texts.
func (b *book) readLook(context.Context) error {
	err := b.with(b.entry("xl/styles.xml"), func(r io.Reader) error {
		s, err := readStyles(r)
		if err != nil {
			return err
		}
		s.from, b.styles = b.styles.from, s
		return nil
	})
	if err != nil {
		return err
	}
	return b.with(b.entry("xl/sharedStrings.xml"), func(r io.Reader) error {
		t, err := readStrings(r, b.phonetic)
		if t != nil {
			b.texts = t
		}
		return err
	})
}

// phonetic looks at the reading of a text, which for a name is the name again.
func (b *book) phonetic(hint []byte) {
	b.c.Field("readings of texts (furigana)", scan.Kind{Text: true, Keep: true}).Text(hint, 0)
}

// readParts looks at every part.
func (b *book) readParts(ctx context.Context) error {
	for _, e := range b.zip.Entries {
		if e.Folder || e.Refused {
			continue
		}
		if err := b.with(e, func(r io.Reader) error { return b.part(ctx, e, r) }); err != nil {
			return err
		}
	}
	return nil
}

// part looks at one part by what it is.
func (b *book) part(ctx context.Context, e *zipfile.Entry, r io.Reader) error {
	name := strings.ToLower(e.Name)
	head, err := table.ReadHead(r, 4<<10)
	if err != nil {
		return err
	}
	whole := io.MultiReader(bytes.NewReader(head), r)
	if b.refused(e, name) {
		return nil
	}
	switch {
	case program.Kind(head) != "":
		b.c.Block("executable-content", b.partName(e), "the part is "+program.Kind(head)+"; take it out")
	case program.IsCompound(head):
		return b.compound(e, whole)
	case name == "xl/sharedstrings.xml" || name == "xl/styles.xml" || strings.HasPrefix(name, "xl/theme/") || name == "xl/calcchain.xml":
		return drain(whole)
	case isPicture(name, head):
		b.pictures++
		return drain(whole)
	case strings.HasSuffix(name, ".rels"):
		return b.links(ctx, e, whole)
	case strings.HasPrefix(name, "xl/worksheets/") && strings.HasSuffix(name, ".xml"):
		return b.sheet(ctx, e, name, whole)
	case strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".vml") || strings.HasSuffix(name, ".svg"):
		return b.words(ctx, e, name, whole)
	case strings.HasPrefix(name, "xl/printersettings/"):
		b.binary++
		return drain(whole)
	default:
		b.c.Block("unknown-part", b.partName(e), "the part is none that Excel writes and was not looked into; take it out of the workbook")
	}
	return nil
}

// isPicture: a picture by its place and its contents.
func isPicture(name string, head []byte) bool {
	if !strings.HasPrefix(name, "xl/media/") && !strings.Contains(name, "thumbnail") {
		return false
	}
	emf := len(head) > 44 && string(head[40:44]) == " EMF" || bytes.HasPrefix(head, []byte("\xd7\xcd\xc6\x9a")) || bytes.HasPrefix(head, []byte("\x01\x00\x09\x00"))
	return emf || strings.HasPrefix(http.DetectContentType(head), "image/") || bytes.HasPrefix(head, []byte("II*\x00")) || bytes.HasPrefix(head, []byte("MM\x00*"))
}

// drain reads to the end, so that size and check sum are compared.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// refusals are parts that no workbook for others may have.
var refusals = []struct{ part, rule, msg string }{
	{"vbaproject", "executable-content", "the workbook holds macros; save it as .xlsx without them"},
	{"/macrosheets/", "executable-content", "the workbook holds macro sheets (Excel 4.0); delete them"},
	{"/dialogsheets/", "executable-content", "the workbook holds dialog sheets; delete them"},
	{"/activex/", "executable-content", "the workbook holds ActiveX controls; delete them"},
	{"/ctrlprops/", "executable-content", "the workbook holds form controls, which can run macros; delete them"},
	{"customui/", "executable-content", "the workbook changes Excel's ribbon, which can run macros; take it out"},
	{"/embeddings/", "embedded-object", "the workbook holds an embedded file, which is not looked into; delete it"},
	{"/externallinks/", "external-link", "the workbook refers to other files and keeps copies of their cells; break the links"},
	{"xl/connections.xml", "external-link", "the workbook has connections to outside data; remove them"},
	{"xl/querytables/", "external-link", "the workbook has queries of outside data; remove them"},
	{"xl/revisions/", "revision-history", "the workbook keeps its old values in a history of changes; stop sharing it and save it again"},
	{"xl/model/", "embedded-object", "the workbook holds a data model, a hidden copy of its source; remove it"},
	{"customdata/", "embedded-object", "the workbook holds hidden data of an add-in; remove it"},
}

func (b *book) refused(e *zipfile.Entry, name string) bool {
	for _, r := range refusals {
		if strings.Contains(name, r.part) && !strings.HasSuffix(name, ".rels") {
			b.c.Block(r.rule, b.partName(e), r.msg)
			return true
		}
	}
	return false
}

func (b *book) compound(e *zipfile.Entry, r io.Reader) error {
	found, err := program.ScanCompound(r)
	if err != nil {
		return err
	}
	if found.Macros || found.Installer {
		b.c.Block("executable-content", b.partName(e), "the part holds macros or an installer; save the workbook without them")
		return nil
	}
	b.c.Block("embedded-object", b.partName(e), "the part is an embedded document, which is not looked into; delete it")
	return nil
}

// links looks at what the parts refer to.
func (b *book) links(ctx context.Context, e *zipfile.Entry, r io.Reader) error {
	return each(ctx, r, func(t xml.StartElement) {
		if t.Name.Local != "Relationship" || !strings.EqualFold(attr(t, "TargetMode"), "External") {
			return
		}
		if strings.HasSuffix(attr(t, "Type"), "/hyperlink") {
			b.c.Field("links", scan.Kind{Text: true, Keep: true}).Text([]byte(attr(t, "Target")), 0)
			return
		}
		b.c.Block("external-link", b.partName(e), "the workbook refers to a file outside itself; remove the link")
	})
}

func (b *book) sheet(ctx context.Context, e *zipfile.Entry, name string, r io.Reader) error {
	l, ok := b.sheets[name]
	where := fmt.Sprintf("sheet %d", l.number)
	if !ok {
		where = b.partName(e)
		b.c.Warn("hidden-sheet", where, "the workbook holds a sheet that it does not list; it was looked at; save the workbook again with Excel")
	}
	p, err := newParser(r)
	if err != nil {
		return err
	}
	s := &sheet{book: b, where: where, part: "sheets", p: p}
	return s.read(ctx)
}

// outward are functions that send to or fetch from somewhere when the workbook is
// opened.
var outward = regexp.MustCompile(`(?i)\b(WEBSERVICE|CALL|REGISTER\.ID|RTD|IMAGE|FILTERXML)\s*\(|^\s*=?\s*(CMD|MSEXCEL|WINWORD|EXCEL)\s*\|`)

// foreign are references to other workbooks: [1]Sheet!A1.
var foreign = regexp.MustCompile(`\[[^\]]+\][^!]*!`)

// formulas looks at the text of a formula; what it shows is the value of the cell.
func (s *sheet) formulas(text []byte, line int64) {
	if len(text) == 0 {
		return
	}
	s.c.Field("formulas", scan.Kind{Text: true, Keep: true}).Text(text, line)
	if outward.Match(text) {
		s.remote.add(s.where, line)
	}
	if foreign.Match(text) {
		s.external.add(s.where, line)
	}
}

// sumUp adds the findings of the whole workbook.
func (b *book) sumUp() {
	if b.damaged.count > 0 {
		b.c.Block("damaged", b.damaged.String(), fmt.Sprintf("%d cells refer to texts that are not there; save the workbook again with Excel", b.damaged.count))
	}
	if b.external.count > 0 {
		b.c.Block("external-link", b.external.String(), fmt.Sprintf("%d formulas read other workbooks; paste their values", b.external.count))
	}
	if b.remote.count > 0 {
		b.c.Block("executable-content", b.remote.String(), fmt.Sprintf("%d formulas call something outside the workbook; paste their values", b.remote.count))
	}
	if b.pictures > 0 {
		b.c.Warn("pictures", "", fmt.Sprintf("the workbook holds %d pictures, which were not looked at; see that they show nobody and no names", b.pictures))
	}
	if b.binary > 0 {
		b.c.NotLookedAt(fmt.Sprintf("%d parts of the workbook that are neither text nor pictures, such as settings of printers", b.binary))
	}
	if b.wide {
		b.c.Block("too-many-fields", "", "the workbook has more than 10,000 columns; those beyond were looked at together")
	}
}

// person is a field that holds the name of somebody who worked on the workbook.
func (b *book) person(field string, v []byte) {
	if isProgram(v) {
		return
	}
	b.c.Field(field, scan.Kind{Class: recognise.PersonName, Known: true}).Value(v, 0)
}

// programs are what libraries and fresh installations write as the author.
var programs = []string{"openpyxl", "xlsxwriter", "xuri", "excelize", "apache poi", "microsoft office user", "microsoft office ユーザー", "microsoft excel",
	"r", "sas", "user", "owner", "author", "admin", "administrator", "libreoffice", "system", "サンプル"}

func isProgram(v []byte) bool {
	name := strings.ToLower(strings.TrimSpace(string(v)))
	for _, p := range programs {
		if p == name {
			return true
		}
	}
	return name == ""
}
