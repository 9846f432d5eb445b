package crypto_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teikyo/crypto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noon() time.Time { return time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC) }

// person is somebody with a key.
type person struct {
	file string // identity file
	id   crypto.Identity
	rcpt crypto.Recipient
}

func newPerson(t testing.TB, pq bool) person {
	t.Helper()
	file, public, err := crypto.GenerateIdentity(pq)
	check(t, err)
	id, err := crypto.ParseIdentity(strings.NewReader(file))
	check(t, err)
	rcpt, err := crypto.ParseRecipient(public)
	check(t, err)
	return person{file: file, id: id, rcpt: rcpt}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func randomBytes(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	check(t, err)
	return b
}

func newKey(t testing.TB) crypto.FileKey {
	t.Helper()
	key, err := crypto.NewFileKey(rand.Reader)
	check(t, err)
	return key
}

// seal seals in segments of at most segment bytes.
func seal(t testing.TB, key crypto.FileKey, plain []byte, segment int64) []byte {
	t.Helper()
	s, err := crypto.NewSealer(key, rand.Reader, bytes.NewReader(plain))
	check(t, err)
	defer s.Close()
	var payload bytes.Buffer
	for !s.Done() {
		_, err := io.Copy(&payload, s.NextSegment(segment))
		check(t, err)
		check(t, s.Err())
	}
	return payload.Bytes()
}

// tool finds a program of the system; CI must have it.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI=true forbids to skip", name)
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}
