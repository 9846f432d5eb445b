package profile

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"teikyo/deid/recognise"
	"teikyo/models"
)

// FormVersion is the version of the form of the documents; a document names it
// in its first line: `teikyo_profile: 1`.
const FormVersion = 1

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	versionForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.\-]{0,31}$`)
)

// Parse reads one document. It is strict: an unknown name, a value of the wrong
// kind, a name that comes twice is an error with its line. The error is a
// *models.Error of kind invalid that lists all of them.
func Parse(doc []byte) (*Profile, error) { return parse([]part{{"", doc}}, Shipped) }

// part is one file of a profile that consists of several.
type part struct {
	file string
	text []byte
}

// parse joins the parts: the first is the profile itself, the others hold
// formats only. shipped finds what the profile extends; nil when it may not.
func parse(parts []part, shipped func(name string) (*Profile, error)) (*Profile, error) {
	p := &Profile{}
	for i, one := range parts {
		r := &reader{file: one.file, shipped: shipped}
		if root := r.document(one.text); root != nil && i == 0 {
			p = r.profile(root)
		} else if root != nil {
			r.fields(root, map[string]func(*yaml.Node){"formats": r.formats(p)})
		}
		if err := r.err(); err != nil {
			return nil, models.Errorf(models.Invalid, "the profile cannot be used; correct it:\n%v", err)
		}
	}
	hash, err := p.hash()
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the profile has no canonical form")
	}
	p.Hash = hash
	return p, nil
}

// document is the only document of text.
func (r *reader) document(text []byte) *yaml.Node {
	if len(text) > maxDocument {
		r.bad(&yaml.Node{Line: 1}, "the document is larger than %d bytes", maxDocument)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil || len(doc.Content) != 1 {
		if err == nil || errors.Is(err, io.EOF) {
			r.bad(&yaml.Node{Line: 1}, "the document is empty")
			return nil
		}
		r.errs = append(r.errs, err) // yaml says the line itself
		return nil
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		r.bad(&second, "there is more than one document in the file")
		return nil
	}
	return doc.Content[0]
}

// profile reads the main part. What it does not say is what the profile that it
// extends says, jp-policy's thresholds without one.
func (r *reader) profile(root *yaml.Node) *Profile {
	p := &Profile{Thresholds: defaultThresholds(), AgeCap: 90}
	if base := r.base(root); base != nil {
		p = base.clone()
		p.Name, p.Version, p.Title = "", "", ""
	}
	form, ignored := 0, ""
	r.fields(root, map[string]func(*yaml.Node){
		"teikyo_profile":    number(r, &form, FormVersion, FormVersion),
		"extends":           r.text(&ignored),
		"name":              r.text(&p.Name),
		"version":           r.text(&p.Version),
		"title":             r.text(&p.Title),
		"nothing":           r.flag(&p.Nothing),
		"thresholds":        r.thresholds(&p.Thresholds),
		"age_cap":           number(r, &p.AgeCap, 1, 130),
		"age_blocks":        r.flag(&p.AgeBlocks),
		"dates":             r.oneOf(&p.Dates, "any", DatesYear),
		"columns":           r.columns(p),
		"formats":           r.formats(p),
		"quasi_identifiers": r.list(&p.QuasiIdentifiers, "name of a column", isName),
		"sensitive":         r.list(&p.Sensitive, "name of a column", isName),
		"zip3":              r.zip3(&p.Zip3),
		"risk":              r.risk(&p.Risk),
	})
	if p.Dates == "any" {
		p.Dates = DatesAny
	}
	if len(r.errs) > 0 {
		return p
	}
	switch {
	case form == 0:
		r.bad(root, "the line \"teikyo_profile: %d\" is missing", FormVersion)
	case !nameForm.MatchString(p.Name) || len(p.Name) > 64:
		r.bad(root, "the profile needs a name of small letters, digits and dashes (name: …)")
	case !versionForm.MatchString(p.Version):
		r.bad(root, "the profile needs a version of letters, digits, dots and dashes (version: …)")
	}
	return p
}

func isName(s string) bool { return s != "" && len(s) <= 200 }

// base is the profile that root extends, nil when there is none.
func (r *reader) base(root *yaml.Node) *Profile {
	if root.Kind != yaml.MappingNode || r.shipped == nil {
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "extends" {
			continue
		}
		base, err := r.shipped(root.Content[i+1].Value)
		if err != nil {
			r.bad(root.Content[i+1], "%v", err)
			return nil
		}
		return base
	}
	return nil
}

func (p *Profile) clone() *Profile {
	c := *p
	c.Columns = maps.Clone(p.Columns)
	c.Formats = map[string]Format{}
	for name, f := range p.Formats {
		c.Formats[name] = Format{Default: f.Default, Fields: maps.Clone(f.Fields)}
	}
	return &c
}

func defaultThresholds() Thresholds {
	return Thresholds{
		BlockRatio: 0.8, NamedRatio: 0.3, WarnRatio: 0.05, WeakWarnRatio: 0.3, MinValues: 10,
		SampleValues: 1024, FullRows: 20_000, SampleEvery: 8,
	}
}

func (r *reader) thresholds(t *Thresholds) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.fields(n, map[string]func(*yaml.Node){
			"block_ratio":     r.ratio(&t.BlockRatio),
			"named_ratio":     r.ratio(&t.NamedRatio),
			"warn_ratio":      r.ratio(&t.WarnRatio),
			"weak_warn_ratio": r.ratio(&t.WeakWarnRatio),
			"min_values":      number(r, &t.MinValues, 1, 1_000_000),
			"sample_values":   number(r, &t.SampleValues, 64, 1<<16),
			"full_rows":       number(r, &t.FullRows, 0, 1<<40),
			"sample_every":    number(r, &t.SampleEvery, 1, 1<<20),
		})
	}
}

func (r *reader) columns(p *Profile) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if p.Columns == nil {
			p.Columns = map[recognise.Class]Rule{}
		}
		r.entries(n, func(key, value *yaml.Node) {
			class := recognise.Class(key.Value)
			if !slices.Contains(recognise.Classes(), class) {
				r.bad(key, "%q is no class of columns; the classes are in the schema", key.Value)
				return
			}
			if rule, ok := r.rule(value); ok {
				p.Columns[class] = rule
			}
		})
	}
}

func (r *reader) formats(p *Profile) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if p.Formats == nil {
			p.Formats = map[string]Format{}
		}
		r.entries(n, func(key, value *yaml.Node) {
			if !nameForm.MatchString(key.Value) {
				r.bad(key, "%q is no name of a format", key.Value)
				return
			}
			f := p.Formats[key.Value]
			if f.Fields == nil {
				f.Fields = map[string]Rule{}
			}
			r.fields(value, map[string]func(*yaml.Node){
				"default": r.oneOf(&f.Default, actionNames()...),
				"fields": func(n *yaml.Node) {
					r.entries(n, func(key, value *yaml.Node) {
						if rule, ok := r.rule(value); ok {
							f.Fields[key.Value] = rule
						}
					})
				},
			})
			p.Formats[key.Value] = f
		})
	}
}

func actionNames() []string {
	var out []string
	for _, a := range Actions() {
		out = append(out, string(a))
	}
	return out
}

// rule reads an action alone, or a group with its parameters.
func (r *reader) rule(n *yaml.Node) (Rule, bool) {
	before := len(r.errs)
	var rule Rule
	action := ""
	set := r.oneOf(&action, actionNames()...)
	if n.Kind == yaml.ScalarNode {
		set(n)
	} else {
		r.fields(n, map[string]func(*yaml.Node){
			"action": set,
			"cap":    number(r, &rule.Cap, 1, 1_000_000_000),
			"domain": r.text(&rule.Domain),
			"digits": r.flag(&rule.Digits),
			"width":  number(r, &rule.Width, 1, 1_000_000_000),
			"days":   number(r, &rule.Days, 1, 36_500),
			"groups": r.texts(&rule.Groups),
			"other":  r.text(&rule.Other),
		})
		if action == "" && len(r.errs) == before {
			r.bad(n, "the rule has no action")
		}
	}
	rule.Action = Action(action)
	return rule, len(r.errs) == before
}

func (r *reader) zip3(z *Zip3) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.fields(n, map[string]func(*yaml.Node){
			"as_of": func(n *yaml.Node) {
				if s, ok := r.scalar(n); ok {
					if _, err := time.Parse(time.DateOnly, s); err != nil {
						r.bad(n, "%q is no day like 2020-04-01", s)
						return
					}
					z.AsOf = s
				}
			},
			"restricted": r.list(&z.Restricted, "three digits", isPrefix),
			"known":      r.list(&z.Known, "three digits", isPrefix),
		})
	}
}

func isPrefix(s string) bool {
	return len(s) == 3 && s[0]-'0' < 10 && s[1]-'0' < 10 && s[2]-'0' < 10
}

func (r *reader) risk(k *Risk) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.fields(n, map[string]func(*yaml.Node){
			"k":            number(r, &k.K, 1, 1_000_000),
			"l":            number(r, &k.L, 1, 1_000_000),
			"max_below_k":  r.ratio(&k.MaxBelowK),
			"prosecutor":   r.ratio(&k.Prosecutor),
			"journalist":   r.ratio(&k.Journalist),
			"marketer":     r.ratio(&k.Marketer),
			"small_cells":  number(r, &k.SmallCells, 1, 1_000_000),
			"on_excess":    r.oneOf(&k.OnExcess, "report", "warn", "block"),
			"suppression":  r.flag(&k.Suppression),
			"population":   number(r, &k.Population, 1, 1<<40),
			"max_memory":   number(r, &k.MaxMemory, 1<<20, 1<<40),
			"max_distinct": number(r, &k.MaxDistinct, 1, 1<<40),
		})
	}
}
