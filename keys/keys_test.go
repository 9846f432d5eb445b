package keys_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing"

	"teikyo/keys"
	"teikyo/models"
)

// status finds a version.
func (n *node) status(id string) keys.Version {
	n.t.Helper()
	list, err := n.keys.Status(context.Background())
	n.must(err)
	for _, v := range list {
		if v.ID == id {
			return v
		}
	}
	n.t.Fatalf("there is no version %s in %+v", id, list)
	return keys.Version{}
}

func TestRotateRewrapDestroy(t *testing.T) {
	t.Parallel()
	n, dir := alone(t)
	broken, agreement := n.full(5)
	first := n.ring.CurrentID()
	if v := n.status(first); v.Total != 8 || v.Wraps[models.ShelfSealedFiles] != 6 || v.Wraps[models.ShelfDocuments] != 1 || v.Wraps[models.ShelfChallenges] != 1 {
		t.Fatalf("%+v", v)
	}
	before := n.objectDigests()
	_, err := n.keys.Destroy(t.Context(), first)
	wantKind(t, err, models.Conflict, "wraps now")
	next, err := n.keys.Rotate(t.Context())
	n.must(err)
	if next.ID == first || n.ring.CurrentID() != next.ID || next.State != models.KEKCurrent || n.status(first).State != models.KEKOld {
		t.Fatalf("%+v", next)
	}
	n.opens() // what is under the old version still opens
	_, err = n.keys.Destroy(t.Context(), first)
	wantKind(t, err, models.Conflict, "8 things are still wrapped")
	if step := n.rewrap(); step.Changed != 8 || step.Failed != 0 || step.Left != 0 {
		t.Fatalf("%+v", step)
	}
	if step := n.rewrap(); step.Changed != 0 || step.Left != 0 { // again: nothing to do
		t.Fatalf("%+v", step)
	}
	if got := n.objectDigests(); !maps.Equal(got, before) {
		t.Fatal("payloads were touched")
	}
	_, err = n.keys.Destroy(t.Context(), next.ID)
	wantKind(t, err, models.Conflict, "wraps now")
	_, err = n.keys.Destroy(t.Context(), "kek-0009-00000000")
	wantKind(t, err, models.NotFound, "key status")
	done, err := n.keys.Destroy(t.Context(), first)
	if err != nil || done.Opened != 8 || done.Read != 5 {
		t.Fatalf("%+v, %v", done, err)
	}
	if files := n.keyFiles(); len(files) != 1 || files[0] != next.ID+".key" || n.status(first).State != models.KEKDestroyed {
		t.Fatal(files, n.status(first))
	}
	_, err = n.keys.Destroy(t.Context(), first)
	wantKind(t, err, models.Conflict, "destroyed already")

	n = n.restart(dir)
	n.opens()
	_, document, err := n.partners.Document(t.Context(), manager, agreement)
	if err != nil || !bytes.HasPrefix(document, []byte("%PDF")) {
		t.Fatalf("%s, %v", document, err)
	}
	n.resume(broken)
	n.opens()
}

// resume sends the rest of a broken upload.
func (n *node) resume(v models.Version) {
	n.t.Helper()
	p, err := n.datasets.File(context.Background(), manager, v.DatasetID, v.Number, "big.csv")
	n.must(err)
	body := claims(5 * segmentSize)
	up := uploadOf(v, "big.csv", body)
	up.Offset, up.Body, up.Length = p.Offset, bytes.NewReader(body[p.Offset:]), int64(len(body))-p.Offset
	if p.Offset == 0 {
		n.t.Fatal("nothing was kept")
	}
	_, err = n.datasets.Put(context.Background(), manager, up)
	n.must(err)
	_, err = n.datasets.Register(context.Background(), manager, v.DatasetID, v.Number)
	n.must(err)
}

// pausing calls back when half of it has been read.
type pausing struct {
	io.Reader
	left int
	then func()
}

func (p *pausing) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b[:min(len(b), 10_000)])
	if p.left -= n; p.left <= 0 && p.then != nil {
		p.then()
		p.then = nil
	}
	return n, err
}

// An upload that is under way while its key is wrapped anew and the old version
// destroyed goes on with the new wrap.
func TestRewrapDuringAnUpload(t *testing.T) {
	t.Parallel()
	n, dir := alone(t)
	v := n.draft()
	first := n.ring.CurrentID()
	body := claims(8 * segmentSize)
	up := uploadOf(v, "a.csv", body)
	up.Body = &pausing{Reader: bytes.NewReader(body), left: 4 * segmentSize, then: func() {
		_, err := n.keys.Rotate(t.Context())
		n.must(err)
		if step := n.rewrap(); step.Changed != 1 || step.Left != 0 {
			t.Errorf("%+v", step)
		}
		_, err = n.keys.Destroy(t.Context(), first)
		n.must(err)
	}}
	_, err := n.datasets.Put(t.Context(), manager, up)
	n.must(err)
	_, err = n.datasets.Register(t.Context(), manager, v.DatasetID, v.Number)
	n.must(err)
	if status := n.status(n.ring.CurrentID()); status.Total != 1 {
		t.Fatalf("%+v", status)
	}
	n.restart(dir).opens()
}

