// Package fhir checks and transforms FHIR R4 in JSON: NDJSON, bundles, single
// resources and arrays of them (DOMAIN.md 3.4).
//
// Both walk over the elements of each resource by the structure of FHIR R4 with
// the same rules: what the transformation would change is what the check
// reports, so that the output of one passes the other. What the structure does
// not know (a type of resource, an element, an extension, a value of the wrong
// kind) is a finding, and goes in the transformation.
//
// One resource is in memory at a time; the entries of a bundle are read one by
// one. What is not changed stays byte for byte, white space and the spelling of
// numbers included.
//
// Its neighbours: deid/jsontext reads JSON; deid/profile has the rules;
// deid/change makes pseudonyms; deid/scan gathers findings.
package fhir
