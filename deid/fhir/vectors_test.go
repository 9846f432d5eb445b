package fhir_test

import "regexp"

var pseudonym = regexp.MustCompile(`[a-z2-7]{26}`)

// maskPseudonyms writes P for each pseudonym.
func maskPseudonyms(s string) string { return pseudonym.ReplaceAllString(s, "P") }

// transforms are files before and after, and what the check finds before.
var transforms = []struct{ name, profile, in, out, found string }{
	{
		"patient", "jp-policy",
		`{"resourceType":"Patient", "id":"p1","name":[{"family":"山田","given":["太郎"]}],"gender":"male","birthDate":"1950-05-21",` +
			`"address":[{"line":["1-2-3"],"city":"新宿区","state":"東京都","postalCode":"160-0023","country":"JP"}]}` + "\r\n",
		`{"resourceType":"Patient", "id":"P","gender":"male","birthDate":"1950-05",` +
			`"address":[{"state":"東京都","postalCode":"160","country":"JP"}]}` + "\r\n",
		"fhir-id at Patient.id, person-name at Patient.name, birth-date at Patient.birthDate, address at Address.line, " +
			"address at Address.city, postal-code at Address.postalCode",
	},
	{
		"patient of safe harbor", "us-safe-harbor",
		`{"resourceType":"Patient","birthDate":"1950-05-21","deceasedDateTime":"1989-05-09T20:35:22-04:00","address":[{"postalCode":"03601"}]}`,
		`{"resourceType":"Patient","birthDate":"1950","deceasedDateTime":"1989","address":[{"postalCode":"000"}]}`,
		"birth-date at Patient.birthDate, full-date at Patient.deceasedDateTime, postal-code at Address.postalCode",
	},
	{
		"people of 90 and over", "jp-policy",
		`{"resourceType":"Patient","birthDate":"1927-05-21"}` + "\n" + `{"resourceType":"Patient","birthDate":"1936-01"}` + "\n" + `{"resourceType":"Patient","birthDate":"1937-01"}` + "\n",
		`{"resourceType":"Patient","birthDate":"1936"}` + "\n" + `{"resourceType":"Patient","birthDate":"1936"}` + "\n" + `{"resourceType":"Patient","birthDate":"1937-01"}` + "\n",
		"birth-date at Patient.birthDate",
	},
	{
		"a patient of 90 and over, safe harbor", "us-safe-harbor",
		`{"resourceType":"Patient","birthDate":"1927"}`, `{"resourceType":"Patient","birthDate":"1936"}`, "birth-date at Patient.birthDate",
	},
	{
		"patient of a limited data set", "us-limited-data-set",
		`{"resourceType":"Patient","name":[{"text":"A B"}],"birthDate":"1950-05-21","address":[{"city":"Emporia","postalCode":"66801"}]}`,
		`{"resourceType":"Patient","birthDate":"1950-05-21","address":[{"city":"Emporia","postalCode":"66801"}]}`,
		"person-name at Patient.name",
	},
	{
		"JP Core: chart number, insurance identifier, name twice", "jp-policy",
		`{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11310000001","value":"00000010"},` +
			`{"system":"http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID","value":"00012345:あいう:１８７:05"}],` +
			`"name":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation","valueCode":"IDE"}],"text":"山田 太郎"},` +
			`{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation","valueCode":"SYL"}],"text":"ヤマダ タロウ"}]}`,
		`{"resourceType":"Patient","identifier":[{"system":"urn:teikyo:rekeyed","value":"P"},` +
			`{"system":"urn:oid:1.2.392.100495.20.3.61","value":"00012345"}]}`,
		"patient-id at Patient.identifier (chart number), insurance-id at Patient.identifier (insurance), person-name at Patient.name",
	},
	{
		"JP Core: coverage", "jp-policy",
		`{"resourceType":"Coverage","extension":[{"url":"http://jpfhir.jp/fhir/core/StructureDefinition/JP_Coverage_InsuredPersonSymbol","valueString":"１２"},` +
			`{"url":"http://jpfhir.jp/fhir/core/StructureDefinition/JP_Coverage_InsuredPersonNumber","valueString":"３４５"}],"status":"active",` +
			`"subscriberId":"12:345","beneficiary":{"reference":"Patient/p1","display":"山田"},"dependent":"05",` +
			`"payor":[{"identifier":{"system":"http://jpfhir.jp/fhir/core/mhlw/IdSystem/insurer-number","value":"131011"},"display":"千代田区"}]}`,
		`{"resourceType":"Coverage","status":"active","beneficiary":{"reference":"Patient/P"},` +
			`"payor":[{"identifier":{"system":"urn:oid:1.2.392.100495.20.3.61","value":"131011"}}]}`,
		"insurance-id at Extension.JP_Coverage_InsuredPersonSymbol, insurance-id at Extension.JP_Coverage_InsuredPersonNumber, " +
			"insurance-id at Coverage.subscriberId, fhir-id at Reference.reference, person-name at Reference.display, insurance-id at Coverage.dependent",
	},
	{
		"bundle", "jp-policy",
		"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\r\n \"entry\" : [\r\n  {\"fullUrl\":\"http://h.example/fhir/Patient/p1\",\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p1\"}},\r\n" +
			"  {\"fullUrl\":\"urn:uuid:7\",\"resource\":{\"resourceType\":\"Provenance\",\"id\":\"7\"}},\r\n" +
			"  {\"fullUrl\":\"urn:uuid:8\",\"resource\":{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":6.30e0,\"unit\":\"mmol/L\"}," +
			"\"code\":{\"coding\":[{\"display\":\"Glucose\"}],\"text\":\"Glucose\"},\"note\":[{\"text\":\"山田さん\"}]}}\r\n ],\"signature\":{\"data\":\"AAAA\"}\r\n}\r\n",
		"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\r\n \"entry\" : [\r\n  {\"fullUrl\":\"http://deid.invalid/fhir/Patient/P\",\"resource\":{\"resourceType\":\"Patient\",\"id\":\"P\"}},\r\n" +
			"  {\"fullUrl\":\"urn:teikyo:P\",\"resource\":{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":6.30e0,\"unit\":\"mmol/L\"}," +
			"\"code\":{\"coding\":[{\"display\":\"Glucose\"}],\"text\":\"Glucose\"}}}\r\n ]\r\n}\r\n",
		"fhir-id at Bundle.entry.fullUrl, fhir-id at Patient.id, resource at Provenance, free-text at Observation.note, attachment at Bundle.signature",
	},
	{
		"unknown elements, wrong kinds, contained resources", "jp-policy",
		`{"resourceType":"Observation","status":"final","foo":1,"_status":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},` +
			`"code":{"text":"see 山田"},"valueString":"090-1234-5678","effectiveDateTime":"2024-05-06T01:02:03+09:00",` +
			`"contained":[{"resourceType":"Foo"},{"resourceType":"Practitioner","id":"x1","name":[{"family":"A"}]}],"performer":[{"reference":"#x1"}],"component":[{"code":{},"valueBoolean":"yes"}]}`,
		`{"resourceType":"Observation","status":"final","_status":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},` +
			`"effectiveDateTime":"2024-05-06T01:02:03+09:00","contained":[{"resourceType":"Practitioner","id":"P"}],"performer":[{"reference":"#P"}],"component":[{"code":{}}]}`,
		"unknown-element at Observation.foo, free-text at CodeableConcept.text, free-text at Observation.valueString, unknown-resource at resources, " +
			"fhir-id at Practitioner.id, person-name at Practitioner.name, fhir-id at Reference.reference, wrong-kind at Observation.component.valueBoolean",
	},
	{
		"escaped names of elements, a name twice", "jp-policy",
		`{"resourceType":"Patient","n\u0061me":[{"text":"A"}],"gender":"male","name":[{"text":"B"}]}`,
		`{"resourceType":"Patient","gender":"male"}`,
		"person-name at Patient.name",
	},
	{
		"a resource nobody knows, an age, a number in a code", "jp-policy",
		`{"resourceType":"Zebra","id":"a"}` + "\n" + `{"resourceType":"Condition","onsetAge":{"value":93,"unit":"a"},"code":{"coding":[{"code":"A","display":"call 090-1234-5678"}]}}` + "\n",
		`{"resourceType":"Condition","onsetAge":{"value":90,"unit":"a"},"code":{"coding":[{"code":"A"}]}}` + "\n",
		"unknown-resource at resources, age-over-cap at Age.value, phone at Coding.display",
	},
	{
		"array of resources", "jp-policy",
		`[{"resourceType":"Person","id":"2"} , {"resourceType":"Patient","id":"1"},{"resourceType":"Patient","id":"3"}]`,
		`[  {"resourceType":"Patient","id":"P"},{"resourceType":"Patient","id":"P"}]`,
		"resource at Person, fhir-id at Patient.id",
	},
	{
		"references", "jp-policy",
		`{"resourceType":"List","entry":[{"item":{"reference":"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999974592"}},{"item":{"reference":"urn:uuid:1"}},` +
			`{"item":{"reference":"http://h/fhir/Patient/1/_history/3"}},{"item":{"reference":"Patient/1/_history/3"}},{"item":{"reference":"山田太郎"}}]}`,
		`{"resourceType":"List","entry":[{"item":{"reference":"Practitioner?identifier=urn:teikyo:rekeyed|P"}},{"item":{"reference":"urn:teikyo:P"}},` +
			`{"item":{"reference":"http://deid.invalid/fhir/Patient/P"}},{"item":{"reference":"Patient/P"}},{"item":{"reference":"urn:teikyo:P"}}]}`,
		"fhir-id at Reference.reference",
	},
}
