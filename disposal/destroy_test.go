package disposal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teikyo/access"
	"teikyo/disposal"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/storage/storagetest"
)

// pairOfVersions are two versions that share one file, with provisions of both.
type pairOfVersions struct {
	first, second models.Version
	one, two      models.Provision
}

func (h *house) pair() pairOfVersions {
	h.t.Helper()
	var p pairOfVersions
	p.first = h.register("", map[string]string{"a.csv": claims(1), "shared.csv": claims(2)})
	p.second = h.register(p.first.DatasetID, map[string]string{"b.csv": claims(3), "shared.csv": claims(2)})
	p.one, p.two = h.provide(p.first, 1), h.provide(p.second, 2)
	return p
}

func (h *house) destroy(v models.Version) models.Disposal {
	h.t.Helper()
	d, err := h.s.ProposeDestroy(h.t.Context(), mia, v.DatasetID, v.Number, "the agreement with the source ended")
	h.must(err)
	d, err = h.s.Confirm(h.t.Context(), ben, d.ID, "seen")
	h.must(err)
	return d
}

func (h *house) version(v models.Version) models.Version {
	h.t.Helper()
	now, err := h.db.Version(context.Background(), v.DatasetID, v.Number)
	h.must(err)
	return now
}

// secretsOf are bytes that must not lie in the data folder once a version is
// destroyed: wrapped keys, parts of payloads and headers.
func (h *house) secretsOf(v models.Version, shared string) map[string][]byte {
	h.t.Helper()
	found := map[string][]byte{}
	files, err := h.db.Files(context.Background(), v.DatasetID, v.Number, "", 500)
	h.must(err)
	sealed, err := h.db.SealedFilesOf(context.Background(), v.DatasetID, v.Number, "", 500)
	h.must(err)
	for i, f := range sealed {
		if files[i].Path == shared {
			continue
		}
		found["wrapped key of "+files[i].Path] = f.WrappedKey
		body, err := h.objects.Store.Open(context.Background(), f.Segments[0].Key, 0, 64)
		h.must(err)
		var b bytes.Buffer
		_, err = b.ReadFrom(body)
		h.must(err)
		h.must(body.Close())
		found["payload of "+files[i].Path] = b.Bytes()
	}
	return found
}

// seek says which of the secrets lie in a file of the data folder.
func (h *house) seek(secrets map[string][]byte) (hits []string) {
	h.t.Helper()
	h.must(filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for name, secret := range secrets {
			if bytes.Contains(text, secret) {
				hits = append(hits, name+" in "+filepath.Base(path))
			}
		}
		return err
	}))
	return hits
}

func TestDestroyByTwoPeople(t *testing.T) {
	t.Parallel()
	h := setup(t)
	p := h.pair()
	secrets := h.secretsOf(p.first, "shared.csv")
	secrets["headers"] = bytes.Repeat([]byte("header"), 28*2)
	h.must(h.db.Scrub(t.Context())) // so that the keys stand in the file
	if hits := h.seek(secrets); len(hits) < len(secrets) {
		t.Fatalf("the search finds only %v", hits)
	}
	d, err := h.s.ProposeDestroy(t.Context(), mia, p.first.DatasetID, 1, " the agreement with the source ended ")
	h.must(err)
	impact, err := h.s.ImpactOf(t.Context(), mia, p.first.DatasetID, 1)
	if err != nil || impact.Provisions != 1 || impact.Shared != 1 {
		t.Fatalf("impact %+v, %v", impact, err)
	}
	if h.version(p.first).State != models.VersionRegistered {
		t.Error("a proposal alone does something")
	}
	_, err = h.s.ProposeDestroy(t.Context(), ana, p.first.DatasetID, 1, "again")
	wantKind(t, err, models.Conflict, d.ID)
	_, err = h.s.Confirm(t.Context(), mia, d.ID, "")
	wantKind(t, err, models.Denied, "another person")
	_, err = h.s.Confirm(t.Context(), aud, d.ID, "")
	wantKind(t, err, models.Denied, "auditor")
	_, err = h.s.Confirm(t.Context(), rcpt, d.ID, "")
	wantKind(t, err, models.NotFound, "")
	counter, err := h.db.RevocationCounter(t.Context())
	h.must(err)

	d, err = h.s.Confirm(t.Context(), ben, d.ID, "seen")
	h.must(err)
	if d.State != models.DisposalDone || h.version(p.first).State != models.VersionDestroyed {
		t.Fatalf("the disposal is %s, the version %s", d.State, h.version(p.first).State)
	}
	if now, err := h.db.RevocationCounter(t.Context()); err != nil || now == counter {
		t.Error("transfers that run are not told")
	}
	h.check()
	secrets["headers"] = bytes.Repeat([]byte("header"), 28*2) // those of the other version are still there
	hits := slices.DeleteFunc(h.seek(secrets), func(hit string) bool { return strings.HasPrefix(hit, "headers") })
	if len(hits) > 0 {
		t.Errorf("left: %v", hits)
	}
	one, err := h.db.Provision(t.Context(), p.one.ID)
	h.must(err)
	if one.State != models.ProvisionRevoked || one.HeaderSize != 0 || one.PackKey == p.one.PackKey || h.objectKeys()[p.one.PackKey] {
		t.Errorf("the provision is %s with headers of %d bytes in %s", one.State, one.HeaderSize, one.PackKey)
	}
	if two, err := h.db.Provision(t.Context(), p.two.ID); err != nil || two.State != models.ProvisionIssued || two.PackKey != p.two.PackKey {
		t.Errorf("the other version's provision: %+v, %v", two, err)
	}
	h.wantEntries(ledger.DisposalConfirmed, 1)
	h.wantEntries(ledger.DatasetDestroyed, 1)
	h.wantEntries(ledger.ProvisionRevoked, 1)
	h.wantEntries(ledger.DisposalCompleted, 1)
	_, err = h.s.ProposeDestroy(t.Context(), mia, p.first.DatasetID, 1, "again")
	wantKind(t, err, models.Conflict, "destroyed")
	_, err = h.data.Withdraw(t.Context(), mia, p.first.DatasetID, 1, "late")
	wantKind(t, err, models.Conflict, "destroyed")
}

