package deid

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"teikyo/deid/recognise"
	"teikyo/deid/rowrisk"
	"teikyo/deid/scan"
	"teikyo/deid/source"
	"teikyo/deid/table"
	"teikyo/models"
)

// Check streams contents once, at constant memory, and reports what it found.
// The contents decide the format, never the path; the path itself is looked at
// too. Check may stop reading early (an unknown format, a broken table): the
// caller drains contents when it needs the rest. An error of contents or ctx is
// returned as it is.
func Check(ctx context.Context, path string, contents io.Reader, p *Profile) (Report, error) {
	return Gate{}.Check(ctx, path, contents, p)
}

// Gate checks files.
type Gate struct {
	Temp   source.Temp // temporary files; nil: for formats that need them, sealed ones in the system's folder
	Limits source.Limits
	Rand   io.Reader // for keys that live as long as one check; nil is crypto/rand
}

// temp makes the temporary files of formats that need random access.
func (g Gate) temp() source.Temp {
	if g.Temp == nil {
		return SealedTemp("", g.random())
	}
	return g.Temp
}

// Check is the function Check with the means of the gate.
func (g Gate) Check(ctx context.Context, path string, contents io.Reader, p *Profile) (Report, error) {
	in, err := source.Of(path, contents, g.temp(), g.Limits)
	if err != nil {
		return Report{}, err
	}
	c := scan.New(p, "")
	rows := rowrisk.ForProfile(p, g.sealer(), g.random())
	defer rows.Close()
	if rows != nil {
		c.Rows = rows
	}
	if err := checkContents(ctx, in, c); err != nil {
		return Report{}, err
	}
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	r := Report{Path: path, Profile: p.Name, ProfileVersion: p.Version, ProfileHash: p.Hash}
	r.take(c.Finish())
	if rows != nil {
		r.measured(rows)
	}
	r.checkPath()
	if p.Nothing {
		r.block(RuleProfileNone, "", "the profile is "+p.Name+": nothing was looked for; ask for a waiver of this finding, or use "+ProfileJP)
	}
	r.close()
	return r, nil
}

// checkContents finds the format and lets it look.
func checkContents(ctx context.Context, in source.Source, c *scan.Collector) error {
	f := formatOf(in.Head)
	switch {
	case len(in.Head) == 0 || len(bytes.Trim(in.Head, " \t\r\n\ufeff")) == 0 && in.Whole():
		c.Shape.Format = "empty"
		c.Block("empty-file", "", "the file is empty; leave it out")
		return nil
	case f == nil:
		c.Unknown(looksLike(in.Head), readable())
		return nil
	}
	c.Shape.Format = f.Name()
	if c.Profile().Nothing {
		c.NotLookedAt("the contents: the profile is " + c.Profile().Name)
		return nil
	}
	c.ForFormat(FormatKey(f.Name()))
	return f.Check(ctx, in, c)
}

// looksLike names what nobody reads, for people.
func looksLike(head []byte) string {
	if name := table.BytesFormat(head[:min(len(head), table.HeadSize)]); name != "" {
		return name
	}
	text, err := table.ReadHead(table.NewDecoder(head, strings.NewReader("")), table.HeadSize)
	if name := table.TextFormat(text); err == nil && name != "" {
		return name
	}
	return "text"
}

// take puts what a collector found into the report.
func (r *Report) take(found scan.Result) {
	r.Format, r.Encoding, r.Delimiter = found.Shape.Format, found.Shape.Encoding, found.Shape.Delimiter
	r.Header, r.Rows, r.Columns, r.NotLookedAt = found.Shape.Header, found.Shape.Rows, found.Columns, found.NotLookedAt
	for _, f := range found.Findings {
		if f.Block {
			r.block(f.Rule, f.Location, f.Msg)
		} else {
			r.warn(f.Rule, f.Location, f.Msg)
		}
	}
}

func (r *Report) block(rule, location, msg string) {
	r.warn(rule, location, msg)
	if id := r.Findings[len(r.Findings)-1].ID; !slices.Contains(r.Blocks, id) {
		r.Blocks = append(r.Blocks, id)
	}
}

func (r *Report) warn(rule, location, msg string) {
	id := findingID(rule, r.Path, location)
	if alwaysBlocks(rule) {
		id = findingID(rule, "")
	}
	r.Findings = append(r.Findings, models.Finding{ID: id, Location: location, Rule: rule, Msg: msg})
}

// close joins findings of one rule at one
// place, puts blocking ones first and derives the verdict.
func (r *Report) close() {
	r.Findings = joinFindings(r.Findings)
	slices.SortStableFunc(r.Findings, func(a, b models.Finding) int { return r.rank(a) - r.rank(b) })
	r.Verdict = verdictOf(*r)
}

func (r *Report) rank(f models.Finding) int {
	if slices.Contains(r.Blocks, f.ID) {
		return 0
	}
	return 1
}

func joinFindings(all []models.Finding) []models.Finding {
	at := map[string]int{}
	var out []models.Finding
	for _, f := range all {
		if i, ok := at[f.ID]; ok {
			if out[i].Msg != f.Msg {
				out[i].Msg += ". Also: " + f.Msg
			}
			continue
		}
		at[f.ID] = len(out)
		out = append(out, f)
	}
	return out
}

// checkPath looks at the name of the file: identifiers block; what may be a
// person's name or date warns.
func (r *Report) checkPath() {
	finder := recognise.NewFinder()
	for _, f := range typed(finder, "path", pathWords(r.Path), r.Path) {
		r.block(f.Rule, f.Location, f.Msg)
	}
	words := strings.Fields(pathWords(r.Path))
	if finder.IsFileName(words) {
		r.warn("person-name", "path", "the path looks like it holds a person's name; rename the file if it does")
	}
	for _, h := range finder.Find(recognise.Fold(nil, []byte(pathWords(r.Path)))) {
		if h.Rule == recognise.OldDate {
			r.warn(string(h.Rule), "path", "the path holds "+scan.RuleWords(h.Rule)+"; rename the file if it is")
		}
	}
}

// pathWords is a path with what separates words in file names as spaces.
func pathWords(path string) string {
	if dot := strings.LastIndexByte(path, '.'); dot > 0 && len(path)-dot <= 6 {
		path = path[:dot]
	}
	return strings.NewReplacer("_", " ", "/", " ", ",", " ").Replace(path)
}

// CheckText looks at words that a person typed: the title or description of a
// dataset, the path of a file. Every finding it returns is a reason to refuse;
// the words are looked at under every profile, because everybody can read them.
func CheckText(field, text string) []models.Finding {
	return typed(recognise.NewFinder(), field, text, "")
}

func typed(finder *recognise.Finder, field, text, path string) []models.Finding {
	folded := recognise.Fold(nil, []byte(text))
	var out []models.Finding
	for _, h := range finder.Find(folded) {
		if h.Rule == recognise.OldDate {
			continue
		}
		out = append(out, models.Finding{
			ID: findingID(string(h.Rule), path, field), Location: field, Rule: string(h.Rule),
			Msg: "the " + field + " holds " + scan.RuleWords(h.Rule) + " (" + recognise.Mask(string(folded[h.Start:h.End])) + "); take it out",
		})
	}
	return joinFindings(out)
}
