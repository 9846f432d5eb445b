package recognise

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Plain folds a word for comparison: NFKC, lower case, Latin accents removed.
func Plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36F {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
	return norm.NFC.String(s)
}

// Names classifies column names.
type Names struct {
	latin map[string]Class // " phrase " or "=name", and phrases written as one word
	cjk   map[string]Class
	exact map[string]Class
}

// NewNames returns the tables of DOMAIN.md 4.1, which are made once and never
// change; it is safe for concurrent use.
func NewNames() *Names { return nameTable() }

var nameTable = sync.OnceValue(makeNames)

func makeNames() *Names {
	n := &Names{latin: map[string]Class{}, cjk: map[string]Class{}, exact: map[string]Class{}}
	for class, phrases := range latinNames {
		for _, p := range phrases {
			if whole, ok := strings.CutPrefix(p, "="); ok {
				n.exact[whole] = class
				continue
			}
			n.latin[p] = class
			n.exact[strings.ReplaceAll(p, " ", "")] = class
		}
	}
	for class, phrases := range cjkNames {
		for _, p := range phrases {
			if whole, ok := strings.CutPrefix(p, "="); ok {
				n.exact[whole] = class
				continue
			}
			n.cjk[Plain(p)] = class
		}
	}
	return n
}

// ClassOf tells what a column holds by its name: whole tokens and phrases of
// English and Portuguese, the whole name or its end in Japanese. The longest
// match decides, so that 被保険者番号 is not 保険者番号.
func (n *Names) ClassOf(name string) Class {
	words := Words(name)
	if len(words) == 0 {
		if strings.ContainsRune(name, '〒') {
			return PostalCode
		}
		return NoClass
	}
	class, matched := n.latinClass(words)
	for i := len(words) - 1; i >= 0 && class == NoClass; i-- {
		class = n.cjkClass(words[i], len(words) == 1)
	}
	if harmless(words, class, matched) {
		return NoClass
	}
	return class
}

func (n *Names) latinClass(words []string) (class Class, matched string) {
	if class, ok := n.exact[strings.Join(words, "")]; ok {
		return class, strings.Join(words, " ")
	}
	for from := range words {
		for to := from + 1; to <= min(len(words), from+4); to++ {
			phrase := strings.Join(words[from:to], " ")
			if c, ok := n.latin[phrase]; ok && len(phrase) > len(matched) {
				class, matched = c, phrase
			} else if c, ok := n.exact[phrase]; ok && to == from+1 && len(phrase) > 8 && len(phrase) > len(matched) {
				class, matched = c, phrase // a phrase written as one word: patientname
			}
		}
	}
	return class, matched
}

func (n *Names) cjkClass(word string, alone bool) Class {
	for {
		if class, ok := n.exact[word]; ok && alone {
			return class
		}
		for at := range word {
			if class, ok := n.cjk[word[at:]]; ok {
				return class
			}
		}
		short := word
		for _, q := range jpQualifiers {
			short = strings.TrimSuffix(short, q)
		}
		if short == word || short == "" {
			return NoClass
		}
		word = short
	}
}

// harmless reports whether the words around a match say that the column is not
// about a person: drug_name, doctor_visits.
func harmless(words []string, class Class, matched string) bool {
	if !class.Direct() {
		return false
	}
	if len(words) > 1 && harmlessEnds[words[len(words)-1]] {
		return true
	}
	if matched != "name" && matched != "nome" {
		return false
	}
	for _, w := range words {
		if harmlessNames[w] {
			return true
		}
	}
	return false
}

// Words splits a name into folded words: at everything that is no letter or
// digit, at camelCase, and before trailing digits, which are dropped.
func Words(name string) []string {
	var out []string
	for _, w := range splitWords(norm.NFKC.String(name)) {
		w = Plain(w)
		if bare := strings.TrimRight(w, "0123456789"); bare == "line" && bare != w {
			w = "address line"
		} else if bare != "" {
			w = bare
		} else {
			continue
		}
		switch w {
		case "number", "num", "nbr", "nr", "numero":
			w = "no"
		case "identifier":
			w = "id"
		}
		out = append(out, strings.Fields(w)...)
	}
	return out
}

func splitWords(s string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, string(word))
		}
		word = word[:0]
	}
	var before rune
	for _, r := range s {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != 'ー' && r != '・':
			flush()
		case unicode.IsUpper(r) && unicode.IsLower(before):
			flush()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		before = r
	}
	flush()
	return out
}
