package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The token of one server is not for another one that somebody names.
func TestTokensStayWithTheirServer(t *testing.T) {
	t.Parallel()
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer other.Close()
	for _, test := range []struct {
		cred credentials
		args []string
		sent string
		code int
	}{
		{credentials{Server: "https://data.example.jp", Token: "tk_mine"}, []string{"whoami"}, "", 4},
		{credentials{Server: other.URL + "/", Token: "tk_mine"}, []string{"whoami"}, "Bearer tk_mine", 4},
		{credentials{Token: "tk_mine"}, []string{"whoami"}, "Bearer tk_mine", 4},
	} {
		got = nil
		c := &cli{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, home: t.TempDir()}
		if err := c.saveCredentials(test.cred); err != nil {
			t.Fatal(err)
		}
		code := c.run(t.Context(), append(test.args, "--server", other.URL))
		if code != test.code || len(got) != 1 || got[0] != test.sent {
			t.Errorf("%+v: code %d, sent %q", test.cred, code, got)
		}
	}
	errOut := &bytes.Buffer{}
	c := &cli{in: strings.NewReader(""), out: &bytes.Buffer{}, err: errOut, home: t.TempDir()}
	mine := credentials{Server: "https://data.example.jp", Token: "tk_mine"}
	if err := c.saveCredentials(mine); err != nil {
		t.Fatal(err)
	}
	if code := c.run(t.Context(), []string{"logout", "--server", other.URL}); code != 4 || !strings.Contains(errOut.String(), "not to "+other.URL) {
		t.Errorf("code %d, %q", code, errOut)
	}
	if kept, err := c.loadCredentials(); err != nil || kept != mine {
		t.Errorf("kept %+v, %v", kept, err)
	}
}
