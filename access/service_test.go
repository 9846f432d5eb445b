package access_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/access"
	"teikyo/database"
	"teikyo/database/dbtest"
	"teikyo/ledger"
	"teikyo/ledger/ledgertest"
	"teikyo/models"
)

const password = "correct horse battery staple"

// bench is a service on a real database, with a clock that the test moves.
type bench struct {
	*access.Service
	db     *database.DB
	dir    string
	hasher *quickHasher

	mu   sync.Mutex
	time time.Time
}

// quickHasher stands for argon2id, which takes 30 ms by design, and counts.
type quickHasher struct {
	mu     sync.Mutex
	checks []string // the stored hashes that were compared with
}

func (*quickHasher) Hash(_ context.Context, password string) (string, error) {
	return "quick:" + strings.ToUpper(password), nil
}

func (q *quickHasher) Check(_ context.Context, password, hash string) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.checks = append(q.checks, hash)
	return hash == "quick:"+strings.ToUpper(password), nil
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), hasher: &quickHasher{}, dir: t.TempDir()}
	var err error
	b.db, err = database.Open(t.Context(), database.Options{
		URL: dbtest.URL(t, b.dir), Rand: rand.Reader, Now: b.now,
	})
	check(t, err)
	t.Cleanup(func() {
		ledgertest.CheckLedger(t, b.db, ledger.VerifyOptions{})
		b.db.Close()
	})
	b.Service = &access.Service{Store: b.db, Hasher: b.hasher, Now: b.now, Rand: rand.Reader}
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused wants an error of that kind whose message holds the words.
func refused(t *testing.T, err error, kind models.ErrorKind, words string) {
	t.Helper()
	if !models.IsKind(err, kind) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (%s), want %s with %q", err, models.KindOf(err), kind, words)
	}
}

// first sets the server up.
func (b *bench) first(t *testing.T) access.Actor {
	t.Helper()
	code, needed, err := b.NewSetupCode(t.Context())
	check(t, err)
	if !needed {
		t.Fatal("no setup code")
	}
	signed, err := b.Setup(t.Context(), code, access.Person{Email: "First@example.jp", Name: "青木 一", Password: password})
	check(t, err)
	return b.actor(t, signed.Secret)
}

func (b *bench) actor(t *testing.T, secret string) access.Actor {
	t.Helper()
	actor, err := b.Authenticate(t.Context(), secret)
	check(t, err)
	return actor
}

// join makes an account that has accepted its invitation and signed in.
func (b *bench) join(t *testing.T, inviter access.Actor, email string, role models.Role) access.Actor {
	t.Helper()
	in := access.Invitation{Email: email, Name: email, Role: role}
	if role == models.RecipientUser {
		in.RecipientID = "r-aaaaaaaaaaaaaaaa"
	}
	_, code, err := b.Invite(t.Context(), inviter, in)
	check(t, err)
	_, err = b.Accept(t.Context(), code, password)
	check(t, err)
	return b.actor(t, b.signIn(t, email).Secret)
}

func (b *bench) signIn(t *testing.T, email string) access.SignedIn {
	t.Helper()
	signed, err := b.SignIn(t.Context(), access.Actor{Address: "192.0.2.7"}, access.Credentials{Email: email, Password: password})
	check(t, err)
	return signed
}

// whats are the changes of accounts in the ledger, in order.
func (b *bench) whats(t *testing.T) []string {
	t.Helper()
	var list []string
	for r, err := range b.db.Records(t.Context(), 0) {
		check(t, err)
		var d struct{ What string }
		check(t, json.Unmarshal(r.Details, &d))
		if r.Kind != ledger.UserChanged || !models.IsID(r.IDs["user"], "u") || !models.IsID(r.IDs["actor"], "u") {
			t.Errorf("entry %d: %s %v", r.Index, r.Kind, r.IDs)
		}
		list = append(list, d.What)
	}
	return list
}

func TestSetupHappensOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	used := 0
	b.OnSetupUsed = func() { used++ }
	old, _, err := b.NewSetupCode(t.Context())
	check(t, err)
	code, _, err := b.NewSetupCode(t.Context()) // a restart
	check(t, err)
	p := access.Person{Email: "  First@Example.JP ", Name: "青木 一", Password: password}

	for _, wrong := range []string{"", "nonsense", old} {
		_, err = b.Setup(t.Context(), wrong, p)
		refused(t, err, models.Denied, "setup code is wrong")
	}
	_, err = b.Setup(t.Context(), code, access.Person{Email: "first", Name: "x", Password: password})
	refused(t, err, models.Invalid, "e-mail")
	if used != 0 {
		t.Fatal("a failed setup used the code")
	}
	signed, err := b.Setup(t.Context(), code, p)
	check(t, err)
	u := signed.User
	if u.Email != "first@example.jp" || u.Role != models.Administrator || !u.Confirmed() || u.IndependentlyConfirmed() || used != 1 {
		t.Fatalf("%+v, used %d times", u, used)
	}
	if !strings.HasPrefix(signed.Secret, "tk_") || b.actor(t, signed.Secret).UserID != u.ID {
		t.Fatal("not signed in")
	}
	_, err = b.Setup(t.Context(), code, p)
	refused(t, err, models.Conflict, "has been set up")
	if _, needed, err := b.NewSetupCode(t.Context()); needed || err != nil {
		t.Fatalf("a second setup code: %v, %v", needed, err)
	}
}

func TestParallelSetupsMakeOneAdministrator(t *testing.T) {
	t.Parallel()
	b := setup(t)
	code, _, err := b.NewSetupCode(t.Context())
	check(t, err)
	wins := inParallel(20, func(i int) error {
		_, err := b.Setup(t.Context(), code, access.Person{
			Email: string(rune('a'+i)) + "@example.jp", Name: "x", Password: password,
		})
		return err
	}, func(err error) { refused(t, err, models.Conflict, "has been set up") })
	if wins != 1 {
		t.Fatalf("%d administrators", wins)
	}
}

// inParallel counts how many of n calls succeed, and hands the errors of the
// others to lost.
func inParallel(n int, call func(i int) error, lost func(error)) (wins int) {
	errs := make(chan error, n)
	start := make(chan struct{})
	for i := range n {
		go func() {
			<-start
			errs <- call(i)
		}()
	}
	close(start)
	for range n {
		if err := <-errs; err != nil {
			lost(err)
		} else {
			wins++
		}
	}
	return wins
}

func TestInvitationIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	user, code, err := b.Invite(t.Context(), admin, access.Invitation{Email: "m@example.jp", Name: "森", Role: models.Manager})
	check(t, err)
	wins := inParallel(100, func(int) error {
		_, err := b.Accept(t.Context(), code, password)
		return err
	}, func(err error) { refused(t, err, models.Expired, "was used") })
	if wins != 1 {
		t.Fatalf("%d accepts", wins)
	}
	if got := b.signIn(t, "M@example.jp").User; got.ID != user.ID || got.Confirmed() {
		t.Fatalf("%+v", got)
	}
	if got, want := strings.Join(b.whats(t), ", "), "set up, invited, accepted"; got != want {
		t.Fatalf("ledger: %s", got)
	}
}

func TestInvitationsThatDoNotCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	user, code, err := b.Invite(t.Context(), admin, access.Invitation{Email: "m@example.jp", Name: "森", Role: models.Manager})
	check(t, err)
	_, err = b.Accept(t.Context(), "nonsense", password)
	refused(t, err, models.NotFound, "unknown")
	_, err = b.Accept(t.Context(), "", password)
	refused(t, err, models.NotFound, "unknown")
	_, err = b.Accept(t.Context(), code, "short")
	refused(t, err, models.Invalid, "too short")

	_, newer, err := b.Reset(t.Context(), admin, user.ID)
	check(t, err)
	_, err = b.Accept(t.Context(), code, password)
	refused(t, err, models.NotFound, "newer")

	b.pass(access.InviteLife)
	_, err = b.Accept(t.Context(), newer, password)
	refused(t, err, models.Expired, "expired")

	_, newest, err := b.Reset(t.Context(), admin, user.ID)
	check(t, err)
	_, err = b.Disable(t.Context(), admin, user.ID)
	check(t, err)
	_, err = b.Accept(t.Context(), newest, password)
	refused(t, err, models.Expired, "invitation")
	_, err = b.Enable(t.Context(), admin, user.ID)
	refused(t, err, models.Conflict, "no password")
}

func TestInviteRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	manager := b.join(t, admin, "m@example.jp", models.Manager)
	good := access.Invitation{Email: "n@example.jp", Name: "n", Role: models.Manager}
	_, _, err := b.Invite(t.Context(), manager, good)
	refused(t, err, models.Denied, "manager")

	tests := []struct {
		name  string
		edit  func(*access.Invitation)
		kind  models.ErrorKind
		words string
	}{
		{"taken address", func(in *access.Invitation) { in.Email = "FIRST@example.jp" }, models.Conflict, "there is an account"},
		{"no address", func(in *access.Invitation) { in.Email = "" }, models.Invalid, "e-mail"},
		{"name in the address", func(in *access.Invitation) { in.Email = "N <n@example.jp>" }, models.Invalid, "e-mail"},
		{"line end in the address", func(in *access.Invitation) { in.Email = "n@example.jp\r\nBcc: x@example.jp" }, models.Invalid, "e-mail"},
		{"long address", func(in *access.Invitation) { in.Email = strings.Repeat("n", 250) + "@example.jp" }, models.Invalid, "e-mail"},
		{"no name", func(in *access.Invitation) { in.Name = " " }, models.Invalid, "name"},
		{"right-to-left mark in the name", func(in *access.Invitation) { in.Name = "ab\u202ec" }, models.Invalid, "name"},
		{"NUL in the name", func(in *access.Invitation) { in.Name = "a\x00b" }, models.Invalid, "name"},
		{"broken UTF-8 in the name", func(in *access.Invitation) { in.Name = "a\xff" }, models.Invalid, "name"},
		{"unknown role", func(in *access.Invitation) { in.Role = "owner" }, models.Invalid, "role"},
		{"the program's role", func(in *access.Invitation) { in.Role = models.System }, models.Invalid, "role"},
		{"recipient without recipient", func(in *access.Invitation) { in.Role = models.RecipientUser }, models.Invalid, "recipient"},
		{"manager with recipient", func(in *access.Invitation) { in.RecipientID = "r-aaaaaaaaaaaaaaaa" }, models.Invalid, "recipient"},
	}
	for _, tt := range tests {
		in := good
		tt.edit(&in)
		_, _, err := b.Invite(t.Context(), admin, in)
		if !models.IsKind(err, tt.kind) || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: got %v, want %s with %q", tt.name, err, tt.kind, tt.words)
		}
	}
	b.Recipients = b.db
	_, _, err = b.Invite(t.Context(), admin, access.Invitation{
		Email: "r@example.jp", Name: "r", Role: models.RecipientUser, RecipientID: "r-aaaaaaaaaaaaaaaa",
	})
	refused(t, err, models.NotFound, "no recipient")
}

func TestPasswordsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.first(t)
	_, code, err := b.Invite(t.Context(), admin, access.Invitation{Email: "m.long@example.jp", Name: "m", Role: models.Manager})
	check(t, err)
	for name, bad := range map[string]string{
		"empty": "", "11 characters": "abcdefghijk", "11 characters, 33 bytes": "あいうえおかきくけこさ",
		"1,025 bytes": strings.Repeat("abcde", 205), "one character": strings.Repeat("a", 20), "four characters": "abcdabcdabcdabcd",
		"the address": "M.Long@example.jp", "NUL": "correct horse\x00battery", "line end": "correct horse\nbattery", "broken UTF-8": "correct horse \xff",
	} {
		_, err := b.Accept(t.Context(), code, bad)
		if !models.IsKind(err, models.Invalid) || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = b.Accept(t.Context(), code, "パスワードはがぎぐげご") // composed
	refused(t, err, models.Invalid, "too short")
	_, err = b.Accept(t.Context(), code, "ながい が っぱ ことば") // ok: counted as people count
	check(t, err)
	// The same words from a keyboard that decomposes.
	_, err = b.SignIn(t.Context(), access.Actor{Address: "192.0.2.1"},
		access.Credentials{Email: "m.long@example.jp", Password: "ながい か\u3099 っは\u309a ことは\u3099"})
	check(t, err)
}
