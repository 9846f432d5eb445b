//go:build unix

package received_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"teikyo/crypto"
	"teikyo/models"
)

// A pipe in place of a file would keep whoever opens it waiting for ever.
func TestPipesAreNoFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"issuer.json", "manifest.json", "NOTICE.txt", "data/a.csv.age"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			file := filepath.Join(d.dir, filepath.FromSlash(name))
			check(t, os.Remove(file))
			check(t, unix.Mkfifo(file, 0o600))
			done := make(chan error, 1)
			go func() {
				_, err := d.verify(t.Context(), crypto.Identity{}, d.dir)
				done <- err
			}()
			select {
			case err := <-done:
				if !models.IsKind(err, models.Integrity) {
					t.Errorf("got %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("it waits")
			}
		})
	}
}
