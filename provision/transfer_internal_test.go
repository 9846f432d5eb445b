package provision

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"teikyo/models"
)

// someTransfers is a store that holds transfers alone.
type someTransfers struct {
	LinkStore
	list []models.Transfer
}

// Transfers yields them as the database does: by path and offset.
func (s someTransfers) Transfers(context.Context, string) iter.Seq2[models.Transfer, error] {
	slices.SortFunc(s.list, func(a, b models.Transfer) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.From, b.From))
	})
	return func(yield func(models.Transfer, error) bool) {
		for _, t := range s.list {
			if !yield(t, nil) {
				return
			}
		}
	}
}

// Counting covered bytes gives what marking every single byte gives.
func TestCoverageCountsEveryByteOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		store := someTransfers{}
		marked := map[string]map[int64]bool{}
		var sent int64
		for range rapid.IntRange(0, 30).Draw(t, "transfers") {
			tr := models.Transfer{
				Path: rapid.SampledFrom([]string{"a", "b", "b/c"}).Draw(t, "path"),
				From: rapid.Int64Range(0, 50).Draw(t, "from"), Bytes: rapid.Int64Range(0, 20).Draw(t, "bytes"),
			}
			store.list = append(store.list, tr)
			sent += tr.Bytes
			for i := range tr.Bytes {
				if marked[tr.Path] == nil {
					marked[tr.Path] = map[int64]bool{}
				}
				marked[tr.Path][tr.From+i] = true
			}
		}
		var d closedDetails
		covered, err := (&Links{Store: store}).covered(context.Background(), "s", &d)
		if err != nil {
			t.Fatal(err)
		}
		var total int64
		for path, bytes := range marked {
			total += int64(len(bytes))
			if covered[path] != int64(len(bytes)) {
				t.Fatalf("%s: %d bytes, want %d", path, covered[path], len(bytes))
			}
		}
		if d.Covered != total || d.Sent != sent {
			t.Fatalf("counted %+v, want %d of %d", d, total, sent)
		}
	})
}
