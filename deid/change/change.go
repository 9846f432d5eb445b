// Package change is how a transform changes values: what each action of a
// profile does with one value, under which key, and how often it did. The
// readers of formats take values out of files and put the changed ones back.
package change

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strconv"

	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/models"
)

// Keys are the keys of the domains in which pseudonyms are stable.
type Keys interface {
	// Key is the key of a domain, 32 bytes.
	Key(ctx context.Context, domain string) ([]byte, error)
}

// Objections are the people whose records are left out.
type Objections interface {
	// Left reports whether the person with this key in the source objected.
	Left(ctx context.Context, sourceKey []byte) bool
}

// Changer changes the values of one file after another. It is not safe for
// concurrent use.
type Changer struct {
	ctx        context.Context // a Changer lives as long as one run
	profile    *profile.Profile
	objections Objections
	keys       map[string][]byte
	domain     string
	person     []byte
	fields     []*Field
	byName     map[string]*Field
	rows, left int64
}

// New makes a Changer for one run. domain is the domain of rules that name
// none; keys may be nil when the profile neither rekeys nor shifts. objections
// may be nil.
func New(ctx context.Context, p *profile.Profile, keys Keys, objections Objections, domain string) (*Changer, error) {
	t := &Changer{ctx: ctx, profile: p, objections: objections, keys: map[string][]byte{}, domain: domain, byName: map[string]*Field{}}
	for _, d := range domains(p, domain) {
		if keys == nil {
			return nil, models.Errorf(models.Invalid, "the profile %s makes pseudonyms; name their domain and a file with its key (--domain NAME --keys FILE), "+
				"or have a key made that is forgotten at the end (--domain NAME --destroy-key)", p.Name)
		}
		key, err := keys.Key(ctx, d)
		if err != nil {
			return nil, err
		}
		if len(key) != 32 {
			return nil, models.Errorf(models.Internal, "the key of the domain %q has not 32 bytes", d)
		}
		t.keys[d] = key
	}
	return t, nil
}

// domains are the domains that the rules of p use.
func domains(p *profile.Profile, run string) []string {
	var out []string
	add := func(r profile.Rule) {
		if r.Action != profile.Rekey && r.Action != profile.Shift {
			return
		}
		d := r.Domain
		if d == "" {
			d = run
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	for _, r := range p.Columns {
		add(r)
	}
	for _, f := range p.Formats {
		add(profile.Rule{Action: profile.Action(f.Default)})
		for _, r := range f.Fields {
			add(r)
		}
	}
	slices.Sort(out)
	return out
}

// Profile is the profile of the run.
func (t *Changer) Profile() *profile.Profile { return t.profile }

// Field is one field of a format that is changed by one rule.
type Field struct {
	t             *Changer
	Format, Name  string
	Class         recognise.Class
	Rule          profile.Rule
	seen, changed int64
	unread        int64 // values that the action could not read, which were emptied
	out           []byte
	folded        []byte
	mac           func(v []byte) []byte
}

// Field gets or makes the field of a format. The rule is that of the profile
// for the name, else for the class, else fallback: the format's own cautious
// default.
func (t *Changer) Field(format, name string, class recognise.Class, fallback profile.Rule) *Field {
	id := format + "\x00" + name
	if f, ok := t.byName[id]; ok {
		return f
	}
	f := &Field{t: t, Format: format, Name: name, Class: class, Rule: fallback}
	if r, ok := t.profile.Rule(format, name); ok {
		f.Rule = r
	} else if r, ok := t.profile.ClassRule(class); ok && class != recognise.NoClass {
		f.Rule = r
	}
	if t.keyless(f.Rule) {
		f.Rule = profile.Rule{Action: profile.Empty}
	}
	t.byName[id] = f
	t.fields = append(t.fields, f)
	return f
}

// keyless reports whether a rule needs a key that this run does not have: one
// that a format brought along and no profile names. A hash without a secret
// could be tried with every number there is, so that such values are taken out.
func (t *Changer) keyless(r profile.Rule) bool {
	if r.Action != profile.Rekey && r.Action != profile.Shift {
		return false
	}
	d := r.Domain
	if d == "" {
		d = t.domain
	}
	return len(t.keys[d]) == 0
}

// Column is Field for a column of a table: columns may have the same name. shown
// is the name for reports.
func (t *Changer) Column(format string, number int, name, shown string, class recognise.Class, fallback profile.Rule) *Field {
	id := format + "\x00" + strconv.Itoa(number) + "\x00" + name
	if f, ok := t.byName[id]; ok {
		return f
	}
	f := t.Field(format, name, class, fallback)
	delete(t.byName, format+"\x00"+name)
	f.Name = shown
	t.byName[id] = f
	return f
}

// Dropped reports whether the field goes, its name too.
func (f *Field) Dropped() bool { return f.Rule.Action == profile.Drop }

// Touched reports whether the rule can change a value at all.
func (f *Field) Touched() bool {
	return f.Rule.Action != profile.Keep && f.Rule.Action != profile.Scan && f.Rule.Action != ""
}

// Value is Field and Field.Value in one, for readers that keep no Fields. class
// tells pseudonyms of one kind of number from those of another.
func (t *Changer) Value(format, field string, class recognise.Class, r profile.Rule, v []byte) (out []byte, drop bool) {
	f := t.Field(format, field, class, r)
	return f.Value(v), f.Dropped()
}

// Person says whose record is at hand, by the number of the person in the
// source: dates of one person move by the same days.
func (t *Changer) Person(key []byte) { t.person = append(t.person[:0], key...) }

// Objected counts one record and reports whether it has to be left out. key is
// the number of the person in the source; an empty one is nobody's.
func (t *Changer) Objected(key []byte) bool {
	t.rows++
	if t.objections == nil || len(key) == 0 || !t.objections.Left(t.ctx, key) {
		return false
	}
	t.left++
	return true
}

// Row counts a record of a format whose records have no person.
func (t *Changer) Row() { t.rows++ }

// mac is the keyed hash under the key of the rule's domain.
func (t *Changer) mac(r profile.Rule, label string, v []byte) []byte {
	d := r.Domain
	if d == "" {
		d = t.domain
	}
	h := hmac.New(sha256.New, t.keys[d])
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write(v)
	return h.Sum(nil)
}

// Changes is what a run did, for the report.
type Changes struct {
	Rows       int64         `json:"rows"`
	Suppressed int64         `json:"suppressed"` // records left out because a person objected
	Fields     []FieldChange `json:"fields"`
}

// FieldChange is what was done with one field.
type FieldChange struct {
	Format  string `json:"format"`
	Field   string `json:"field"`
	Class   string `json:"class,omitempty"`
	Action  string `json:"action"`
	Seen    int64  `json:"seen"`             // filled values
	Changed int64  `json:"changed"`          // of these, those that came out different
	Unread  int64  `json:"unread,omitempty"` // of these, those that could not be read and were emptied
}

// Report is what was done so far.
func (t *Changer) Report() Changes {
	out := Changes{Rows: t.rows, Suppressed: t.left, Fields: []FieldChange{}}
	for _, f := range t.fields {
		action := f.Rule.Action
		if action == "" {
			action = profile.Scan
		}
		out.Fields = append(out.Fields, FieldChange{
			Format: f.Format, Field: f.Name, Class: string(f.Class), Action: string(action), Seen: f.seen, Changed: f.changed, Unread: f.unread,
		})
	}
	return out
}

// Reset forgets the counts, for the next file of the same run.
func (t *Changer) Reset() {
	t.rows, t.left, t.fields = 0, 0, nil
	clear(t.byName)
	t.person = t.person[:0]
}
