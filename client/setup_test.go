package client_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teikyo/client"
	"teikyo/client/clienttest"
	"teikyo/client/received"
	"teikyo/ledger/checkpoints"
	"teikyo/models"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const chunk = 64 << 10

// world is an issuer, a recipient and a server between them.
type world struct {
	issuer *clienttest.Issuer
	person clienttest.Person
	parcel clienttest.Parcel
	server *clienttest.Server
	dir    string
	config string
	clock  *clock
}

// clock goes on when somebody sleeps.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), append(c.slept, d)
	return ctx.Err()
}

// someFiles are contents at the borders of chunks, with names of all kinds.
func someFiles(t testing.TB) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"empty.csv": {}, "one": {'x'}, "a/chunk.bin": clienttest.Random(t, chunk), "a/less.bin": clienttest.Random(t, chunk-1),
		"レセプト/処方 2024.csv": clienttest.Random(t, 3*chunk+17), "a-b": clienttest.Random(t, 1000), "a.bin": clienttest.Random(t, 20*chunk+1),
	}
}

func newWorld(t *testing.T, files map[string][]byte) *world {
	t.Helper()
	w := &world{
		issuer: clienttest.NewIssuer(t, "hospital.example"), person: clienttest.NewPerson(t, false),
		dir: filepath.Join(t.TempDir(), "parcel"), config: t.TempDir(), clock: &clock{now: clienttest.Noon()},
	}
	w.parcel = w.issuer.Provide(t, clienttest.Content{Files: files, To: w.person.Public})
	w.server = clienttest.Serve(t, w.issuer, w.parcel)
	check(t, w.pins().Save(w.issuer.Keys.Issuer()))
	return w
}

func (w *world) pins() received.Pins { return received.Pins{Dir: filepath.Join(w.config, "issuers")} }

// get is what the command line would make.
func (w *world) get() *client.Get {
	return &client.Get{
		Link: w.server.Link("one"), Dir: w.dir, Identity: w.person.Identity, Trust: received.Trust{Pins: w.pins()},
		Witness: checkpoints.NewWitness(filepath.Join(w.config, "checkpoints")), HTTP: w.server.Client(),
		Now: w.clock.Now, Sleep: w.clock.Sleep, Say: func(string, ...any) {},
	}
}

// opened checks that the folder holds exactly the parcel, opened.
func (w *world) opened(t *testing.T) {
	t.Helper()
	want := map[string][]byte{}
	for name, text := range w.parcel.Tree {
		if filepath.Ext(name) != ".age" || name == "SHA256SUMS.age" {
			want[name] = text
		}
	}
	for name, text := range w.parcel.Content.Files {
		want["data/"+name] = text
	}
	sameTree(t, w.dir, want)
}

func sameTree(t *testing.T, dir string, want map[string][]byte) {
	t.Helper()
	have := tree(t, dir)
	for name, text := range want {
		if got, ok := have[name]; !ok || string(got) != string(text) {
			t.Errorf("%s: there %v, %d bytes, want %d", name, ok, len(got), len(text))
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("%s is too much", name)
	}
}

// tree reads the final names of a folder.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	have := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if name == ".teikyo" {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			have[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return have
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, kind models.ErrorKind) {
	t.Helper()
	if !models.IsKind(err, kind) {
		t.Fatalf("error %v of kind %q, want %q", err, models.KindOf(err), kind)
	}
}

// names is a short list for messages.
func names(m map[string][]byte) string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	return fmt.Sprint(list)
}
