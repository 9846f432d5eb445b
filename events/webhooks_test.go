package events_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/egress"
	"teikyo/events"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
)

var admin = access.Actor{UserID: "u-admin", Role: models.Administrator}

// receiver is a server that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	got      []received
	answer   func(n int) int // status of the n-th message; nil: 204
	location string
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, received{req.Header.Clone(), body})
	status := http.StatusNoContent
	if r.answer != nil {
		status = r.answer(len(r.got))
	}
	if r.location != "" {
		w.Header().Set("Location", r.location)
	}
	w.WriteHeader(status)
}

func (r *receiver) messages() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// hookBench is webhooks on a ledger, with a queue and a clock that can be moved.
type hookBench struct {
	*bench
	hooks *events.Webhooks
	path  string

	mu    sync.Mutex
	moved time.Duration
}

func newHookBench(t *testing.T, r *receiver, guard egress.Guard) *hookBench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.db")
	b := &hookBench{bench: newBench(t, "sqlite:"+path), path: path}
	kek, err := crypto.OpenFileKeyring(filepath.Join(t.TempDir(), "keys"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	b.hooks = &events.Webhooks{
		Store: b.db, KEK: kek, Client: guard.HTTPClient(&tls.Config{RootCAs: roots}), Now: b.now, Rand: rand.Reader, Agent: "teikyo/test",
		Recipient: func(context.Context, string) error { return nil }, Failed: func(err error) { t.Error(err) },
	}
	queue := &jobs.Runner{
		Store: b.db, Workers: map[string]jobs.Worker{events.WebhookKind: b.hooks}, Now: b.now, Name: "test",
		Poll: 5 * time.Millisecond, Failed: func(err error) { t.Error(err) },
	}
	b.hooks.Queued = queue.Wake
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var loops sync.WaitGroup
	loops.Go(func() { _ = queue.Run(ctx) })
	loops.Go(func() { _ = b.hooks.Run(ctx, b.feed) })
	t.Cleanup(func() { stop(); loops.Wait() })
	return b
}

// local lets the tests' servers be reached.
func local() egress.Guard {
	return egress.Guard{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

func (b *hookBench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.moved)
}

func (b *hookBench) move(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved += d
}

func (b *hookBench) add(url string, kinds ...string) events.NewWebhook {
	b.t.Helper()
	w, err := b.hooks.Add(b.t.Context(), admin, events.WebhookDraft{URL: url, Kinds: kinds})
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func (b *hookBench) until(what string, so func() bool) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			b.t.Fatalf("it does not come to this: %s", what)
		}
	}
}