// Whatever dies in the middle of a rotation, a rewrap or a destruction, before or
// after the commit: the same commands again end well, and everything opens.
func TestKeysCrashTable(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 7; at++ {
		for _, persist := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %t", at, persist), func(t *testing.T) {
				t.Parallel()
				n, dir := alone(t)
				n.full(3)
				first := n.ring.CurrentID()
				n.store.updates, n.store.at, n.store.persist = 0, at, persist
				died := n.whole(first) != nil
				if died != (at <= 6) { // prepare, activate, 3 shelves, close, destroyed: an empty pass has none
					t.Logf("transaction %d: died %t of %d", at, died, n.store.updates)
				}
				n = n.restart(dir)
				n.opens()
				n.must(n.whole(first))
				n.opens()
				if v := n.status(first); v.State != models.KEKDestroyed || len(n.keyFiles()) > 2 {
					t.Fatalf("%+v, %v", v, n.keyFiles())
				}
				n.restart(dir).opens()
			})
		}
	}
}

// whole does what is still to be done to leave the version first.
func (n *node) whole(first string) error {
	ctx := context.Background()
	if n.ring.CurrentID() == first {
		if _, err := n.keys.Rotate(ctx); err != nil {
			return err
		}
	}
	for from := (keys.Cursor{}); !from.Done; {
		step, err := n.keys.Rewrap(ctx, from)
		if err != nil {
			return err
		}
		from = step.Next
	}
	if n.status(first).State == models.KEKDestroyed {
		return nil
	}
	_, err := n.keys.Destroy(ctx, first)
	return err
}

// A wrap that does not open is named, stays, and keeps the old version alive.
func TestDamagedWrap(t *testing.T) {
	t.Parallel()
	n, _ := alone(t)
	n.full(2)
	first := n.ring.CurrentID()
	list, err := n.db.WrapsNotUnder(t.Context(), models.ShelfSealedFiles, "", "", 1)
	n.must(err)
	good := bytes.Clone(list[0].Bytes)
	bad := bytes.Clone(good)
	bad[30] ^= 1
	swap := func(from, to []byte) {
		w := list[0]
		w.Bytes = from
		n.must(n.db.Update(t.Context(), func(ctx context.Context) error {
			_, err := n.db.SwapWrap(ctx, w, first, to)
			return err
		}))
	}
	swap(good, bad)
	_, err = n.keys.Rotate(t.Context())
	n.must(err)
	step := keys.Step{}
	for !step.Next.Done {
		one, err := n.keys.Rewrap(t.Context(), step.Next)
		n.must(err)
		step.Failed, step.Left, step.Next = step.Failed+one.Failed, one.Left, one.Next
		step.Failures = append(step.Failures, one.Failures...)
	}
	if step.Failed != 1 || step.Left != 1 || step.Failures[0].ID != list[0].ID {
		t.Fatalf("%+v", step)
	}
	_, err = n.keys.Destroy(t.Context(), first)
	wantKind(t, err, models.Conflict, "1 things are still")
	swap(bad, good)
	n.rewrap()
	n.opens()

	// The read test: a payload that does not open stops it, too.
	files, err := n.db.WrapsNotUnder(t.Context(), models.ShelfSealedFiles, "", "", 10)
	n.must(err)
	sealed, err := n.db.SealedFile(t.Context(), files[0].ID)
	n.must(err)
	if len(sealed.Segments) == 0 {
		t.Fatal("no segments")
	}
	n.must(n.objects.Delete(t.Context(), sealed.Segments[0].Key))
	_, err = n.keys.Destroy(t.Context(), first)
	if files[0].State == models.SealedComplete {
		wantKind(t, err, models.Integrity, "nothing was destroyed")
		if v := n.status(first); v.State != models.KEKOld {
			t.Fatalf("%+v", v)
		}
	}
}

// Uploads go on while everything is wrapped anew, again and again.
func TestRewrapBesideUploads(t *testing.T) {
	t.Parallel()
	n, dir := alone(t)
	v := n.draft()
	var uploads sync.WaitGroup
	for i := range 4 {
		uploads.Go(func() {
			for j := range 6 {
				n.put(v, fmt.Sprintf("%d/%d.csv", i, j), 2*segmentSize+i*1000+j)
			}
		})
	}
	done := make(chan struct{})
	go func() { uploads.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		old := n.ring.CurrentID()
		_, err := n.keys.Rotate(t.Context())
		n.must(err)
		n.rewrap()
		_, err = n.keys.Destroy(t.Context(), old)
		if err != nil && !models.IsKind(err, models.Conflict) { // something came under it meanwhile
			t.Fatal(err)
		}
	}
	_, err := n.datasets.Register(t.Context(), manager, v.DatasetID, v.Number)
	n.must(err)
	n.rewrap()
	n.restart(dir).opens()
}
