package fhir

import (
	"bytes"
	"strings"
)

// What rewritten ids, references and identifiers begin with. A base that does
// not exist (RFC 2606) stands for the server, whose address names a hospital.
const (
	rekeyedURN    = "urn:teikyo:"
	rekeyedBase   = "http://deid.invalid/fhir/"
	rekeyedSystem = "urn:teikyo:rekeyed"
)

// isReference reports whether the element points to a resource by more than its
// id.
func isReference(e *elem) bool {
	switch e.path {
	case "Reference.reference", "Bundle.entry.fullUrl", "Bundle.entry.request.url":
		return true
	}
	return false
}

// reference is a reference in its parts: base, type and id of a resource, or an
// identifier that a server searches by.
type reference struct {
	fragment bool   // #id: contained in the same resource
	urn      bool   // urn:uuid:…, or something else that is no path
	absolute bool   // with the address of a server
	search   bool   // Type?identifier=system|value
	typ      string // "" where there is none
	id       []byte // nil: the resource type alone
}

// parseReference takes a reference apart. The version of a resource is left out:
// a release holds one.
func parseReference(v []byte) reference {
	s := string(v)
	if rest, ok := strings.CutPrefix(s, "#"); ok {
		return reference{fragment: true, id: []byte(rest)}
	}
	if rest, ok := strings.CutPrefix(s, rekeyedURN); ok {
		return reference{urn: true, id: []byte(rest)}
	}
	for _, prefix := range []string{"urn:uuid:", "urn:oid:"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return reference{urn: true, id: []byte(rest)}
		}
	}
	if typ, query, ok := strings.Cut(s, "?"); ok {
		if value, ok := strings.CutPrefix(query, "identifier="); ok && isType(typ) {
			return reference{search: true, typ: typ, id: []byte(value[strings.LastIndexByte(value, '|')+1:])}
		}
		return reference{urn: true, id: v}
	}
	path, _, _ := strings.Cut(s, "/_history/")
	parts := strings.Split(path, "/")
	absolute := strings.Contains(s, "://")
	switch n := len(parts); {
	case n == 1 && isType(s):
		return reference{typ: s}
	case n >= 2 && isType(parts[n-2]) && parts[n-1] != "" && (n == 2 || absolute):
		return reference{absolute: absolute, typ: parts[n-2], id: []byte(parts[n-1])}
	}
	return reference{urn: true, id: v}
}

func isType(name string) bool {
	t := structure()[name]
	return t != nil && t.resource
}

// with writes the reference with another id.
func (r reference) with(id []byte) []byte {
	var b bytes.Buffer
	switch {
	case r.fragment:
		b.WriteByte('#')
	case r.urn:
		b.WriteString(rekeyedURN)
	case r.search:
		b.WriteString(r.typ + "?identifier=" + rekeyedSystem + "|")
	case r.id == nil:
		return []byte(r.typ)
	case r.absolute:
		b.WriteString(rekeyedBase + r.typ + "/")
	default:
		b.WriteString(r.typ + "/")
	}
	b.Write(id)
	return b.Bytes()
}

// isSettledReference reports whether v is as a transformation writes it.
func isSettledReference(v []byte) bool {
	r := parseReference(v)
	return (r.id == nil || len(r.id) == 0 && r.fragment || isPseudonym(r.id)) && bytes.Equal(r.with(r.id), v)
}