func (h *house) wantEntries(kind ledger.Kind, want int) {
	h.t.Helper()
	list, err := h.db.Entries(context.Background(), models.EntryFilter{Kind: string(kind)}, models.Page{Limit: 500})
	h.must(err)
	if len(list) != want {
		h.t.Errorf("%d entries %s, want %d", len(list), kind, want)
	}
}

// A shared sealed file stays until the last version that has it is destroyed.
func TestSharedFilesStay(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{1, 2}, {2, 1}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			p := h.pair()
			by := map[int]models.Version{1: p.first, 2: p.second}
			h.destroy(by[order[0]])
			h.check()
			third := h.register(p.first.DatasetID, map[string]string{"shared.csv": claims(2)})
			h.destroy(by[order[1]])
			h.check()
			if order[1] == 2 && h.version(third).State != models.VersionRegistered {
				t.Error("the third version is gone")
			}
			h.destroy(third)
			h.check()
			for key := range h.objectKeys() {
				if !strings.HasSuffix(key, "-pack") {
					t.Errorf("%s is left though all is destroyed", key)
				}
			}
		})
	}
}

// Whatever step of a confirmed disposal fails, before its commit or after, the
// next start completes it.
func TestEveryStepOfADestructionCanFail(t *testing.T) {
	t.Parallel()
	for _, persist := range []bool{false, true} {
		for step := 1; ; step++ {
			if !h1(t, fmt.Sprintf("transaction %d persists %v", step, persist), func(h *house) bool {
				h.store.at, h.store.count, h.store.persist = step, 0, persist
				return true
			}, func(h *house) bool { return h.store.count >= step }) {
				break
			}
		}
	}
	for op, last := range map[storagetest.Op]int{storagetest.OpPut: 1, storagetest.OpDelete: 2, storagetest.OpOpen: 1} {
		for n := 1; n <= last; n++ {
			for _, flavour := range []storagetest.Flavour{storagetest.Fails, storagetest.FailsButPersists} {
				h1(t, fmt.Sprintf("%s %d flavour %d", op, n, flavour), func(h *house) bool {
					h.objects.Fail(op, n, flavour, nil)
					return true
				}, func(*house) bool { return true })
			}
		}
	}
}

