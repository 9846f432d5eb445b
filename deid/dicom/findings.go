package dicom

import (
	"fmt"
	"slices"
	"strings"

	"teikyo/deid/recognise"
	"teikyo/deid/scan"
)

// findings counts what a check found, one finding for each rule and tag. A nil
// *findings does nothing: a transformation.
type findings struct {
	c      *scan.Collector
	counts map[findingKey]*count
	order  []findingKey
	finder *recognise.Finder
	folded []byte
	packed bool // a value of figures was passed over
}

type findingKey struct {
	rule string
	tag  Tag
}

type count struct {
	n        int64
	at       int64
	why      string
	examples []string
}

const (
	maxExamples = 3
	maxCounts   = 5_000
)

func newFindings(c *scan.Collector) *findings {
	return &findings{c: c, counts: map[findingKey]*count{}, finder: recognise.NewFinder()}
}

func (f *findings) add(rule string, e element, example []byte, why string) {
	if f == nil {
		return
	}
	id := findingKey{rule, e.tag}
	if rule == "private-tag" {
		id.tag = 0 // their numbers say nothing
	}
	at := f.counts[id]
	if at == nil {
		if len(f.counts) >= maxCounts {
			return // the file is blocked many times over
		}
		at = &count{at: e.at, why: why}
		f.counts[id] = at
		f.order = append(f.order, id)
	}
	at.n++
	if len(example) == 0 || len(at.examples) >= maxExamples {
		return
	}
	if m := recognise.Mask(string(example[:min(len(example), 200)])); !slices.Contains(at.examples, m) {
		at.examples = append(at.examples, m)
	}
}

// seen counts an attribute that is as it may be.
func (f *findings) seen(e element) {
	if f != nil && !isText(e.vr) && !isNumber(e.vr) {
		f.packed = true
	}
}

func (f *findings) unseen(element) {
	if f != nil {
		f.packed = true
	}
}

// scan looks for strong forms in a text that stays.
func (f *findings) scan(e element, text []byte) {
	if f == nil {
		return
	}
	f.c.Field(e.tag.String(), scan.Kind{Keep: true}).Value(text, 1)
	if len(text) < 5 {
		return
	}
	f.folded = recognise.Fold(f.folded[:0], text)
	for _, h := range f.finder.Find(f.folded) {
		if h.Rule != recognise.OldDate {
			f.add(string(h.Rule), e, f.folded[h.Start:h.End], "it holds "+scan.RuleWords(h.Rule))
		}
	}
}

// ruleName is the rule of findings about an attribute.
func ruleName(t Tag, vr string) string {
	switch t {
	case tagPatientBirth:
		return "birth-date"
	case tagPatientID, 0x0010_1000, 0x0008_0050:
		return "patient-id"
	case 0x0010_1040:
		return "address"
	case 0x0010_2154:
		return "phone"
	case 0x0008_0080, 0x0008_0081, 0x0008_1040:
		return "institution"
	case 0x0010_1010:
		return "age-over-cap"
	case 0x0040_A730:
		return "report-content"
	}
	switch {
	case isRepeated(t):
		return "overlay"
	case vrOf(t) == "" && tables().actions[t].action == "":
		return "unknown-attribute"
	}
	switch vr {
	case "PN":
		return "person-name"
	case "UI":
		return "uid"
	case "DA", "DT", "TM":
		return "full-date"
	case "LT", "ST", "UT", "UC":
		return "free-text"
	}
	return "dicom-attribute"
}

// close turns the counts, and what the header says as a whole, into findings.
func (f *findings) close(m *image) {
	for _, id := range f.order {
		at := f.counts[id]
		where := id.tag.String()
		if id.tag == 0 {
			where = "private attributes"
		}
		msg := fmt.Sprintf("%s: %d values, the first at byte %d", where, at.n, at.at)
		if len(at.examples) > 0 {
			msg += " (" + strings.Join(at.examples, ", ") + ")"
		}
		f.c.Block(id.rule, where, msg+": "+at.why+"; transform the file, or take them out")
	}
	if m.identityGone != "YES" || m.method == "" {
		f.c.Block("not-marked", tagIdentityGone.String(), "the file does not say that its identity was removed, and how "+
			"((0012,0062) must be YES, (0012,0063) filled); transform it")
	}
	f.c.NotLookedAt("the pixels of images: text burned into them, faces and bodies that can be recognised")
	if f.packed {
		f.c.NotLookedAt("attributes that hold packed figures (waveforms, colour tables)")
	}
}
