package wording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// kind is a set of codes that have names.
type kind string

const (
	kindClass   kind = "class"
	kindItem    kind = "item"
	kindMethod  kind = "method"
	kindPurpose kind = "purpose"
	kindBasis   kind = "basis"
)

// codes are the codes of every kind, in the order in which people read them.
var codes = map[kind][]string{
	kindClass: {"anonymized", "pseudonymized", "us-deidentified", "us-limited-data-set", "br-anonymized", "personal", "test"},
	kindItem: {
		"claims.medical", "claims.care", "claims.dpc", "demographics", "care", "checkups", "tests", "history",
		"questionnaires", "other",
	},
	kindMethod:  {"download", "upload", "email", "media"},
	kindPurpose: {"product-development", "statistics", "research", "public-health", "other"},
	kindBasis:   {"third_party", "law", "entrustment", "succession", "joint_use", "consent"},
}

// names are the names of codes in one language.
type names map[kind]map[string]string

// parseNames reads the embedded names and puts the operator's over them.
func parseNames(lang, base, over string) (names, error) {
	all := names{}
	for _, text := range []string{base, over} {
		if text == "" {
			continue
		}
		if err := all.add(text); err != nil {
			return nil, err
		}
	}
	for k, list := range codes {
		for _, code := range list {
			if all[k][code] == "" {
				return nil, fmt.Errorf("%s %q has no name in %s", k, code, lang)
			}
		}
	}
	return all, nil
}

// add reads names from JSON; each must be one clean line for a known code.
func (n names) add(text string) error {
	var more names
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&more); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	for k, list := range more {
		if codes[k] == nil {
			return fmt.Errorf("%q is no kind of code", k)
		}
		if n[k] == nil {
			n[k] = map[string]string{}
		}
		for code, name := range list {
			if !slices.Contains(codes[k], code) {
				return fmt.Errorf("%s %q is no known code", k, code)
			}
			if name == "" || name != oneLine(name) {
				return fmt.Errorf("the name of %s %q is empty or no plain line", k, code)
			}
			n[k][code] = name
		}
	}
	return nil
}

// name returns the name of a code, or the code itself when it is unknown, so
// that a text for the screen never hides what it does not know.
func (t *Texts) name(k kind, code, lang string) string {
	if name := t.lang(lang).names[k][code]; name != "" {
		return name
	}
	return code
}

// lang returns a language, English when there is none of that name.
func (t *Texts) lang(lang string) *language {
	if l := t.languages[lang]; l != nil {
		return l
	}
	return t.languages[English]
}

// Class returns the name of a data class; unknown codes come back as they are,
// unknown languages give English. The same holds for all names.
func (t *Texts) Class(code, lang string) string { return t.name(kindClass, code, lang) }

// Item returns the name of a category of information.
func (t *Texts) Item(code, lang string) string { return t.name(kindItem, code, lang) }

// Method returns the name of a method of provision.
func (t *Texts) Method(code, lang string) string { return t.name(kindMethod, code, lang) }

// Purpose returns the name of a purpose.
func (t *Texts) Purpose(code, lang string) string { return t.name(kindPurpose, code, lang) }

// Basis returns the name of a legal basis.
func (t *Texts) Basis(code, lang string) string { return t.name(kindBasis, code, lang) }

// ClassStatement says what class of information a recipient gets and what duties
// follow, with the articles (DOMAIN 1.1, 1.2, 2.1, 2.2, 2.5): lines of text, the
// last one ended. It is empty for an unknown class, and English for an unknown
// language.
func (t *Texts) ClassStatement(class, lang string) string { return t.lang(lang).statements[class] }

// checkCode returns ErrData unless code is one of its kind.
func checkCode(k kind, code string) error {
	if slices.Contains(codes[k], code) {
		return nil
	}
	return fmt.Errorf("%w: unknown %s %q", ErrData, k, code)
}

// checkCodes checks a list that must not be empty.
func checkCodes(k kind, list []string) error {
	if len(list) == 0 {
		return fmt.Errorf("%w: no %s", ErrData, k)
	}
	for _, code := range list {
		if err := checkCode(k, code); err != nil {
			return err
		}
	}
	return nil
}

// each returns the names of several codes.
func (t *Texts) each(k kind, list []string, lang string) []string {
	found := make([]string, len(list))
	for i, code := range list {
		found[i] = t.name(k, code, lang)
	}
	return found
}
