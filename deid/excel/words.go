package excel

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"teikyo/deid/scan"
	"teikyo/deid/zipfile"
)

// people are elements and attributes that hold the name of a person who worked on
// the workbook: document properties (ECMA-376 part 2, 11), authors of comments,
// and the list of people of threaded comments.
var people = map[string]string{
	"creator": "properties.creator", "lastModifiedBy": "properties.lastModifiedBy", "Manager": "properties.manager",
	"author": "comments.author", "displayName": "comments.person", "userName": "properties.userName", "lastSavedBy": "properties.lastModifiedBy",
}

// spoken are attributes that people write or that hold copies of cells.
var spoken = map[string]bool{
	"name": true, "caption": true, "title": true, "descr": true, "prompt": true, "promptTitle": true, "error": true, "errorTitle": true,
	"display": true, "tooltip": true, "v": true, "val": true, "text": true, "alt": true, "string": true, "url": true, "comment": true,
	"description": true, "oddHeader": true, "localName": true, "displayName": true, "userId": true, "altText": true, "location": true,
}

// words looks at all text of a part that is no sheet.
func (b *book) words(ctx context.Context, e *zipfile.Entry, name string, r io.Reader) error {
	p, err := newParser(r)
	if err != nil {
		return err
	}
	w := &wording{book: b, field: fieldOf(name), pivot: strings.HasPrefix(name, "xl/pivotcache/")}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		tok, err := p.next()
		if errors.Is(err, io.EOF) {
			w.end()
			return nil
		}
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			w.open(t)
		case xml.EndElement:
			w.close(t)
		case xml.CharData:
			w.text(t)
		}
	}
}

// fieldOf names the field that a part's text goes to.
func fieldOf(name string) string {
	switch {
	case strings.HasPrefix(name, "docprops/"):
		return "properties"
	case strings.Contains(name, "comments"), strings.HasPrefix(name, "xl/persons/"):
		return "comments"
	case strings.HasPrefix(name, "xl/pivot"):
		return "pivot tables"
	case strings.HasPrefix(name, "xl/drawings/"), strings.HasPrefix(name, "xl/charts/"), strings.HasPrefix(name, "xl/diagrams/"):
		return "drawings and charts"
	case strings.HasPrefix(name, "customxml/"):
		return "custom XML"
	case name == "xl/workbook.xml":
		return "names of sheets and ranges"
	}
	return "other parts"
}

// wording looks at the text of one part.
type wording struct {
	*book
	field   string
	pivot   bool
	element string
	column  *scan.Field // of a pivot table's source
	custom  string      // name of a custom property
	run     []byte      // text that a comment or drawing splits into runs
}

func (w *wording) open(t xml.StartElement) {
	w.element = t.Name.Local
	switch {
	case w.element == "cacheField":
		w.column = w.c.Field("pivot source "+scan.DisplayName(attr(t, "name")), scan.Kind{Class: w.c.ClassOf(attr(t, "name"))})
	case w.pivot && w.column != nil && (w.element == "s" || w.element == "n" || w.element == "d"):
		w.column.Value([]byte(attr(t, "v")), 0)
		return
	case w.element == "property":
		w.custom = attr(t, "name")
	}
	if w.pivot && w.element == "pivotCacheRecords" {
		w.c.Warn("pivot-copy", "", "a pivot table keeps a copy of its source in the workbook; it was looked at; delete the pivot table if the copy is not meant")
	}
	w.attributes(w.field, t)
}

// attributes looks at the attributes of an element that people write.
func (b *book) attributes(field string, t xml.StartElement) {
	for _, a := range t.Attr {
		switch {
		case len(a.Value) < 2:
		case people[a.Name.Local] != "" && (t.Name.Local == "person" || t.Name.Local == "comment" || a.Name.Local == "userName"):
			b.person(people[a.Name.Local], []byte(a.Value))
		case a.Name.Local == "refreshedBy":
			b.person("properties.refreshedBy", []byte(a.Value))
		case spoken[a.Name.Local]:
			b.loose(field, []byte(a.Value))
		}
	}
}

// labels are fields of short words that every workbook has.
var labels = map[string]bool{"properties": true, "names of sheets and ranges": true, "sheets": true, "other parts": true}

// loose looks at text outside cells.
func (b *book) loose(field string, v []byte) {
	if v = bytes.TrimSpace(v); len(v) >= 2 {
		b.c.Field(field, scan.Kind{Text: true, Keep: labels[field]}).Text(v, 0)
	}
}

// text gathers what is split into runs and looks at the rest at once.
func (w *wording) text(v []byte) {
	switch {
	case people[w.element] != "" && len(bytes.TrimSpace(v)) > 0:
		w.person(people[w.element], v)
	case w.custom != "" && len(bytes.TrimSpace(v)) > 0:
		w.c.Field("property "+scan.DisplayName(w.custom), scan.Kind{Class: w.c.ClassOf(w.custom)}).Value(bytes.TrimSpace(v), 0)
	case w.element == "t" && len(w.run)+len(v) <= maxToken:
		w.run = append(w.run, v...)
	default:
		w.loose(w.field, v)
	}
}

// close ends runs where a comment, a paragraph or a text ends.
func (w *wording) close(t xml.EndElement) {
	switch t.Name.Local {
	case "p", "text", "comment", "si", "txBody":
		w.end()
	case "cacheField":
		w.column = nil
	case "property":
		w.custom = ""
	}
	w.element = ""
}

func (w *wording) end() {
	w.loose(w.field, w.run)
	w.run = w.run[:0]
}