// h1 lets one fault strike while a disposal is confirmed and carried out, restarts
// and wants either nothing done or everything.
func h1(t *testing.T, name string, inject, struck func(*house) bool) (hit bool) {
	t.Run(name, func(t *testing.T) {
		h := setup(t)
		p := h.pair()
		secrets := h.secretsOf(p.first, "shared.csv")
		d, err := h.s.ProposeDestroy(t.Context(), mia, p.first.DatasetID, 1, "the agreement ended")
		h.must(err)
		inject(h)
		_, confirmErr := h.s.Confirm(t.Context(), ben, d.ID, "")
		hit = struck(h)
		h.check()
		h.reopen()
		h.check()
		h.must(h.s.FinishAll(t.Context()))
		d, err = h.db.Disposal(t.Context(), d.ID)
		h.must(err)
		if d.State == models.DisposalProposed && confirmErr != nil && h.version(p.first).State == models.VersionRegistered {
			return
		}
		if d.State != models.DisposalDone || h.version(p.first).State != models.VersionDestroyed {
			t.Fatalf("the disposal is %s, the version %s", d.State, h.version(p.first).State)
		}
		h.check()
		h.wantEntries(ledger.DatasetDestroyed, 1)
		h.wantEntries(ledger.ProvisionRevoked, 1)
		h.wantEntries(ledger.DisposalCompleted, 1)
		if hits := h.seek(secrets); len(hits) > 0 {
			t.Errorf("left: %v", hits)
		}
	})
	return hit
}

func TestHoldAndReject(t *testing.T) {
	t.Parallel()
	h := setup(t)
	v := h.register("", map[string]string{"a.csv": claims(1)})
	propose := func() models.Disposal {
		d, err := h.s.ProposeDestroy(t.Context(), mia, v.DatasetID, 1, "not needed")
		h.must(err)
		return d
	}
	d := propose()
	_, err := h.s.Hold(t.Context(), aud, d.ID, 1, "lawsuit")
	wantKind(t, err, models.Denied, "auditor")
	_, err = h.s.Hold(t.Context(), ana, d.ID, 2, "lawsuit")
	wantKind(t, err, models.NotFound, "no item 2")
	_, err = h.s.Hold(t.Context(), ana, d.ID, 1, "")
	wantKind(t, err, models.Invalid, "reason")
	_, err = h.s.Hold(t.Context(), ana, d.ID, 1, "lawsuit")
	h.must(err)
	_, err = h.s.Confirm(t.Context(), ben, d.ID, "")
	wantKind(t, err, models.Conflict, "held back")
	_, err = h.s.Reject(t.Context(), mia, d.ID, "my mistake")
	h.must(err)
	_, err = h.s.Confirm(t.Context(), ben, d.ID, "")
	wantKind(t, err, models.Conflict, "rejected")
	if h.version(v).State != models.VersionRegistered {
		t.Error("it was destroyed all the same")
	}
	d = propose()
	_, err = h.s.Confirm(t.Context(), ben, d.ID, "")
	h.must(err)
	_, err = h.s.Hold(t.Context(), ana, d.ID, 1, "late")
	wantKind(t, err, models.Conflict, "done")
	for name, bad := range map[string]string{"none": " ", "control": "a\x00b", "long": strings.Repeat("x", 5000)} {
		if _, err := h.s.ProposeDestroy(t.Context(), access.Actor{UserID: "u-x", Role: models.Manager}, v.DatasetID, 1, bad); err == nil {
			t.Error(name)
		}
	}
	h.check()
	if left := slices.Collect(maps.Keys(h.objectKeys())); len(left) > 0 {
		t.Error(left)
	}
}

// Two servers on one database: one carries a disposal out, the other one takes over
// when it has been silent for long.
func TestOneServerCarriesItOut(t *testing.T) {
	t.Parallel()
	h := setup(t)
	p := h.pair()
	h.s.Alone = false
	d, err := h.s.ProposeDestroy(t.Context(), mia, p.first.DatasetID, 1, "the agreement ended")
	h.must(err)
	h.objects.Fail(storagetest.OpDelete, 1, storagetest.Fails, nil)
	d, err = h.s.Confirm(t.Context(), ben, d.ID, "")
	if err != nil || d.State != models.DisposalConfirmed {
		t.Fatal(d.State, err)
	}
	other := &disposal.Service{
		Store: h.db, Objects: h.objects, People: people{}, Receipts: h.db, Keys: h.keys, Now: h.clock, Rand: rand.Reader,
	}
	h.must(other.FinishAll(t.Context()))
	if d, err = h.db.Disposal(t.Context(), d.ID); err != nil || d.State != models.DisposalConfirmed {
		t.Fatal("the other server did not wait", d.State, err)
	}
	h.pass(0, 1)
	h.must(other.FinishAll(t.Context()))
	if d, err = h.db.Disposal(t.Context(), d.ID); err != nil || d.State != models.DisposalDone {
		t.Fatal(d.State, err)
	}
	h.must(h.s.FinishAll(t.Context()))
	h.wantEntries(ledger.DisposalCompleted, 1)
	h.check()
}
