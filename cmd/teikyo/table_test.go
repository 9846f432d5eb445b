package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"teikyo/models"
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

// What others wrote does not steer the terminal of who reads it.
func TestAnswersDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	const bad = "a\x1b]0;b\ac\u009b2Jd\u202ee"
	text, err := json.Marshal(map[string]any{"title": bad + "\nsecond", "list": []string{bad}})
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	c := &cli{out: &out, err: &errOut}
	if err := c.show(text, "title", "list"); err != nil {
		t.Error(err)
	}
	if err := c.table(json.RawMessage(`{"items":[`+string(text)+`]}`), "title", "list"); err != nil {
		t.Error(err)
	}
	c.printError(&models.Error{Kind: models.Invalid, Msg: bad, Findings: []models.Finding{{ID: bad, Location: bad, Msg: bad}}})
	c.say("%s", bad)
	got := out.String() + errOut.String()
	if strings.ContainsAny(got, "\x1b\a\u009b\u202e") {
		t.Errorf("%q", got)
	}
	if !strings.Contains(got, "second") || !strings.Contains(got, "a ]0;b c 2Jd e") {
		t.Errorf("words are lost: %q", got)
	}
}
