package fhir

import (
	"strings"

	"teikyo/deid/profile"
)

// format is the name of the format in profiles.
const format = "fhir"

// rules finds the rule of an element. A profile names elements by the type that
// defines them ("Patient.birthDate", "Address.city"), all elements of a type by
// its name ("HumanName", "dateTime"), extensions by the end of their URL
// ("Extension.us-core-race") and whole resources ("Provenance"). The element
// comes before its type, and the profile before what is built in.
type rules struct {
	profile *profile.Profile
	known   map[string]profile.Rule
	elems   map[*elem]profile.Rule
}

func newRules(p *profile.Profile) *rules {
	return &rules{profile: p, known: map[string]profile.Rule{}, elems: map[*elem]profile.Rule{}}
}

// of is the rule of an element; the zero Rule is to look into it.
func (r *rules) of(e *elem) profile.Rule {
	rule, ok := r.elems[e]
	if !ok {
		rule = r.named(e.path, e.typ)
		r.elems[e] = rule
	}
	return rule
}

func (r *rules) named(path, kind string) profile.Rule {
	if rule, ok := r.known[path]; ok {
		return rule
	}
	rule := r.find(path, kind)
	r.known[path] = rule
	return rule
}

func (r *rules) find(path, kind string) profile.Rule {
	if rule, ok := r.profile.Rule(format, path); ok {
		return rule
	}
	if action, ok := builtIn[path]; ok {
		return profile.Rule{Action: action}
	}
	if kind == "" {
		return profile.Rule{}
	}
	if rule, ok := r.profile.Rule(format, kind); ok {
		return rule
	}
	if action, ok := builtIn[kind]; ok {
		return profile.Rule{Action: action}
	}
	return profile.Rule{}
}

// extension is the rule of an extension by its URL: one that nobody named goes.
func (r *rules) extension(url string) profile.Rule {
	if rule := r.named("Extension."+tail(url), ""); rule.Action != "" {
		return rule
	}
	return profile.Rule{Action: profile.Drop}
}

func tail(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// builtIn is what happens where a profile says nothing (DOMAIN.md 3.4): names,
// contacts, free text, attachments and identifiers go, codes and figures stay.
// Without a rule for them the ids go too, and with them the references: only a
// profile can say under which key they live on.
var builtIn = map[string]profile.Action{
	// data types
	"HumanName": profile.Drop, "ContactPoint": profile.Drop, "ContactDetail": profile.Drop, "Attachment": profile.Drop,
	"Annotation": profile.Drop, "Narrative": profile.Drop, "Signature": profile.Drop, "RelatedArtifact": profile.Drop,
	"Identifier": profile.Drop, "base64Binary": profile.Drop, "xhtml": profile.Drop, "url": profile.Drop,
	"string": profile.DeleteText, "markdown": profile.DeleteText,
	"id": profile.Drop, "uuid": profile.Drop, "oid": profile.Drop,
	"date": profile.Month, "dateTime": profile.Month, "instant": profile.Month, "time": profile.Keep,
	"code": profile.Keep, "boolean": profile.Keep, "integer": profile.Keep, "unsignedInt": profile.Keep, "positiveInt": profile.Keep,
	"decimal": profile.Keep, "canonical": profile.Keep, "uri": profile.Scan,

	// strings that are no free text
	"Coding.version": profile.Keep, "Coding.display": profile.Scan, "CodeableConcept.text": profile.DeleteText,
	"Quantity.unit": profile.Keep, "Age.unit": profile.Keep, "Count.unit": profile.Keep, "Distance.unit": profile.Keep,
	"Duration.unit": profile.Keep, "SampledData.data": profile.Keep, "Address.state": profile.Keep, "Address.country": profile.Keep,
	"Bundle.link.relation": profile.Keep, "Extension.url": profile.Keep, "Extension.valueString": profile.Scan,
	"QuestionnaireResponse.item.linkId": profile.Keep,
	"Parameters.parameter.name":         profile.Keep, "Parameters.parameter.part.name": profile.Keep,

	"Address.postalCode": profile.Prefix3, "Age.value": profile.TopCode,
	"Reference.reference": profile.Drop, "Bundle.entry.fullUrl": profile.Drop, "Bundle.entry.request.url": profile.Drop,
	"Bundle.link": profile.Drop, "Bundle.entry.link": profile.Drop, "Bundle.timestamp": profile.Drop,
	"Meta.lastUpdated": profile.Drop, "Meta.source": profile.Drop, "Meta.versionId": profile.Drop, "Meta.tag": profile.Drop,

	// people, places and things
	"Patient.birthDate": profile.Month, "Patient.deceasedDateTime": profile.Month, "Patient.multipleBirthInteger": profile.Drop,
	"Patient.contact": profile.Drop, "Patient.link": profile.Drop,
	"Person.birthDate": profile.Drop, "Practitioner.birthDate": profile.Drop, "RelatedPerson.birthDate": profile.Drop,
	"FamilyMemberHistory.bornDate": profile.Drop, "FamilyMemberHistory.bornPeriod": profile.Drop,
	"Practitioner.address": profile.Drop, "Organization.address": profile.Drop, "Location.address": profile.Drop,
	"RelatedPerson.address": profile.Drop, "Person.address": profile.Drop, "Organization.contact": profile.Drop,
	"Location.position": profile.Drop, "Device.udiCarrier": profile.Drop,

	// resources that say who did what, and packed contents
	"Provenance": profile.Drop, "AuditEvent": profile.Drop, "Binary": profile.Drop, "Person": profile.Drop, "Linkage": profile.Drop,
}
