package deid

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"teikyo/deid/recognise"
	"teikyo/deid/table"
	"teikyo/models"
)

// Check streams contents once, at constant memory, and reports what it found.
// The contents decide the format, never the path; the path itself is looked at
// too. Check may stop reading early (an unknown format, a broken table): the
// caller drains contents when it needs the rest. An error of contents or ctx is
// returned as it is.
func Check(ctx context.Context, path string, contents io.Reader, p Profile) (Report, error) {
	r := Report{Path: path, Profile: p.Name}
	s := newScanner(p)
	err := s.checkContents(ctx, &r, contents)
	if err != nil {
		return Report{}, err
	}
	s.checkPath(&r)
	r.close()
	return r, nil
}

func (s *scanner) checkContents(ctx context.Context, r *Report, contents io.Reader) error {
	raw, err := table.ReadHead(contents, table.HeadSize)
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		r.empty()
		return ctx.Err()
	}
	if r.Format = table.BytesFormat(raw); r.Format != "" {
		r.unknown()
		return ctx.Err()
	}
	dec := table.NewDecoder(raw, contents)
	head, err := table.ReadHead(dec, table.HeadSize)
	if err != nil {
		return err
	}
	r.Encoding = dec.Encoding()
	switch r.Format = table.TextFormat(head); r.Format {
	case "":
	case "empty":
		r.empty()
		return ctx.Err()
	default:
		r.unknown()
		return ctx.Err()
	}
	return s.checkText(ctx, r, dec, head)
}

// checkText goes on with what may be a table.
func (s *scanner) checkText(ctx context.Context, r *Report, dec *table.Decoder, head []byte) error {
	head, dialect, ok, err := table.DetectFrom(dec, head)
	if err != nil {
		return err
	}
	if !ok || len(dialect.Rows) == 1 && !dialect.Cut && !(&tabular{scanner: s}).isHeader(dialect.Rows) {
		r.Format = "text"
		r.unknown()
		return ctx.Err()
	}
	r.Format, r.Delimiter = "CSV", string(dialect.Delimiter)
	if dialect.Delimiter == '\t' {
		r.Format = "TSV"
	}
	if s.profile.Name == ProfileNone {
		r.NotLookedAt = append(r.NotLookedAt, "the contents: the profile is none")
		return ctx.Err()
	}
	if dialect.Cut {
		r.block("row-too-long", "line 1", "the first row is longer than 4 MiB, so that its names of columns could not be read; correct the file")
	}
	sc := table.NewScanner(io.MultiReader(bytes.NewReader(head), dec), dialect.Delimiter)
	if err := checkTable(ctx, r, dialect, sc, s); err != nil {
		return err
	}
	if r.Encoding = dec.Encoding(); r.Encoding == table.Unknown {
		r.block("unknown-encoding", "", "the text is neither UTF-8 nor CP932, so that names of columns and text could not be read; "+
			"convert the file to UTF-8")
	}
	return nil
}

// empty marks a file without contents: nothing was looked at, so it cannot pass.
func (r *Report) empty() {
	r.Format = "empty"
	r.block("empty-file", "", "the file is empty; leave it out")
}

// unknown marks a format that the gate does not read.
func (r *Report) unknown() {
	r.NotLookedAt = append(r.NotLookedAt, "the contents: "+r.Format+" is not read by the gate")
	r.block(RuleUnknownFormat, "", "the gate reads CSV and TSV; this looks like "+r.Format+
		" and was not looked into; convert it, or ask for a waiver of this finding for these contents")
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

// close adds the finding of the profile none, joins findings of one rule at one
// place, puts blocking ones first and derives the verdict.
func (r *Report) close() {
	if r.Profile == ProfileNone {
		r.block(RuleProfileNone, "", "the profile is none: nothing was looked for; ask for a waiver of this finding, or use "+ProfileJP)
	}
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
			out[i].Msg += ". Also: " + f.Msg
			continue
		}
		at[f.ID] = len(out)
		out = append(out, f)
	}
	return out
}

// checkPath looks at the name of the file: identifiers block; what may be a
// person's name or date warns.
func (s *scanner) checkPath(r *Report) {
	for _, f := range s.typed("path", pathWords(r.Path), r.Path) {
		r.block(f.Rule, f.Location, f.Msg)
	}
	words := strings.Fields(pathWords(r.Path))
	if s.finder.IsFileName(words) {
		r.warn("person-name", "path", "the path looks like it holds a person's name; rename the file if it does")
	}
	for _, h := range s.finder.Find(recognise.Fold(nil, []byte(pathWords(r.Path)))) {
		if h.Rule == recognise.OldDate {
			r.warn(string(h.Rule), "path", "the path holds "+ruleWords[h.Rule]+"; rename the file if it is")
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
func CheckText(field, text string, p Profile) []models.Finding {
	return newScanner(p).typed(field, text, "")
}

func (s *scanner) typed(field, text, path string) []models.Finding {
	folded := recognise.Fold(nil, []byte(text))
	var out []models.Finding
	for _, h := range s.finder.Find(folded) {
		if h.Rule == recognise.OldDate {
			continue
		}
		out = append(out, models.Finding{
			ID: findingID(string(h.Rule), path, field), Location: field, Rule: string(h.Rule),
			Msg: "the " + field + " holds " + ruleWords[h.Rule] + " (" + recognise.Mask(string(folded[h.Start:h.End])) + "); take it out",
		})
	}
	return joinFindings(out)
}
