package dicom

import (
	"teikyo/deid/profile"
)

// format is the name of the format in profiles; fields are tags ("0010,0010").
const format = "dicom"

// The actions that the table has and profiles have not.
const (
	actionDummy profile.Action = "dummy" // a value that says nothing
	actionUID   profile.Action = "uid"   // another UID, the same for the same one within a release
)

// maxValue is how many bytes of one value are held. Longer ones are passed
// through when they are pixels or other figures, else they go.
const maxValue = 1 << 20

// rules finds the rule of an attribute: the profile's, else that of the table,
// else that of its value representation.
type rules struct {
	profile *profile.Profile
	known   map[ruleKey]profile.Rule
}

// ruleKey: what the file says about the representation counts where the table
// says nothing.
type ruleKey struct {
	tag Tag
	vr  string
}

func newRules(p *profile.Profile) *rules {
	return &rules{profile: p, known: map[ruleKey]profile.Rule{}}
}

func (r *rules) of(t Tag, vr string) profile.Rule {
	if rule, ok := r.known[ruleKey{t, vr}]; ok {
		return rule
	}
	rule, ok := r.profile.Rule(format, t.field())
	if !ok {
		rule = profile.Rule{Action: r.table(t, vr)}
	}
	r.known[ruleKey{t, vr}] = rule
	return rule
}

// table is the action of the basic profile. Where it leaves a choice that
// depends on the kind of object, an empty value is taken before a removal, and a
// removal before a dummy.
func (r *rules) table(t Tag, vr string) profile.Action {
	switch tables().actions[t].action {
	case "X", "X/D":
		return profile.Drop
	case "Z", "X/Z", "Z/D", "X/Z/D":
		return profile.Empty
	case "D":
		return actionDummy
	case "U":
		return actionUID
	case "X/Z/U*":
		return profile.Keep // the UIDs inside are looked at one by one
	}
	switch {
	case isRepeated(t):
		return profile.Drop
	case vrOf(t) == "" && !isNumber(vr):
		return profile.Drop // nobody knows what it holds
	}
	switch vr {
	case "PN", "LT", "ST", "UT", "UC", "UR", "UN":
		return profile.Empty // names and free text that the table does not list
	}
	return profile.Scan
}

// isRepeated reports whether the tag is of a curve (50xx) or an overlay (60xx).
func isRepeated(t Tag) bool { return t.group()&0xFF00 == 0x5000 || t.group()&0xFF00 == 0x6000 }

// dummy is the value that stands for one of which nothing may be said.
func dummy(vr string) []byte {
	switch vr {
	case "DA":
		return []byte("19000101")
	case "DT":
		return []byte("19000101000000")
	case "TM":
		return []byte("000000")
	case "AS":
		return []byte("000Y")
	case "DS", "IS":
		return []byte("0")
	case "PN", "LO", "SH", "LT", "ST", "UT", "UC", "AE", "CS":
		return []byte("ANONYMIZED")
	}
	return nil
}

// characteristics are what the option "Retain Patient Characteristics" keeps for
// the policy: sex, age, size and weight (PS3.15 E.3.9).
func characteristics() []Tag { return []Tag{0x0010_0040, 0x0010_1010, 0x0010_1020, 0x0010_1030} }

// dates are the dates whose rules decide which option on dates is claimed.
func dates() []Tag { return []Tag{0x0008_0020, 0x0008_0021, 0x0008_0022, 0x0008_0023} }

// option is a code of PS3.16 CID 7050.
type option struct{ code, meaning string }

// options are what the rules amount to, for (0012,0063) and (0012,0064).
func (r *rules) options() []option {
	out := []option{{"113100", "Basic Application Confidentiality Profile"}}
	if r.any(dates(), profile.Keep, profile.Scan) {
		out = append(out, option{"113106", "Retain Longitudinal Temporal Information Full Dates Option"})
	} else if r.any(dates(), profile.Shift, profile.Month, profile.Year) {
		out = append(out, option{"113107", "Retain Longitudinal Temporal Information Modified Dates Option"})
	}
	if r.any(characteristics(), profile.Keep, profile.Scan, profile.TopCode, profile.Generalise) {
		out = append(out, option{"113108", "Retain Patient Characteristics Option"})
	}
	if r.any([]Tag{0x0020_000D, 0x0020_000E, 0x0008_0018}, profile.Keep, profile.Scan) {
		out = append(out, option{"113110", "Retain UIDs Option"})
	}
	if r.any([]Tag{0x0008_0080, 0x0008_0081}, profile.Keep, profile.Scan) {
		out = append(out, option{"113112", "Retain Institution Identity Option"})
	}
	return out
}

func (r *rules) any(tags []Tag, actions ...profile.Action) bool {
	for _, t := range tags {
		for _, a := range actions {
			if r.of(t, vrOf(t)).Action == a {
				return true
			}
		}
	}
	return false
}

// temporal is the value of (0028,0303).
func (r *rules) temporal() string {
	switch {
	case r.any(dates(), profile.Keep, profile.Scan):
		return "UNMODIFIED"
	case r.any(dates(), profile.Shift, profile.Month, profile.Year):
		return "MODIFIED"
	}
	return "REMOVED"
}
