package access_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/database/dbtest"
	"teikyo/models"
)

func (b *bench) try(t *testing.T, email, word, address string) error {
	t.Helper()
	_, err := b.SignIn(t.Context(), access.Actor{Address: address}, access.Credentials{Email: email, Password: word})
	return err
}

func wait(err error) time.Duration {
	var e *models.Error
	if errors.As(err, &e) && e.Kind == models.RateLimited {
		return e.RetryAfter
	}
	return 0
}

// An account that does not exist answers, delays and works like one that does.
func TestUnknownLooksLikeWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	var answers [2][]string
	for i, email := range []string{"first@example.jp", "nobody@example.jp"} {
		b.hasher.checks = nil
		for range 8 {
			err := b.try(t, email, "wrong password", fmt.Sprintf("192.0.2.%d", i))
			answers[i] = append(answers[i], fmt.Sprint(models.KindOf(err), err, wait(err)))
		}
		if len(b.hasher.checks) != 6 {
			t.Errorf("%s: %d passwords compared, want 6: five free, and one with a wait after it", email, len(b.hasher.checks))
		}
	}
	if fmt.Sprint(answers[0]) != fmt.Sprint(answers[1]) {
		t.Errorf("known:   %q\nunknown: %q", answers[0], answers[1])
	}
	b.hasher.checks = nil
	refused(t, b.try(t, "no address at all", "wrong password", "192.0.2.9"), models.Denied, "wrong")
	refused(t, b.try(t, "first@example.jp", strings.Repeat("x", 2000), "192.0.2.10"), models.RateLimited, "too many")
	refused(t, b.try(t, "other@example.jp", strings.Repeat("x", 2000), "192.0.2.10"), models.Denied, "wrong")
	if len(b.hasher.checks) != 2 {
		t.Errorf("%d passwords compared", len(b.hasher.checks))
	}
}

func TestRealHashTakesTheSameTimeForUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Hasher = crypto.NewPasswordHasher(rand.Reader, 1)
	b.first(t)
	b.signIn(t, "first@example.jp")
	took := map[string]time.Duration{}
	for range 4 { // the fastest of each: what else runs here only slows down
		for _, email := range []string{"first@example.jp", "nobody@example.jp"} {
			start := time.Now()
			refused(t, b.try(t, email, "wrong password", "192.0.2.1"), models.Denied, "wrong")
			if d := time.Since(start); took[email] == 0 || d < took[email] {
				took[email] = d
			}
		}
	}
	known, unknown := took["first@example.jp"], took["nobody@example.jp"]
	if unknown < known/3 || known < unknown/3 {
		t.Errorf("known %s, unknown %s", known, unknown)
	}
}

func TestDelaysGrowAndEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	for i := range 6 { // from many addresses: the account itself counts
		refused(t, b.try(t, "first@example.jp", "wrong password", fmt.Sprintf("198.51.100.%d", i)), models.Denied, "wrong")
	}
	last := time.Duration(0)
	for i := range 12 {
		err := b.try(t, "first@example.jp", password, "203.0.113.1") // right, but too early
		d := wait(err)
		if d == 0 || d < last || d > 5*time.Minute {
			t.Fatalf("wait %s after %s: %v", d, last, err)
		}
		// Asking again while waiting makes it no longer.
		if again := wait(b.try(t, "first@example.jp", password, "203.0.113.1")); again != d {
			t.Fatalf("wait %s, then %s", d, again)
		}
		last = d
		b.pass(d)
		refused(t, b.try(t, "first@example.jp", "wrong password", fmt.Sprintf("198.51.100.%d", 100+i)), models.Denied, "wrong")
	}
	if last < 2*time.Minute {
		t.Errorf("the wait grew to %s only", last)
	}
	b.pass(5 * time.Minute)
	check(t, b.try(t, "first@example.jp", password, "203.0.113.1"))
	check(t, b.try(t, "first@example.jp", password, "203.0.113.2")) // forgotten
}

// Failures from elsewhere do not keep people out where they always sign in.
func TestNobodyIsShutOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	check(t, b.try(t, "first@example.jp", password, "192.0.2.1"))
	for i := range 50 {
		if err := b.try(t, "first@example.jp", "wrong password", fmt.Sprintf("198.51.100.%d", i)); err == nil {
			t.Fatal("signed in")
		}
	}
	check(t, b.try(t, "first@example.jp", password, "192.0.2.1"))
	if wait(b.try(t, "first@example.jp", password, "192.0.2.2")) == 0 {
		t.Error("failures from elsewhere were forgotten by a sign-in at the usual address")
	}
	// There the account is delayed as well, after more failures.
	failures := 0
	for wait(b.try(t, "first@example.jp", "wrong password", "192.0.2.1")) == 0 {
		if failures++; failures > 20 {
			t.Fatal("no delay at the usual address")
		}
	}
}

func TestAddressIsDelayedOverManyAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	tries := 0
	for ; wait(b.try(t, fmt.Sprintf("user%d@example.jp", tries), "wrong password", "2001:db8::1")) == 0; tries++ {
		if tries > 100 {
			t.Fatal("no delay")
		}
	}
	if tries != 21 {
		t.Errorf("%d tries before the first delay", tries)
	}
	if wait(b.try(t, "first@example.jp", password, "2001:db8::ffff:2")) == 0 {
		t.Error("another address of the same /64 is not delayed")
	}
	check(t, b.try(t, "first@example.jp", password, "2001:db8:0:1::1"))
}

