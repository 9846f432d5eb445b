package records

import (
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
	"teikyo/deid/scan"
)

// facility is the class of codes of providers: the same code has the same
// pseudonym in all records and formats.
const facility recognise.Class = "facility"

// fallback is what happens to a field when the profile says nothing about it.
func (k Kind) fallback(p *profile.Profile) profile.Rule {
	years := p.Dates == profile.DatesYear
	switch k {
	case Known, Facility, Reserved:
		return profile.Rule{Action: profile.Empty}
	case Birth:
		return profile.Rule{Action: pick(years, profile.Year, profile.Month)}
	case Day, Month:
		return profile.Rule{Action: pick(years, profile.Year, profile.Keep)}
	case DayFlags:
		return profile.Rule{Action: pick(years, profile.Empty, profile.Keep)}
	case Postal:
		return profile.Rule{Action: profile.Prefix3}
	case InsurerNo:
		return profile.Rule{Action: profile.InsurerNumber}
	case Prose:
		return profile.Rule{Action: profile.DeleteText}
	}
	return profile.Rule{Action: profile.Keep}
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

// class is what scan and the rules for classes of columns are told.
func (f Field) class() recognise.Class {
	switch f.Kind {
	case Known:
		return f.Class
	case Facility:
		return facility
	case Birth:
		return recognise.Birth
	case Postal:
		return recognise.PostalCode
	case InsurerNo:
		return recognise.Insurer
	case Prose:
		return recognise.FreeText
	}
	return recognise.NoClass
}

// ruleOf is the rule of the profile for the field: by its name, by its class,
// else the fallback of its kind.
func ruleOf(p *profile.Profile, format string, f Field) profile.Rule {
	if r, ok := p.Rule(format, f.Name); ok {
		return r
	}
	if r, ok := p.ClassRule(f.class()); ok && f.class() != recognise.NoClass {
		return r
	}
	return f.Kind.fallback(p)
}

// keeps: values stay as they are.
func keeps(r profile.Rule) bool {
	return r.Action == profile.Keep || r.Action == profile.Scan || r.Action == ""
}

// kindOf is how scan looks at the field.
func (f Field) kindOf(r profile.Rule) scan.Kind {
	k := scan.Kind{Class: f.class(), Known: true, Title: f.Title, Fallback: r}
	switch f.Kind {
	case Known, Facility:
	case Prose:
		k.Text = true
	default:
		k.Keep = true // what the kind asks for is looked at here, not there
	}
	return k
}

// where names the field in findings.
func (f Field) where() string {
	if f.Title == "" {
		return "field " + f.Name
	}
	return "field " + f.Name + " (" + f.Title + ")"
}

// shape tells what an Open field holds.
func shape(text []byte) Kind {
	switch {
	case hasWords(text):
		return Prose
	case len(text) == 8 && isCompactDay(text):
		return Day
	}
	return Code
}

// fits reports whether a value that stays can stand in a field of this kind: a
// name in the place of a date is none.
func (k Kind) fits(text []byte) bool {
	switch k {
	case Birth, Day, Month:
		return fine(text) != notDate || numeral(text, 8)
	case DayFlags:
		return numeral(text, 3)
	case Postal, InsurerNo:
		return numeral(text, 8)
	case Code:
		return !hasWords(text)
	}
	return true
}

// numeral: digits of any width, at most so many, with dashes and spaces.
func numeral(text []byte, most int) bool {
	n := 0
	for _, c := range folded(text) {
		switch {
		case c >= '0' && c <= '9':
			n++
		case c != '-' && c != ' ':
			return false
		}
	}
	return n <= most
}

// folded is recognise.Fold, which ASCII does not need.
func folded(text []byte) []byte {
	if firstHigh(text) < 0 {
		return text
	}
	return recognise.Fold(nil, text)
}

// hasWords: letters beyond ASCII, or two words of ASCII; codes have neither.
func hasWords(text []byte) bool {
	words, letters := 0, 0
	for _, c := range text {
		switch {
		case c >= 0x80:
			return true
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		case c == ' ':
			if letters >= 3 {
				words++
			}
			letters = 0
		}
	}
	return words >= 2 || words == 1 && letters >= 3
}

func isCompactDay(text []byte) bool {
	d, ok := recognise.ParseDate(text)
	return ok && d.Year >= 1900
}
