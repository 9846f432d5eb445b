package fhir

import (
	"bytes"
	"strings"

	"teikyo/deid/jsontext"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// insurerSystem names insurer numbers in JP Core, as an OID; insurerName is a
// part of the URLs that do.
const (
	insurerSystem  = "urn:oid:1.2.392.100495.20.3.61"
	insurerName    = "insurer-number"
	facilitySystem = "urn:oid:1.2.392.100495.20.3.51." // 1 and the ten digits of a facility: its chart numbers
)

// identity is what an Identifier says about itself.
type identity struct {
	system, value string
	code          string // of its type: "MR", "SS", …
	members       int
}

func (w *walk) identityOf(n int) identity {
	var id identity
	id.system, id.value = w.text(n, "system"), w.text(n, "value")
	if typ := w.d.Member(n, "type"); typ != jsontext.None && w.node(typ).Kind == jsontext.ObjectStart {
		if c := w.d.Member(typ, "coding"); c != jsontext.None && w.node(c).Kind == jsontext.ArrayStart && w.node(c).First != jsontext.None {
			id.code = w.text(w.node(c).First, "code")
		}
	}
	for c := w.node(n).First; c != jsontext.None; c = w.node(c).Next {
		id.members++
	}
	return id
}

// text is the string of a member, "" when it has none.
func (w *walk) text(n int, name string) string {
	m := w.d.Member(n, name)
	if m == jsontext.None || w.node(m).Kind != jsontext.String || w.node(m).Cut {
		return ""
	}
	return string(w.d.Chars(nil, m))
}

// insurer is the insurer number that the identifier holds: the whole value under
// the system of insurer numbers, the first part of an insurance identifier of JP
// Core (insurer:symbol:number:branch).
func (id identity) insurer() (number string, ok bool) {
	value := string(recognise.Fold(nil, []byte(id.value)))
	if id.system == insurerSystem || strings.Contains(id.system, insurerName) {
		value = strings.TrimSpace(value)
		return value, (len(value) == 8 || len(value) == 6) && allDigits([]byte(value))
	}
	parts := strings.Split(value, ":")
	return parts[0], len(parts) == 4 && len(parts[0]) == 8 && allDigits([]byte(parts[0]))
}

// isInsurance reports whether the identifier is one of JP Core for an insured
// person.
func (id identity) isInsurance() bool {
	_, ok := id.insurer()
	return ok && strings.Contains(id.value, ":")
}

// kind is the rule of a finding about the identifier, and what stands for it in
// places.
func (id identity) kind() (rule, label string) {
	switch id.code {
	case "SS":
		return "ssn", "SS"
	case "DL":
		return "driver-licence", "DL"
	case "PPN":
		return "passport", "PPN"
	case "MR", "PI", "PT", "AN":
		return "patient-id", id.code
	case "NPI", "PRN", "MD", "DEA", "DN", "RN":
		return "staff-id", id.code
	case "MB", "MC", "SN", "HC", "NIIP":
		return "insurance-id", id.code
	}
	switch s := strings.ToLower(id.system); {
	case strings.HasSuffix(s, "us-ssn"):
		return "ssn", "SS"
	case strings.HasSuffix(s, "us-npi"):
		return "staff-id", "NPI"
	case strings.HasPrefix(s, facilitySystem):
		return "patient-id", "chart number"
	case strings.Contains(s, "passport"):
		return "passport", "PPN"
	case id.isInsurance() || strings.Contains(s, "memberid") || strings.Contains(s, "insured"):
		return "insurance-id", "insurance"
	}
	return "identifier", ""
}

// choose is the identifier of a patient that stays, rekeyed: the chart number,
// or the first with a value.
func (w *walk) choose(list int) int {
	chosen := jsontext.None
	for c := w.node(list).First; c != jsontext.None; c = w.node(c).Next {
		if w.node(c).Kind != jsontext.ObjectStart {
			continue
		}
		id := w.identityOf(c)
		if rule, _ := id.kind(); rule == "patient-id" && id.value != "" || id.system == rekeyedSystem {
			return c
		}
		if chosen == jsontext.None && id.value != "" && !id.isInsurance() {
			chosen = c
		}
	}
	return chosen
}

// identifier writes what stands for an Identifier: a pseudonym, an insurer
// number, or nothing.
func (w *walk) identifier(n int, e *elem, rule profile.Rule) bool {
	if w.node(n).Kind != jsontext.ObjectStart {
		return w.wrongKind(n, e)
	}
	id := w.identityOf(n)
	if number, ok := id.insurer(); ok && !takesOut(w.rules.named("Identifier.insurerNumber", "").Action) {
		return w.insurer(n, e, id, number)
	}
	if rule.Action != profile.Rekey {
		rule.Action = profile.Drop
	}
	if id.system == rekeyedSystem && id.members == 2 && isPseudonym([]byte(id.value)) {
		w.find.seen(e, nil, w.node(n))
	} else {
		w.identified(n, e, id)
	}
	if w.change == nil {
		w.out = append(w.out, w.d.Raw(n)...)
		return true
	}
	if id.value == "" || rule.Action == profile.Drop || e.path == "Patient.identifier" && n != w.chosen {
		w.change.count(e.path)
		return false
	}
	w.write(rekeyedSystem, w.change.identifier(e, rule, []byte(id.value)))
	return true
}

func (w *walk) identified(n int, e *elem, id identity) {
	rule, label := id.kind()
	where := e.path
	if label != "" {
		where += " (" + label + ")"
	}
	w.find.add(rule, where, w.node(n), []byte(id.value), "the profile changes it")
}

// insurer keeps an insurer number, without what stands next to it.
func (w *walk) insurer(n int, e *elem, id identity, number string) bool {
	if id.system == insurerSystem && id.members == 2 && id.value == number {
		w.find.seen(e, []byte(number), w.node(n))
	} else if id.isInsurance() || id.members > 2 || id.value != number {
		w.identified(n, e, id)
	}
	if w.change == nil {
		w.out = append(w.out, w.d.Raw(n)...)
		return true
	}
	w.write(insurerSystem, []byte(number))
	w.change.count(e.path)
	return true
}

func (w *walk) write(system string, value []byte) {
	w.out = append(w.out, `{"system":"`+system+`","value":`...)
	w.out = append(jsontext.Quote(w.out, bytes.TrimSpace(value)), '}')
}
