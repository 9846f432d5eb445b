package parcel

import (
	"iter"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Entries come in the order of their paths in the parcel, however the paths in
// the version begin each other.
func TestParcelOrder(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"a", "b", ".", "-", "/", ".age", "A", " ", "あ", ".a", "~"})
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfN(rapid.Map(rapid.SliceOfN(part, 1, 5), func(p []string) string { return strings.Join(p, "") }), 0, 12).Draw(t, "paths")
		slices.Sort(paths)
		paths = slices.Compact(paths)
		var entries iter.Seq2[Entry, error] = func(yield func(Entry, error) bool) {
			for _, p := range paths {
				if !yield(Entry{Path: SealedPath(p)}, nil) {
					return
				}
			}
		}
		var got []string
		inParcelOrder(entries, func(e Entry, err error) bool {
			got = append(got, e.Path)
			return err == nil
		})
		want := slices.Clone(paths)
		slices.SortFunc(want, comparePaths)
		for i, p := range want {
			want[i] = SealedPath(p)
		}
		if !slices.Equal(got, want) || !slices.IsSorted(got) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestListingCanStop(t *testing.T) {
	t.Parallel()
	var entries iter.Seq2[Entry, error] = func(yield func(Entry, error) bool) {
		for _, p := range []string{"a", "a-b", "b", "c"} {
			if !yield(Entry{Path: SealedPath(p)}, nil) {
				return
			}
		}
	}
	for stop := 1; stop <= 4; stop++ {
		n := 0
		inParcelOrder(entries, func(Entry, error) bool { n++; return n < stop })
		if n != stop {
			t.Errorf("stopped after %d, want %d", n, stop)
		}
	}
}

func TestTableSchemas(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]int{
		"": 0, "[]": 0, "{": 0, `{"resources":3}`: 0,
		`{"resources":[{"path":"a.csv","schema":{"fields":[]}},{"path":["b","c"],"schema":{}},{"path":"d","schema":"x.json"}]}`: 1,
	} {
		if got := tableSchemas(given); len(got) != want {
			t.Errorf("%s: %v", given, got)
		}
	}
}
