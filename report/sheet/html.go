package sheet

import (
	"bufio"
	"embed"
	"html"
	"html/template"
	"io"
	"strconv"
)

//go:embed head.html foot.html
var files embed.FS

// writeHTML writes a document for the printer: a head with the facts, the table
// whose head is repeated on every page, notes, totals and lines to sign on.
func (s Sheet[T]) writeHTML(w io.Writer, lang Lang) error {
	pages, err := template.ParseFS(files, "*.html")
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 32<<10)
	if err := pages.ExecuteTemplate(out, "head.html", s.headView(lang)); err != nil {
		return err
	}
	n := 0
	for row, err := range s.Rows {
		if err != nil {
			return err
		}
		n++
		if err := s.writeRow(out, row, lang); err != nil {
			return err
		}
	}
	if err := pages.ExecuteTemplate(out, "foot.html", s.footView(lang, n)); err != nil {
		return err
	}
	return out.Flush()
}

// writeRow goes past the template, which is slow: there may be 100,000 rows.
func (s Sheet[T]) writeRow(out *bufio.Writer, row T, lang Lang) error {
	out.WriteString("<tr>")
	for _, p := range s.Prints {
		out.WriteString("<td>")
		for i, line := range p.Lines(row, lang) {
			if line == "" {
				continue
			}
			tag := "small"
			if i == 0 {
				tag = "b"
			}
			out.WriteString("<" + tag + ">" + html.EscapeString(line) + "</" + tag + ">")
		}
		out.WriteString("</td>")
	}
	_, err := out.WriteString("</tr>\n")
	return err
}

type factView struct{ Label, Value string }

type headView struct {
	Lang, Title, Issuer string
	Facts               []factView
	Heads               []columnView
}

type columnView struct {
	Label string
	Width template.HTMLAttr // style, made of a number
}

func (s Sheet[T]) headView(lang Lang) headView {
	v := headView{Lang: string(lang), Title: s.Title.In(lang), Issuer: s.Issuer, Facts: factViews(s.Facts, lang)}
	for _, p := range s.Prints {
		v.Heads = append(v.Heads, columnView{p.Label.In(lang), template.HTMLAttr(`style="width:` + strconv.Itoa(p.Width) + `%"`)})
	}
	return v
}

type footView struct {
	Columns                    int
	Empty                      string // said in place of rows
	Totals                     []factView
	Notes                      []string
	NotesHead, Date, Signature string
	Signatures                 []string
}

func (s Sheet[T]) footView(lang Lang, rows int) footView {
	v := footView{
		Columns: len(s.Prints), Totals: factViews(s.totals(), lang),
		NotesHead: Words{"Notes", "備考"}.In(lang), Date: Words{"Date", "日付"}.In(lang),
		Signature: Words{"Name and signature", "氏名・署名又は押印"}.In(lang),
	}
	count := Fact{Label: Words{"Rows", "件数"}, Value: Same(strconv.Itoa(rows))}
	v.Totals = append(factViews([]Fact{count}, lang), v.Totals...)
	if next := s.next(); next != "" {
		v.Totals = append(v.Totals, factView{Words{"More rows follow", "続きあり"}.In(lang), next})
	}
	if rows == 0 {
		v.Empty = Words{"Nothing to report.", "該当なし"}.In(lang)
	}
	for _, note := range s.Notes {
		v.Notes = append(v.Notes, note.In(lang))
	}
	for _, who := range s.Signatures {
		v.Signatures = append(v.Signatures, who.In(lang))
	}
	return v
}

func factViews(facts []Fact, lang Lang) []factView {
	views := make([]factView, len(facts))
	for i, f := range facts {
		views[i] = factView{f.Label.In(lang), f.Value.In(lang)}
	}
	return views
}
