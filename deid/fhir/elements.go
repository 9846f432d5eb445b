package fhir

import (
	_ "embed"
	"strings"
	"sync"
)

// elementsText is the structure of FHIR R4: one type a line, with the names and
// types of its elements; * stands after the type of those that repeat. Types
// that begin with ! are resources with narrative and contained resources, those
// with ? are other resources. It was derived from the structure definitions of
// FHIR 4.0.1 (hl7.org/fhir/R4, CC0); resources that describe systems and
// specifications, not patients, are left out.
//
//go:embed elements.txt
var elementsText string

// typ is a resource, a data type, or a part of one.
type typ struct {
	name     string
	resource bool
	elems    map[string]*elem
}

// elem is one element of a type.
type elem struct {
	path string // "Patient.contact.name", "Address.city": the type that defines it, then its name
	typ  string // "HumanName", "dateTime", "Bundle.entry", "Resource"
	many bool   // it repeats, so that JSON writes an array
	t    *typ   // nil for primitive types and for Resource
	side *elem  // of a primitive type: what holds its extensions; it goes where the element goes
}

// The types that every resource and every element has parts of.
const (
	typeResource  = "Resource"
	typeElement   = "Element"
	typeExtension = "Extension"
)

// structure is FHIR R4: types by name. It is made once and never changes.
var structure = sync.OnceValue(func() map[string]*typ {
	types := map[string]*typ{typeElement: {name: typeElement, elems: map[string]*elem{}}}
	for line := range strings.Lines(elementsText) {
		t := readType(line)
		types[t.name] = t
	}
	for _, t := range types {
		if !t.resource || t.elems["text"] != nil {
			t.add("extension", typeExtension, true)
			t.add("modifierExtension", typeExtension, true)
		}
		for _, e := range t.elems {
			e.t = types[e.typ]
			if e.t == nil && e.typ != typeResource {
				e.side = &elem{path: e.path, typ: typeElement, many: e.many, t: types[typeElement]}
			}
		}
	}
	return types
})

func readType(line string) *typ {
	words := strings.Fields(line)
	name := strings.TrimLeft(words[0], "!?")
	t := &typ{name: name, resource: name != words[0], elems: map[string]*elem{}}
	for _, w := range words[1:] {
		element, kind, _ := strings.Cut(w, ":")
		t.add(element, strings.TrimSuffix(kind, "*"), strings.HasSuffix(kind, "*"))
	}
	t.add("id", "id", false)
	if !t.resource {
		return t
	}
	t.add("meta", "Meta", false)
	t.add("implicitRules", "uri", false)
	t.add("language", "code", false)
	if words[0][0] == '!' {
		t.add("text", "Narrative", false)
		t.add("contained", typeResource, true)
	}
	return t
}

func (t *typ) add(name, kind string, many bool) {
	t.elems[name] = &elem{path: t.name + "." + name, typ: kind, many: many}
}
