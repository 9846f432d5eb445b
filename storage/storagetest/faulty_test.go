package storagetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"teikyo/storage"
	"teikyo/storage/memory"
)

func TestFaultyWithoutFaultsIsAStore(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) storage.Store { return NewFaulty(memory.New(time.Now)) })
}

func TestFaultyPut(t *testing.T) {
	t.Parallel()
	for flavour, visible := range map[Flavour]bool{Fails: false, FailsButPersists: true} {
		f := NewFaulty(memory.New(time.Now))
		f.Fail(OpPut, 2, flavour, storage.ErrFull)
		put(t, f, "first-key", []byte("1"))
		if _, err := f.Put(context.Background(), "second-key", strings.NewReader("2"), 1); !errors.Is(err, storage.ErrFull) {
			t.Errorf("flavour %d: Put gave %v, want ErrFull", flavour, err)
		}
		if _, err := f.Stat(context.Background(), "second-key"); (err == nil) != visible {
			t.Errorf("flavour %d: Stat gave %v", flavour, err)
		}
		put(t, f, "third-key", []byte("3"))
		if f.Calls(OpPut) != 3 || f.Pending() != 0 {
			t.Errorf("%d calls, %d pending; want 3, 0", f.Calls(OpPut), f.Pending())
		}
	}
}

func TestFaultyDelete(t *testing.T) {
	t.Parallel()
	for flavour, visible := range map[Flavour]bool{Fails: true, FailsButPersists: false} {
		f := NewFaulty(memory.New(time.Now))
		put(t, f, "some-key", nil)
		f.Fail(OpDelete, 1, flavour, nil)
		if err := f.Delete(context.Background(), "some-key"); !errors.Is(err, ErrInjected) {
			t.Errorf("flavour %d: Delete gave %v", flavour, err)
		}
		if _, err := f.Stat(context.Background(), "some-key"); (err == nil) != visible {
			t.Errorf("flavour %d: Stat gave %v", flavour, err)
		}
	}
}

func TestFaultyReads(t *testing.T) {
	t.Parallel()
	for flavour, want := range map[Flavour]string{Fails: "", FailsButPersists: "ab"} {
		f := NewFaulty(memory.New(time.Now))
		put(t, f, "some-key", []byte("abcd"))
		put(t, f, "other-key", nil)
		for _, op := range []Op{OpOpen, OpStat, OpList, OpSweep} {
			f.Fail(op, 1, flavour, nil)
		}
		if body, err := get(f, "some-key", 0, -1); string(body) != want || !errors.Is(err, ErrInjected) {
			t.Errorf("flavour %d: read %q, %v; want %q", flavour, body, err, want)
		}
		if _, err := f.Stat(context.Background(), "some-key"); !errors.Is(err, ErrInjected) {
			t.Errorf("flavour %d: Stat gave %v", flavour, err)
		}
		if _, err := f.Sweep(context.Background(), time.Time{}); !errors.Is(err, ErrInjected) {
			t.Errorf("flavour %d: Sweep gave %v", flavour, err)
		}
		listed, failed := 0, error(nil)
		for _, err := range f.List(context.Background()) {
			if err != nil {
				failed = err
				continue
			}
			listed++
		}
		if listed != len(want)/2 || !errors.Is(failed, ErrInjected) {
			t.Errorf("flavour %d: List gave %d objects, %v", flavour, listed, failed)
		}
	}
}

// forgetful breaks promises, to see that the suite notices.
type forgetful struct{ storage.Store }

func (s forgetful) Put(ctx context.Context, key string, body io.Reader, _ int64) (int64, error) {
	all, _ := io.ReadAll(body)
	n, err := s.Store.Put(ctx, key, strings.NewReader(string(all)), -1)
	if errors.Is(err, storage.ErrExists) {
		err = nil
	}
	return n, err
}

// recorder notes a failure instead of passing it on.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestSuiteNoticesABrokenStore(t *testing.T) {
	t.Parallel()
	s := forgetful{memory.New(time.Now)}
	if n, err := s.Put(context.Background(), "some-key", strings.NewReader("cut"), 9); err != nil || n != 3 {
		t.Fatalf("Put = %d, %v; the broken store should take this", n, err)
	}
	r := &recorder{TB: t}
	sourceError(r, s, io.ErrUnexpectedEOF, []byte("cut"), 9)
	if !r.failed {
		t.Error("the suite lets a truncated object pass")
	}
}
