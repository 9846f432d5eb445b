package crypto_test

import (
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"teikyo/crypto"
)

func TestParseRecipient(t *testing.T) {
	t.Parallel()
	classic, hybrid := newPerson(t, false), newPerson(t, true)
	secret := strings.Split(classic.file, "\n")[1]
	pqSecret := strings.Split(hybrid.file, "\n")[1]
	public := classic.rcpt.String()
	tests := []struct {
		name, in string
		want     error
	}{
		{"classic", public, nil},
		{"hybrid", hybrid.rcpt.String(), nil},
		{"white space around", "\r\n \t" + public + " \r\n", nil},
		{"comment", "# our key\n" + public + "\n", nil},
		{"secret key", secret, crypto.ErrSecretKey},
		{"hybrid secret key", pqSecret, crypto.ErrSecretKey},
		{"secret key in lower case", strings.ToLower(secret), crypto.ErrSecretKey},
		{"secret key broken by a mail program", secret[:9] + "\n " + secret[9:], crypto.ErrSecretKey},
		{"identity file", classic.file, crypto.ErrSecretKey},
		{"secret behind 4 KiB", strings.Repeat(" ", 5000) + secret, crypto.ErrSecretKey},
		{"PEM secret key", "-----BEGIN OPENSSH PRIVATE KEY-----\nx", crypto.ErrSecretKey},
		{"plugin", "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", crypto.ErrPluginKey},
		{"tag", "age1tag1qwe0kafsjrar4txm6heqnhpfuggzr0gvznz7fvygxrlq90u5mq2pysxtw6h", crypto.ErrPluginKey},
		{"plugin identity", "AGE-PLUGIN-YUBIKEY-1QQPSXQYZ", crypto.ErrPluginKey},
		{"ssh-ed25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN", crypto.ErrSSHKey},
		{"ssh-rsa", "ssh-rsa AAAA", crypto.ErrSSHKey},
		{"sk key", "sk-ssh-ed25519@openssh.com AAAA", crypto.ErrSSHKey},
		{"empty", "", crypto.ErrBadKey},
		{"only a comment", "# nothing", crypto.ErrBadKey},
		{"two keys", public + "\n" + hybrid.rcpt.String(), crypto.ErrBadKey},
		{"one letter wrong", public[:20] + "b" + public[21:], crypto.ErrBadKey},
		{"cut", public[:50], crypto.ErrBadKey},
		{"hybrid cut", hybrid.rcpt.String()[:500], crypto.ErrBadKey},
		{"too long", public + strings.Repeat("\n#", 4000), crypto.ErrBadKey},
		{"all zero", "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z", crypto.ErrWeakKey},
		{"order eight", "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9", crypto.ErrWeakKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := crypto.ParseRecipient(tt.in)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), secret[20:]) || r.String() != "") {
				t.Errorf("the error repeats the input: %v", err)
			}
			if err == nil && !strings.Contains(tt.in, r.String()) {
				t.Errorf("another key: %s", r)
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	r, err := crypto.ParseRecipient("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj")
	check(t, err)
	// printf %s KEY | sha256sum | xxd -r -p | head -c 25 | base32 | tr A-Z a-z
	if got := r.Fingerprint(); got != "nkaeo-44yfb-apu7v-ohbdq-pgstw-cyubv-tycmg-4ndy4" {
		t.Error(got)
	}
	if newPerson(t, true).rcpt.PostQuantum() == newPerson(t, false).rcpt.PostQuantum() {
		t.Error("both kinds alike")
	}
}

func TestIdentityFile(t *testing.T) {
	t.Parallel()
	classic, hybrid := newPerson(t, false), newPerson(t, true)
	both := "# created: 2026-04-01T12:00:00Z\r\n" + strings.ReplaceAll(classic.file, "\n", "\r\n") + "\n" + hybrid.file
	id, err := crypto.ParseIdentity(strings.NewReader(both))
	check(t, err)
	if r := id.Recipients(); len(r) != 2 || r[0].String() != classic.rcpt.String() || r[1].String() != hybrid.rcpt.String() {
		t.Errorf("recipients %v", r)
	}
	if _, err := age.ParseIdentities(strings.NewReader(both)); err != nil {
		t.Errorf("age: %v", err)
	}
	secret := strings.Split(classic.file, "\n")[1]
	for name, bad := range map[string]string{
		"empty": "", "comment": "# x\n", "public": classic.rcpt.String(), "wrong letter": secret[:30] + "B" + secret[31:],
		"lower case": strings.ToLower(secret), "two on a line": secret + secret, "long": strings.Repeat("#\n", 40_000) + secret,
	} {
		_, err := crypto.ParseIdentity(strings.NewReader(bad))
		if !errors.Is(err, crypto.ErrBadIdentity) || strings.Contains(err.Error(), secret[20:25]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealSmall(t *testing.T) {
	t.Parallel()
	p, other := newPerson(t, true), newPerson(t, true)
	sealed, err := crypto.SealSmall([]byte("twelve bytes"), p.rcpt)
	check(t, err)
	if got, err := crypto.OpenSmall(sealed, p.id, 12); string(got) != "twelve bytes" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := crypto.OpenSmall(sealed, p.id, 11); !errors.Is(err, crypto.ErrTooLarge) {
		t.Errorf("limit: %v", err)
	}
	if _, err := crypto.OpenSmall(sealed, other.id, 99); !errors.Is(err, crypto.ErrWrongIdentity) {
		t.Errorf("another identity: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := crypto.OpenSmall(sealed, p.id, 99); !errors.Is(err, crypto.ErrPayload) {
		t.Errorf("altered: %v", err)
	}
	if _, err := crypto.OpenSmall([]byte("no"), p.id, 99); !errors.Is(err, crypto.ErrHeader) {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadRecipient(t *testing.T) {
	t.Parallel()
	p := newPerson(t, false)
	loaded, err := crypto.LoadRecipient(p.rcpt.String())
	if err != nil || loaded.Fingerprint() != p.rcpt.Fingerprint() || loaded.HeaderSize() != p.rcpt.HeaderSize() {
		t.Errorf("got %v, %v", loaded.Fingerprint(), err)
	}
	if _, err := crypto.LoadRecipient("age1nothing"); !errors.Is(err, crypto.ErrBadKey) {
		t.Error(err)
	}
}