// Many guesses at once are counted one by one.
func TestParallelGuessesAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	inParallel(60, func(i int) error {
		return b.try(t, "first@example.jp", "wrong password", fmt.Sprintf("192.0.2.%d", i))
	}, func(error) {})
	if n := len(b.hasher.checks); n != 6 {
		t.Errorf("%d guesses were answered", n)
	}
}

func TestManySignInsAtOnceOfOnePerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	check(t, b.try(t, "first@example.jp", password, "192.0.2.1"))
	wins := inParallel(8, func(int) error { return b.try(t, "first@example.jp", password, "192.0.2.1") },
		func(err error) { t.Error(err) })
	if wins != 8 {
		t.Errorf("%d of 8", wins)
	}
	for range 100 { // a success is no failure
		check(t, b.try(t, "first@example.jp", password, "192.0.2.1"))
	}
}

func TestBrowserSessionEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	in := access.Credentials{Email: "first@example.jp", Password: password, Browser: true}
	signed, err := b.SignIn(t.Context(), access.Actor{}, in)
	check(t, err)
	if signed.Token.Kind != models.BrowserSession || !strings.HasPrefix(signed.Secret, "ts_") {
		t.Fatalf("%+v", signed.Token)
	}
	for range 20 { // in use, it lasts
		b.pass(access.SessionIdle / 2)
		b.actor(t, signed.Secret)
	}
	b.pass(access.SessionLife - 20*access.SessionIdle/2)
	_, err = b.Authenticate(t.Context(), signed.Secret)
	refused(t, err, models.Denied, "not valid")

	idle, err := b.SignIn(t.Context(), access.Actor{}, in)
	check(t, err)
	b.pass(access.SessionIdle)
	_, err = b.Authenticate(t.Context(), idle.Secret)
	refused(t, err, models.Denied, "not valid")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	other := b.join(t, admin, "m@example.jp", models.Manager)
	signed, err := b.CreateToken(t.Context(), other, "nightly", time.Hour)
	check(t, err)
	forever, err := b.CreateToken(t.Context(), other, "forever", 0)
	check(t, err)
	_, err = b.CreateToken(t.Context(), other, "past", -time.Hour)
	refused(t, err, models.Invalid, "expired")
	_, err = b.CreateToken(t.Context(), other, "", 0)
	refused(t, err, models.Invalid, "name")
	_, err = b.CreateToken(t.Context(), access.Actor{}, "x", 0)
	refused(t, err, models.Denied, "sign in")

	list, err := b.Tokens(t.Context(), other, models.Page{})
	check(t, err)
	if len(list) != 3 {
		t.Errorf("%d tokens", len(list))
	}
	refused(t, b.RevokeToken(t.Context(), admin, signed.Token.ID), models.NotFound, "not found")
	refused(t, b.RevokeToken(t.Context(), admin, "t-nothing"), models.NotFound, "not found")
	b.actor(t, signed.Secret)
	b.pass(time.Hour)
	_, err = b.Authenticate(t.Context(), signed.Secret)
	refused(t, err, models.Denied, "not valid")
	b.pass(10 * 365 * 24 * time.Hour)
	b.actor(t, forever.Secret)
	check(t, b.RevokeToken(t.Context(), other, forever.Token.ID))
	_, err = b.Authenticate(t.Context(), forever.Secret)
	refused(t, err, models.Denied, "not valid")
	refused(t, b.RevokeToken(t.Context(), other, forever.Token.ID), models.Conflict, "already")
}

func TestSignOutEndsOneToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.first(t)
	one, two := b.signIn(t, "first@example.jp"), b.signIn(t, "first@example.jp")
	actor := b.actor(t, one.Secret)
	user, token, err := b.Me(t.Context(), actor)
	check(t, err)
	if user.ID != actor.UserID || token.ID != one.Token.ID {
		t.Errorf("%s %s", user.ID, token.ID)
	}
	check(t, b.SignOut(t.Context(), actor))
	_, err = b.Authenticate(t.Context(), one.Secret)
	refused(t, err, models.Denied, "not valid")
	b.actor(t, two.Secret)
	for _, secret := range []string{"", "x", "tk_", "ts_x", two.Token.Hash, "tk_" + two.Token.Hash, strings.Repeat("tk_", 10000)} {
		_, err = b.Authenticate(t.Context(), secret)
		refused(t, err, models.Denied, "not valid")
	}
}

// No secret stands in the database files; a planted one proves the search.
func TestNoSecretAtRest(t *testing.T) {
	t.Parallel()
	if dbtest.OnPostgres() {
		return // the rows are the same, and the files are another program's
	}
	b := setup(t)
	b.Hasher = crypto.NewPasswordHasher(rand.Reader, 2)
	admin := b.first(t)
	signed := b.signIn(t, "first@example.jp")
	_, code, err := b.Invite(t.Context(), admin, access.Invitation{Email: "m@example.jp", Name: "planted-name", Role: models.Manager})
	check(t, err)
	refused(t, b.try(t, "tried-address@example.jp", "tried-password", "192.0.2.1"), models.Denied, "wrong")
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"planted-name", true}, {password, false}, {signed.Secret[3:], false}, {code, false},
		{"tried-password", false}, {"tried-address", false},
	} {
		if got := b.holds(t, tt.text); got != tt.want {
			t.Errorf("%q in the data folder: %v", tt.text, got)
		}
	}
}

func (b *bench) holds(t *testing.T, text string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "*"))
	check(t, err)
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		check(t, err)
		if strings.Contains(string(data), text) {
			return true
		}
	}
	return false
}
