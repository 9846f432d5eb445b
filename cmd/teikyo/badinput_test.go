package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"teikyo/crypto"
)

// bad is a call that must be refused with words that say what to do.
type bad struct {
	name string
	who  *person
	in   string
	args []string
	code int
	says string // regular expression
}

// refuse makes the calls one after the other and wants nothing of them in the
// ledger.
func (w *world) refuse(t *testing.T, list []bad) {
	t.Helper()
	before := w.deeds()
	for _, b := range list {
		code, out, errOut := b.who.try(b.in, b.args...)
		if code != b.code || !regexp.MustCompile(b.says).MatchString(errOut) || out != "" {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", b.name, code, b.code, b.says, out, errOut)
		}
		if strings.Contains(errOut, "AGE-SECRET-KEY") || strings.Contains(errOut, "goroutine") || strings.Contains(errOut, "SQL") {
			t.Errorf("%s: the message says too much: %s", b.name, errOut)
		}
	}
	w.verifyLedger()
	if after := w.deeds(); after != before {
		t.Errorf("the ledger has %v entries, before %v", after, before)
	}
}

// deeds counts the entries of the ledger but for those that the server writes by
// itself, some time after a download.
func (w *world) deeds() int {
	w.t.Helper()
	list := w.alice.json("ledger", "list", "--limit", "200")
	if list["next_cursor"] != nil {
		w.t.Fatal("the story is too long to be counted")
	}
	count := 0
	for _, item := range list["items"].([]any) {
		if item.(map[string]any)["kind"] != "download.closed" {
			count++
		}
	}
	return count
}

// line splits a command line at spaces.
func line(text string, more ...string) []string { return append(strings.Fields(text), more...) }

