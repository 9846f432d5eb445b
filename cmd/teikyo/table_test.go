package main

import (
	"bytes"
	"testing"
)

func TestTableAlignsWideCharacters(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := writeTable(&out, [][]string{{"NAME", "STATE"}, {"東都大学", "approved"}, {"Acme", shortTime("2027-03-31T15:00:00Z")}})
	want := "NAME      STATE\n東都大学  approved\nAcme      2027-03-31 15:00Z\n"
	if err != nil || out.String() != want {
		t.Errorf("got\n%s%v", out.String(), err)
	}
}
