package change_test

import (
	"context"
	"strings"
	"testing"

	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/deid/recognise"
)

// A rekey that a format asks for by itself, under a profile that names none, has
// no key: the value is taken out, not hashed.
func TestNothingIsHashedWithoutAKey(t *testing.T) {
	t.Parallel()
	p, err := profile.Parse([]byte("teikyo_profile: 1\nname: small\nversion: \"1\"\ntitle: no pseudonyms\n"))
	if err != nil {
		t.Fatal(err)
	}
	changer, err := change.New(context.Background(), p, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []profile.Action{profile.Rekey, profile.Shift} {
		f := changer.Field("fhir", "id."+string(action), recognise.PatientID, profile.Rule{Action: action})
		if got := f.Value([]byte("12345678")); len(got) != 0 {
			t.Errorf("%s without a key gave %q", action, got)
		}
	}
	for _, f := range changer.Report().Fields {
		if f.Action != string(profile.Empty) || f.Changed != 1 {
			t.Errorf("the report says %+v", f)
		}
	}
}

// A profile with pseudonyms needs a key, and the message says how to give one.
func TestPseudonymsNeedAKey(t *testing.T) {
	t.Parallel()
	p, err := profile.Shipped("jp-policy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change.New(context.Background(), p, nil, nil, ""); err == nil || !strings.Contains(err.Error(), "--destroy-key") {
		t.Errorf("got %v", err)
	}
}