func TestBadKeysAndChallenges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.partner("Keio")
	key := func(name, text string) []string {
		return line("recipient key add", r.id, "--public-file", w.file("keys/"+name, []byte(text)))
	}
	public := string(w.read(filepath.Join(r.user.home, "identity.txt.pub")))
	zero := "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq9qt5cw"
	list := []bad{
		{"malformed key", r.user, "", key("malformed", "age1nonsense"), 1, "age1"},
		{"cut key", r.user, "", key("cut", public[:len(public)-1]), 1, "age1"},
		{"empty key", r.user, "", key("empty", ""), 1, "empty"},
		{"secret key", r.user, "", key("secret", string(secretLine(w.read(r.identity)))), 1, "secret"},
		{"identity file", r.user, "", key("identity", string(w.read(r.identity))), 1, "secret"},
		{"all-zero key", r.user, "", key("zero", zero), 1, "key"},
		{"plugin key", r.user, "", key("plugin", "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"), 1, "plugin|native|age1"},
		{"ssh key", r.user, "", key("ssh", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIfRr2QpHIVCgKjPmqMHwJMUUjOQZbNlZ8BbXWBdu1w"), 1, "SSH keys are not accepted"},
		{"two keys", r.user, "", key("two", public+"\n"+public), 1, ""},
		{"same key again", r.user, "", key("again", public), 1, "already|exists"},
		{"key of nobody", w.mori, "", line("recipient key add r-aaaaaaaaaaaaaaaa --public-file", filepath.Join(r.user.home, "identity.txt.pub")), 5, "not found"},
		{"key end in the past", r.user, "", append(key("past", freshKey(t)), "--expires", day(-1)), 1, "past|later|passed"},
		{"identity of another", r.user, "", line("recipient key prove", r.id, r.keyID, "-i", w.file("keys/other", []byte(freshIdentity(t)))), 1, "identity|proved"},
	}
	w.refuse(t, list)
	for _, b := range list[:8] { // the server itself refuses them, too
		status, answer := r.user.call("POST", "/api/v1/recipients/"+r.id+"/keys", map[string]string{"Content-Type": "application/json"},
			strings.NewReader(fmt.Sprintf(`{"public":%q}`, w.read(b.args[len(b.args)-1]))))
		if status != 422 || bytes.Contains(answer, []byte("AGE-SECRET-KEY")) {
			t.Errorf("%s: %d %s", b.name, status, answer)
		}
	}
}

func freshIdentity(t *testing.T) string {
	t.Helper()
	identity, _, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func freshKey(t *testing.T) string {
	t.Helper()
	_, public, err := crypto.GenerateIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// An answer counts once, in time, for this issuer, and from the account that
// added the key.
func TestBadAnswersToChallenges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.partner("Keio")
	text := freshIdentity(t)
	id, err := crypto.ParseIdentity(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	public := id.Recipients()[0].String()
	key := r.user.json("recipient", "key", "add", r.id, "--public-file", w.file("pub", []byte(public)))["id"].(string)
	path := "/api/v1/recipients/" + r.id + "/keys/" + key
	challenge := func() crypto.Challenge {
		status, answer := r.user.call("POST", path+"/challenge", nil, nil)
		if status != http.StatusOK {
			t.Fatal(status, string(answer))
		}
		sealed, err := base64.StdEncoding.DecodeString(document(t, string(answer))["challenge"].(string))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := crypto.OpenSmall(sealed, id, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		c, err := crypto.ParseChallenge(string(opened))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	answer := func(who *person, text string) int {
		status, _ := who.call("POST", path+"/prove", map[string]string{"Content-Type": "application/json"},
			strings.NewReader(fmt.Sprintf(`{"answer":%q}`, text)))
		return status
	}
	refused := func(what string, got int, want ...int) {
		t.Helper()
		if !slices.Contains(want, got) {
			t.Errorf("%s: %d, want %v", what, got, want)
		}
	}

	foreign := challenge()
	foreign.Origin = "attacker.example"
	refused("for another origin", answer(r.user, foreign.Answer()), 403, 409, 422)
	other := challenge()
	other.RecipientID = "r-aaaaaaaaaaaaaaaa"
	refused("for another recipient", answer(r.user, other.Answer()), 403, 409, 422)
	relayed := challenge()
	refused("of another account", answer(w.mori, relayed.Answer()), 403, 409)
	old := challenge()
	if err := execSQL(filepath.Join(w.data, "teikyo.db"), "UPDATE recipient_keys SET challenge_expires = 1000000 WHERE id = '"+key+"'"); err != nil {
		t.Fatal(err)
	}
	refused("too late", answer(r.user, old.Answer()), 410)
	first := challenge()
	second := challenge()
	refused("of an earlier challenge", answer(r.user, first.Answer()), 403, 409, 422)
	_ = second
	good := challenge()
	refused("good", answer(r.user, good.Answer()), 200)
	refused("replayed", answer(r.user, good.Answer()), 409, 410)

	// The client answers nothing that is not for this recipient and key.
	elsewhere := w.partner("Osaka")
	r.user.run(5, "", "recipient", "key", "prove", elsewhere.id, elsewhere.keyID, "-i", r.identity)
	w.verifyLedger()
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.partner("Keio")
	ds := w.register("Visits", w.table("in/visits.csv", 20_000))
	ask := func(more ...string) []string {
		return append(line("request create --words study --dataset", ds, "--recipient", r.id), more...)
	}
	with := func(flags string) []string { return ask(line(flags)...) }
	good := "--purpose research --method download --until " + day(30)
	agreement := func(flags string) []string {
		return line("agreement add", append([]string{r.id, "--document", filepath.Join(w.dir, "Keio", "contract.pdf")}, line(flags)...)...)
	}
	file := filepath.Join(w.dir, "in", "visits.csv")
	w.refuse(t, []bad{{"unpublished notice", w.mori, "", with(good), 1, "teikyo notice publish --class anonymized"}})
	w.notice()
	w.refuse(t, []bad{
		{"item that the notice lacks", w.mori, "", line("request create --words x --dataset", w.other(), "--recipient", r.id, "--purpose", "research", "--method", "download", "--until", day(9)), 1, "notice"},
		{"unknown class", w.mori, "", line("dataset register --title T --class secret --item other", file), 1, `unknown data class "secret"; use one of anonymized`},
		{"unknown item", w.mori, "", line("dataset register --title T --class anonymized --item blood", file), 1, `unknown item "blood"; use one of`},
		{"unknown purpose", w.mori, "", with("--purpose fun --method download --until " + day(30)), 1, `unknown purpose "fun"; use one of`},
		{"unknown method", w.mori, "", with("--purpose research --method pigeon --until " + day(30)), 1, `unknown method "pigeon"; use one of`},
		{"unknown basis", w.mori, "", with(good + " --basis friendship"), 1, `unknown basis "friendship"; use one of`},
		{"unknown class of a notice", w.mori, "", line("notice publish --class secret --item other --method download"), 1, "unknown data class"},
		{"unknown method of an agreement", w.mori, "", agreement("--number N --purpose research --method pigeon --class anonymized --from " + day(0) + " --until " + day(9)), 1, "unknown method"},
		{"unknown role", w.alice, "", line("user create --email x@example.jp --name X --role king"), 1, "administrator, manager, auditor"},
		{"end in the past", w.mori, "", with("--purpose research --method download --until " + day(-2)), 1, "past|passed|before"},
		{"end that is no day", w.mori, "", with("--purpose research --method download --until tomorrow"), 1, `"tomorrow" is not a date; write it as 20`},
		{"recipient until the past", w.alice, "", line("recipient approve", w.applied("Past"), "--until", day(-2)), 1, "past|passed|before"},
		{"agreement that ends before it begins", w.mori, "", agreement("--number N --purpose research --method download --class anonymized --from " + day(9) + " --until " + day(1)), 1, "before|after"},
		{"agreement in the past", w.mori, "", agreement("--number N --purpose research --method download --class anonymized --from " + day(-9) + " --until " + day(-2)), 1, "past|passed|over"},
		{"wrong class and basis", w.mori, "", with(good + " --basis consent"), 1, `APPI Art. 43\(4\)`},
		{"no such dataset", w.mori, "", line("request create --words x --dataset ds-aaaaaaaaaaaaaaaa@1 --recipient", r.id, "--purpose", "research", "--method", "download", "--until", day(9)), 5, "not found|no dataset|no such"},
		{"no such version", w.mori, "", line("request create --words x --dataset", strings.Replace(ds, "@1", "@7", 1), "--recipient", r.id, "--purpose", "research", "--method", "download", "--until", day(9)), 5, "not found|no version|no such"},
		{"path that chooses nothing", w.mori, "", with(good + " --path nothing/**"), 1, "no file|matches"},
		{"version that is no number", w.mori, "", line("request create --words x --dataset", ds+"x", "--recipient", r.id), 2, "ID@VERSION"},
		{"reference without value", w.mori, "", with(good + " --ref contract"), 2, "NAME=VALUE"},
		{"unknown flag", w.mori, "", with("--frobnicate"), 2, "frobnicate"},
		{"somebody else's dataset commands", r.user, "", line("dataset list"), 4, "may not"},
		{"somebody else's recipient", r.user, "", line("recipient show", w.applied("Other")), 5, "not found"},
	})
}

// other is a version with an item that no notice of the stories names.
func (w *world) other() string {
	ds := w.mori.json("dataset", "register", "--title", "Other", "--class", "anonymized", "--item", "questionnaires", w.table("in/other.csv", 1000))
	return fmt.Sprintf("%s@%v", ds["id"], ds["version"])
}

// applied is an organisation that waits for its approval.
func (w *world) applied(name string) string {
	return w.mori.json("recipient", "apply", "--name", name, "--country", "JP", "--address", "1-2-3", "--representative", "Ito",
		"--email", "x@example.jp")["id"].(string)
}

// Who may decide, and about what.
func TestBadDecisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.notice()
	r := w.partner("Keio")
	ds := w.register("Visits", w.table("in/visits.csv", 20_000))
	carol, dora := w.person("Carol"), w.person("Dora")
	w.invite(w.alice, carol, "administrator")
	w.bob.run(0, "", "user", "confirm", carol.id)
	w.invite(w.alice, dora, "manager")

	own := w.request(ds, r)
	byAlice := w.alice.json("request", "create", "--dataset", ds, "--recipient", r.id, "--purpose", "research", "--words", "x",
		"--method", "download", "--until", day(9))["id"].(string)
	changed := w.request(ds, r)
	withdrawn := w.request(ds, r)
	w.mori.json("request", "withdraw", withdrawn)
	w.refuse(t, []bad{
		{"self-approval", w.mori, "", line("request approve --reason x", own), 4, "what they asked for themselves"},
		{"by somebody who is not confirmed", dora, "", line("request approve --reason x", own), 4, "not confirmed yet; .*teikyo user confirm"},
		{"by the person one invited", w.bob, "", line("request approve --reason x", byAlice), 4, "independent: .*teikyo user confirm " + w.bob.id},
		{"by the recipient", r.user, "", line("request approve --reason x", own), 4, "may not"},
		{"of what is withdrawn", w.alice, "", line("request approve --reason x", withdrawn), 1, "withdrawn"},
		{"of nothing", w.alice, "", line("request approve --reason x q-aaaaaaaaaaaaaaaa"), 5, "not found"},
		{"without a reason", w.alice, "", line("request reject", own), 2, "reason"},
		{"confirmation by the inviter", w.alice, "", line("user confirm", dora.id), 4, "must confirm it"},
		{"confirmation of oneself", w.alice, "", line("user confirm", w.alice.id), 4, ""},
	})
	w.mori.json("agreement", "end", r.agreement, "--reason", "a new one comes")
	w.mori.json("agreement", "add", r.id, "--number", "A-2", "--document", filepath.Join(w.dir, "Keio", "contract.pdf"), "--purpose", "research",
		"--method", "download", "--class", "anonymized", "--from", day(-1), "--until", day(100))
	w.refuse(t, []bad{{"of an agreement that has ended", carol, "", line("request approve --reason x", changed), 1, "has ended; use another one"}})
	r.agreement, r.number = "A-2", "A-2"
	changed = w.request(ds, r)
	w.notice()
	w.refuse(t, []bad{{"of what has changed", carol, "", line("request approve --reason x", changed), 1, "something changed since the request was made: notice; return it"}})
}