func (b *hookBench) show(id string) models.Webhook {
	b.t.Helper()
	w, err := b.hooks.Show(b.t.Context(), admin, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func verify(secret string, m received) error {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return hook.Verify(m.body, m.header)
}

// The reference library of Standard Webhooks takes every message, and refuses it
// when anything was changed.
func TestWebhookIsVerifiedByTheReferenceLibrary(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	b := newHookBench(t, r, local())
	w := b.add(r.URL+"/hook", "provision.", "recipient.approved")
	for range 5 {
		b.append(ledger.ProvisionIssued, "recipient", "r-keio")
		b.append(ledger.RecipientApplied, "recipient", "r-keio")
	}
	b.until("five messages", func() bool { return len(r.messages()) == 5 })
	ids := map[string]bool{}
	for i, m := range r.messages() {
		if err := verify(w.Secret, m); err != nil {
			t.Fatal(err)
		}
		changed := received{m.header, slices.Concat(m.body, []byte(" "))}
		if verify(w.Secret, changed) == nil || verify("whsec_"+strings.Repeat("A", 44), m) == nil {
			t.Error("a changed message, or another secret, is accepted")
		}
		ids[m.header.Get("webhook-id")] = true
		var message struct {
			Type      string
			Timestamp time.Time
			Data      struct {
				Index  int64
				IDs    map[string]string
				Cursor string
			}
		}
		if err := json.Unmarshal(m.body, &message); err != nil || message.Type != "provision.issued" || message.Timestamp.IsZero() {
			t.Errorf("%s: %v", m.body, err)
		}
		if want := int64(1 + 2*i); message.Data.Index != want || message.Data.IDs["provision"] != "p-1" || message.Data.Cursor == "" {
			t.Errorf("message %d: %s", i, m.body)
		}
		if strings.Contains(string(m.body), "Suzuki") || m.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v %s", m.header, m.body)
		}
	}
	if len(ids) != 5 {
		t.Errorf("%d different ids in five messages", len(ids))
	}
	b.until("it is noted", func() bool { return !b.show(w.ID).LastSuccess.IsZero() })
}

func TestWebhookRotation(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	b := newHookBench(t, r, local())
	old := b.add(r.URL)
	fresh, err := b.hooks.Rotate(t.Context(), admin, old.ID, time.Hour)
	if err != nil || fresh.Secret == old.Secret {
		t.Fatal(err)
	}
	send := func() received {
		before := len(r.messages())
		tried, err := b.hooks.Test(t.Context(), admin, old.ID)
		if err != nil || !tried.Delivered || tried.Status != http.StatusNoContent {
			t.Fatalf("%+v, %v", tried, err)
		}
		return r.messages()[before]
	}
	b.until("the entries of webhooks themselves arrived", func() bool { return len(r.messages()) >= 2 })
	if m := send(); verify(old.Secret, m) != nil || verify(fresh.Secret, m) != nil || !strings.Contains(string(m.body), "webhook.test") {
		t.Errorf("both secrets must sign: %v %s", m.header, m.body)
	}
	b.move(time.Hour)
	signature := send().header.Get("webhook-signature")
	if strings.Contains(signature, " ") {
		t.Errorf("the old secret still signs after its time: %s", signature)
	}
	if _, err := b.hooks.Rotate(t.Context(), admin, old.ID, 0); err != nil {
		t.Fatal(err)
	}
	if verify(fresh.Secret, send()) == nil {
		t.Error("without overlap the old secret still signs")
	}
}

// A receiver that fails gets the same message again, under the same id.
func TestWebhookIsRepeated(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer = func(n int) int { return map[bool]int{true: 500, false: 200}[n < 3] }
	b := newHookBench(t, r, local())
	w := b.add(r.URL, "recipient.")
	b.append(ledger.RecipientApplied, "recipient", "r-1")
	for n := 1; n < 3; n++ {
		b.until("a failure is noted", func() bool { return len(r.messages()) == n && b.show(w.ID).LastError != "" })
		b.move(time.Minute)
	}
	b.until("it works again", func() bool { return len(r.messages()) == 3 && b.show(w.ID).FailingSince.IsZero() })
	got := r.messages()
	if got[0].header.Get("webhook-id") != got[2].header.Get("webhook-id") || string(got[0].body) != string(got[2].body) {
		t.Error("another message was sent")
	}
	list, err := b.hooks.Deliveries(t.Context(), admin, w.ID, models.JobDone, models.Page{})
	if err != nil || len(list) != 1 || list[0].Attempt != 3 {
		t.Errorf("%+v, %v", list, err)
	}
}

// What fails for days is switched off, visibly; what was missed is sent once
// somebody enables it.
func TestWebhookIsDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	broken := true
	r.answer = func(int) int { return map[bool]int{true: 503, false: 200}[broken] }
	b := newHookBench(t, r, local())
	w := b.add(r.URL, "recipient.")
	b.append(ledger.RecipientApplied, "recipient", "r-1")
	b.until("it fails", func() bool { return !b.show(w.ID).FailingSince.IsZero() })
	b.append(ledger.RecipientApplied, "recipient", "r-2")
	b.move(6 * 24 * time.Hour)
	b.until("it is disabled", func() bool { return b.show(w.ID).State == models.WebhookDisabled })
	if reason := b.show(w.ID).Reason; !strings.Contains(reason, "503") {
		t.Errorf("the reason is %q", reason)
	}
	b.append(ledger.RecipientApplied, "recipient", "r-3")
	before := len(r.messages())
	r.mu.Lock()
	broken = false
	r.mu.Unlock()
	if _, err := b.hooks.Enable(t.Context(), admin, w.ID); err != nil {
		t.Fatal(err)
	}
	arrived := func() string {
		var all []string
		for _, m := range r.messages()[before:] {
			all = append(all, string(m.body))
		}
		return strings.Join(all, "\n")
	}
	b.until("what was missed arrived", func() bool {
		return strings.Contains(arrived(), `"r-1"`) && strings.Contains(arrived(), `"r-2"`) && strings.Contains(arrived(), `"r-3"`)
	})
	entries, err := b.db.Entries(t.Context(), models.EntryFilter{Noun: "webhook", ID: w.ID}, models.Page{})
	if err != nil || len(entries) != 3 || entries[1].IDs["actor"] != "system" {
		t.Errorf("recorded %d, %v", len(entries), err)
	}
}

func TestWebhookThatIsGone(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer = func(int) int { return http.StatusGone }
	b := newHookBench(t, r, local())
	w := b.add(r.URL)
	b.until("it is disabled", func() bool { return b.show(w.ID).State == models.WebhookDisabled })
	if err := b.hooks.Remove(t.Context(), admin, w.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.hooks.Show(t.Context(), admin, w.ID); !models.IsKind(err, models.NotFound) {
		t.Errorf("a removed webhook: %v", err)
	}
}

// A message goes nowhere but to the address itself, and only where it may go.
func TestWebhookStaysOnItsWay(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t)
	r := newReceiver(t)
	r.answer, r.location = func(int) int { return http.StatusTemporaryRedirect }, elsewhere.URL
	b := newHookBench(t, r, local())
	tried, err := b.hooks.Test(t.Context(), admin, b.add(r.URL, "provision.").ID)
	if err != nil || tried.Delivered || !strings.Contains(tried.Problem, "redirect") || len(elsewhere.messages()) != 0 {
		t.Errorf("redirected: %+v, %v", tried, err)
	}
	closed := newHookBench(t, r, egress.Guard{})
	before := len(r.messages())
	tried, err = closed.hooks.Test(t.Context(), admin, closed.add(r.URL, "provision.").ID)
	if err != nil || tried.Delivered || !strings.Contains(tried.Problem, "egress.allow_private") || len(r.messages()) != before {
		t.Errorf("loopback: %+v, %v", tried, err)
	}
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.StartTLS()
	defer stranger.Close()
	lonely := newHookBench(t, r, local())
	lonely.hooks.Client = local().HTTPClient(nil) // does not trust the test's certificates
	tried, err = lonely.hooks.Test(t.Context(), admin, lonely.add(stranger.URL, "provision.").ID)
	if err != nil || tried.Delivered || strings.Contains(tried.Problem, "127.0.0.1") {
		t.Errorf("an untrusted certificate: %+v, %v", tried, err)
	}
}

