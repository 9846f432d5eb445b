package recognise

import "bytes"

// Forms is the set of identifier forms that one whole value has. A form says
// nothing by itself; the share of a column's values that have it does.
type Forms uint32

// The forms. Bare ones are digits only, told apart by the name of the column.
const (
	FormEmail Forms = 1 << iota
	FormPhone
	FormMobile // 11 bare digits of a Japanese mobile number
	FormPhoneBare
	FormPostal // 160-0023, 01310-100
	FormPostalBare
	FormMyNumber
	FormInsurer
	FormNPI
	FormDEA
	FormSSN
	FormMBI
	FormCPF
	FormCNS
	FormDate // a full date
	FormName
	FormKana   // two words of katakana: most names in claims are, and some products
	FormPadded // ten digits that begin with zeros: chart numbers, insured numbers of nursing care

	FormsEnd
)

// Forms returns the forms of the folded value s, all of it.
func (f *Finder) Forms(s []byte) Forms {
	s = bytes.TrimSpace(s)
	s = bytes.TrimPrefix(s, []byte("〒"))
	switch {
	case len(s) < 5 || len(s) > 80:
		return 0
	case allDigits(s):
		return digitForms(s)
	}
	forms := writtenForms(s)
	if at := bytes.IndexByte(s, '@'); at > 0 {
		start, end, ok := findEmail(s, at)
		forms |= when(ok && start == 0 && end == len(s), FormEmail)
	}
	if forms != 0 {
		return forms
	}
	s = fullKatakana(s)
	return when(f.isPersonName(s) || f.isUnspacedName(s), FormName) | when(isKanaPair(s), FormKana)
}

func when(ok bool, form Forms) Forms {
	if ok {
		return form
	}
	return 0
}

func digitForms(s []byte) Forms {
	forms := when(isPostalJPBare(s) || isZIP(s) || isCEPBare(s), FormPostalBare) |
		when(isPhoneBare(s), FormPhoneBare) | when(isMobileJP(s), FormMobile) | when(IsInsurer(s), FormInsurer) |
		when(IsMyNumber(s), FormMyNumber) | when(IsNPI(s), FormNPI) | when(IsCPF(s), FormCPF) | when(IsCNS(s), FormCNS) |
		when(isPadded(s), FormPadded)
	_, date := isFullDate(s)
	return forms | when(date, FormDate)
}

// isPadded: 0000071234.
func isPadded(s []byte) bool { return len(s) == 10 && s[0] == '0' && s[1] == '0' && !sameDigits(s) }

func writtenForms(s []byte) Forms {
	_, date := isFullDate(s)
	forms := when(date, FormDate)
	forms |= when(IsSSN(s), FormSSN) | when(IsMBI(s), FormMBI) | when(IsDEA(s), FormDEA) |
		when(isPostalJP(s) || isCEP(s), FormPostal) | when(isZIP(s), FormPostalBare)
	if !date {
		forms |= when(findPhone(s, 0) == len(s), FormPhone)
	}
	if plain, ok := ungroup(s); ok {
		forms |= when(IsMyNumber(plain), FormMyNumber) | when(IsNPI(plain), FormNPI) | when(IsCNS(plain), FormCNS) |
			when(isCPFForm(s) && IsCPF(plain), FormCPF)
	}
	return forms
}

// ungroup takes the spaces, dots and dashes out of a number.
func ungroup(s []byte) ([]byte, bool) {
	if len(s) > 20 {
		return nil, false
	}
	plain := make([]byte, 0, 20)
	for _, c := range s {
		switch {
		case isDigit(c):
			plain = append(plain, c)
		case c != ' ' && c != '-' && c != '.':
			return nil, false
		}
	}
	return plain, len(plain) > 0
}
