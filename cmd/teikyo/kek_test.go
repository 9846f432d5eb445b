package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"teikyo/models"
)

// Every shelf can be opened by the server: a rotation leaves nothing behind.
func TestEveryShelfHasAContext(t *testing.T) {
	t.Parallel()
	known := wrapContexts()
	for _, shelf := range models.WrapShelves() {
		bind, ok := known[shelf]
		if !ok {
			t.Errorf("nobody can open what is on the shelf %s", shelf)
			continue
		}
		if _, err := bind(models.Wrapped{Shelf: shelf, ID: "x", State: models.SealedUploading}); err != nil {
			t.Errorf("%s: %v", shelf, err)
		}
	}
}

// A rotation beside uploads and provisions, with the server and the command
// killed at any moment: everything opens, before and after the old key is gone.
func TestKilledRewrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newSurvivors(w.premises())
	for i := range 3 {
		a := s.attempt(i)
		began := time.Now()
		code, out := a.run()
		s.took[a.name] = time.Since(began)
		a.finish(code, out)
	}
	for i := range 4 {
		w.key("rotate")
		ended := make(chan struct{})
		go func() { // it ends well, or with the server
			defer close(ended)
			_, _ = (&cli{err: io.Discard}).driveRewrap(t.Context(), remoteKeys(w.data), true)
		}()
		s.survive(s.attempt(i))
		<-ended
		s.check()
	}
	w.key("rewrap", "--destroy-old")
	if keys, err := filepath.Glob(w.at("keys/kek-*.key")); err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	w.kill()
	w.start()
	s.check()
	s.everythingOpens()
}

// key runs a command about keys that must end well.
func (w *world) key(args ...string) {
	w.t.Helper()
	program, err := exec.LookPath("teikyo")
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"key"}, append(args, "--data", w.data)...)...)
	cmd.Env, cmd.Dir = w.env, w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("key %v: %v\n%s", args, err, out)
	}
}