func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	b := newHookBench(t, r, local())
	for _, in := range []events.WebhookDraft{
		{URL: ""}, {URL: "http://example.jp/"}, {URL: "https://"}, {URL: "https://u:p@example.jp/"}, {URL: "https://example.jp/#x"},
		{URL: "https://example.jp/" + strings.Repeat("x", 500)}, {URL: "https://example.jp/ x"}, {URL: "ftp://example.jp"},
		{URL: r.URL, Kinds: []string{"provision.isued"}}, {URL: r.URL, Kinds: []string{"*"}}, {URL: r.URL, Description: strings.Repeat("x", 201)},
	} {
		if _, err := b.hooks.Add(t.Context(), admin, in); !models.IsKind(err, models.Invalid) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	for _, actor := range []access.Actor{{}, keio, auditor, {UserID: "u-m", Role: models.Manager}} {
		if _, err := b.hooks.Add(t.Context(), actor, events.WebhookDraft{URL: r.URL}); !models.IsKind(err, models.Denied) {
			t.Errorf("%s added a webhook: %v", actor.Role, err)
		}
	}
	if _, err := b.hooks.Show(t.Context(), auditor, "wh-none"); !models.IsKind(err, models.NotFound) {
		t.Error(err)
	}
}

// A webhook of a recipient gets what that recipient may see.
func TestWebhookOfARecipient(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	b := newHookBench(t, r, local())
	if _, err := b.hooks.Add(t.Context(), admin, events.WebhookDraft{URL: r.URL, RecipientID: "r-keio"}); err != nil {
		t.Fatal(err)
	}
	b.append(ledger.RecipientApplied, "recipient", "r-other")
	b.append(ledger.UserChanged, "user", "u-keio", "recipient", "r-keio")
	b.append(ledger.RecipientApproved, "recipient", "r-keio")
	b.until("one message", func() bool { return len(r.messages()) == 1 })
	if text := string(r.messages()[0].body); !strings.Contains(text, "recipient.approved") || strings.Contains(text, "actor") {
		t.Errorf("it got %s", text)
	}
}

// Neither the secret nor the address, which may hold a token, is in a job; the
// secret is nowhere in clear.
func TestWebhookSecretsAreNotStored(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer = func(int) int { return 500 }
	b := newHookBench(t, r, local())
	w := b.add(r.URL + "/hook/token-in-the-path")
	b.until("it fails", func() bool { return b.show(w.ID).LastError != "" })
	raw, err := sql.Open("sqlite", "file:"+b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, query := range []string{
		"SELECT count(*) FROM jobs WHERE ids || destination || last_error || worker LIKE '%token-in-the-path%' OR ids LIKE '%whsec%'",
		"SELECT count(*) FROM ledger_details WHERE CAST(details AS TEXT) LIKE '%token-in-the-path%'",
		fmt.Sprintf("SELECT count(*) FROM webhook_secrets WHERE instr(CAST(secret AS TEXT), '%s') > 0", w.Secret[6:16]),
	} {
		var n int
		if err := raw.QueryRow(query).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", query, n, err)
		}
	}
}

// However many events there are, few of them stand in the queue of a receiver
// that is slow.
func TestWebhookQueueIsBounded(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer = func(int) int { return 500 }
	b := newHookBench(t, r, local())
	w := b.add(r.URL, "recipient.")
	for range 30 {
		err := b.db.Update(t.Context(), func(ctx context.Context) error {
			for i := range 30 {
				e := &ledger.Entry{Kind: ledger.RecipientApplied, IDs: map[string]string{"recipient": fmt.Sprintf("r-%d", i)}}
				if err := b.db.Append(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.until("it is queued as far as it may", func() bool {
		n, err := b.db.OpenJobs(t.Context(), "webhook:"+w.ID)
		return err == nil && n >= 500
	})
	if n, err := b.db.OpenJobs(t.Context(), "webhook:"+w.ID); err != nil || n > 600 || b.show(w.ID).NextIndex > 700 {
		t.Errorf("%d jobs, %v", n, err)
	}
}
