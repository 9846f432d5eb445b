package s3_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
	"teikyo/storage/s3"
	"teikyo/storage/s3/s3test"
)

func checkpoint(size int, hash, signature string) []byte {
	return fmt.Appendf(nil, "example.jp/ledger/1\n%d\n%s\n\n— example.jp %s\n", size, hash, signature)
}

func newPlace(t *testing.T, server *s3test.Server, prefix string) *s3.Place {
	t.Helper()
	place, err := s3.NewPlace(server.Options(prefix))
	if err != nil {
		t.Fatal(err)
	}
	return place
}

func TestPlaceKeepsTheNewest(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	place := newPlace(t, server, "a/b")
	if err := place.Put(t.Context(), checkpoint(1, "h", "s")); !errors.Is(err, s3.ErrPlaceGone) {
		t.Errorf("Put into an unmarked place gave %v", err)
	}
	if _, err := place.Newest(t.Context()); !errors.Is(err, s3.ErrPlaceGone) {
		t.Errorf("Newest of an unmarked place gave %v", err)
	}
	for range 2 {
		if err := place.Create(); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := place.Newest(t.Context()); text != nil || err != nil {
		t.Errorf("Newest of an empty place = %q, %v", text, err)
	}
	newest := ""
	for _, size := range []int{0, 9, 10, 99, 50, 100, 100} { // another node may be behind
		text := checkpoint(size, "h", "s")
		if err := place.Put(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if size != 50 {
			newest = string(text)
		}
		if got, err := place.Newest(t.Context()); string(got) != newest || err != nil {
			t.Errorf("after %d the newest is %q, %v", size, got, err)
		}
	}
	if err := place.Put(t.Context(), checkpoint(100, "h", "another key")); err != nil {
		t.Errorf("the same tree, signed again: %v", err)
	}
	if err := place.Put(t.Context(), checkpoint(100, "other", "s")); !errors.Is(err, storage.ErrCorrupt) || !strings.Contains(err.Error(), "two histories") {
		t.Errorf("another tree of the same size gave %v", err)
	}
	if _, err := newPlace(t, server, "a").Newest(t.Context()); !errors.Is(err, s3.ErrPlaceGone) {
		t.Errorf("the folder above gave %v", err)
	}
}

func TestPlaceRefusesWhatIsNoCheckpoint(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	place := newPlace(t, server, "")
	if err := place.Create(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "x", "x\ny\nz\n", "x\n-1\nz\n"} {
		if err := place.Put(t.Context(), []byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	_, err := raw(t, server).PutObject(t.Context(), s3test.Bucket, "checkpoints/9223372036854775000", strings.NewReader(""), 0, "", "", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := place.Newest(t.Context()); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("an empty checkpoint gave %v", err)
	}
}

// The answer of the store gets lost: the checkpoint is there, the next try finds
// it.
func TestPlaceAfterLostAnswers(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	gate := server.Gate(t)
	opts, err := s3.ParseURL(server.URLAt(gate.Address, "p"))
	if err != nil {
		t.Fatal(err)
	}
	place, err := s3.NewPlace(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := place.Create(); err != nil {
		t.Fatal(err)
	}
	gate.Set(s3test.First(2, s3test.Method("PUT"), s3test.LostAnswer))
	if err := place.Put(t.Context(), checkpoint(7, "h", "s")); err != nil {
		t.Errorf("Put: %v", err)
	}
	gate.Set(s3test.Answer(503, "SlowDown"))
	if _, err := place.Newest(t.Context()); err == nil || errors.Is(err, s3.ErrPlaceGone) {
		t.Errorf("a busy store gave %v", err)
	}
}
