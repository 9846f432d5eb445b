package deid

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"slices"
	"sync"

	"teikyo/deid/change"
	"teikyo/models"
)

//go:embed report.html
var pageFiles embed.FS

// Entry is one file in a page of reports: what the gate said and, after a
// transform, what was changed and what the gate says of the result.
type Entry struct {
	Report  Report
	Changes *change.Changes // nil when nothing was changed
	After   *Report         // of the result
}

// page is parsed once; it is a file of the program.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report.html").Funcs(template.FuncMap{
		"percent": func(ratio float64) int { return int(ratio*100 + 0.5) },
		"blocks":  func(r Report, f models.Finding) bool { return slices.Contains(r.Blocks, f.ID) },
		"shape":   Report.shape,
		"of":      func(title string, r Report) section { return section{title, r} },
	}).ParseFS(pageFiles, "report.html"))
})

// section is one report in a page, with its heading.
type section struct {
	Title  string
	Report Report
}

// WriteHTML writes one page with the reports; it needs nothing from outside and
// runs no script.
func WriteHTML(w io.Writer, entries []Entry) error { return page().Execute(w, entries) }

// JSON is the report alone; after a transform an object with the reports before
// and after it and what was changed.
func (e Entry) JSON() (json.RawMessage, error) {
	before, err := e.Report.JSON()
	if err != nil || e.After == nil {
		return before, err
	}
	after, err := e.After.JSON()
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"path": e.Report.Path, "verdict": e.After.Verdict, "before": json.RawMessage(before), "after": json.RawMessage(after), "changes": e.Changes,
	})
}
