package scan

import "teikyo/deid/recognise"

// At says where the field stands, for findings: "sheet 2, column C". It returns
// the field.
func (f *Field) At(where string) *Field {
	f.where = where
	return f
}

// Class is what the field holds, by its name or as the format says.
func (f *Field) Class() recognise.Class { return f.class }

// Include adds what was found in a part of the file that was looked at by itself,
// such as an entry of an archive. where stands before every place: "!/data.csv".
func (c *Collector) Include(where string, r Result) {
	for _, col := range r.Columns {
		if len(c.included) < MaxFields {
			col.Name = where + " " + col.Name
			c.included = append(c.included, col)
		}
	}
	for _, f := range r.Findings {
		if f.Location == "" {
			f.Location = where
		} else {
			f.Location = where + ", " + f.Location
		}
		if len(c.findings) < maxFindings {
			c.findings = append(c.findings, f)
		} else if f.Block && !c.more {
			c.more = true
			c.Block("too-many-findings", "", "there are more findings than a report can show; correct these and check again")
		}
	}
	for _, what := range r.NotLookedAt {
		if len(c.notLookedAt) < maxNotLookedAt {
			c.NotLookedAt(what)
		}
	}
	c.Shape.Rows += r.Shape.Rows
}

// The bounds of what Include gathers.
const (
	maxFindings    = 20_000
	maxNotLookedAt = 200
)
