package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"teikyo/ledger"
	"teikyo/ledger/checkpoints"
	"teikyo/ledger/ledgertest"
)

// However a log grows, every receipt ever given holds, every checkpoint is
// consistent with every later one, by proof and by tiles, and Verify agrees.
func TestLogOnlyGrows(t *testing.T) {
	t.Parallel()
	keys := newIssuer(t)
	rapid.Check(t, func(t *rapid.T) {
		log := ledgertest.NewMemoryLog()
		o := ledger.VerifyOptions{Origin: keys.signer.Origin(), Verifiers: []ledger.Verifier{keys.verifier}}
		trees := []tlog.Tree{log.Tree()}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			if err := log.Fill(rapid.IntRange(1, 90).Draw(t, "entries"), day(int(log.Row.Size))); err != nil {
				t.Fatal(err)
			}
			checkpoint, err := keys.signer.Sign(log.Tree())
			if err != nil {
				t.Fatal(err)
			}
			index := rapid.Int64Range(0, log.Row.Size-1).Draw(t, "index")
			receipt, err := ledger.WriteReceipt(index, log.Rows[index].Leaf, log, checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			o.Checkpoints, o.Receipts = append(o.Checkpoints, checkpoint), append(o.Receipts, receipt)
			trees = append(trees, log.Tree())
		}
		r, err := ledger.Verify(context.Background(), log, o)
		if err != nil || !r.OK || r.Witnessed != log.Row.Size {
			t.Fatalf("Verify = %+v, %v", r, err)
		}
		older := rapid.SampledFrom(trees).Draw(t, "older")
		for _, newer := range trees {
			err := checkpoints.ConsistencyFromTiles(context.Background(), tilesOf(log, newer.N), older, newer)
			if older.N <= newer.N && err != nil || older.N > newer.N && !errors.Is(err, ledger.ErrInconsistent) {
				t.Fatalf("from %d to %d: %v", older.N, newer.N, err)
			}
		}
	})
}

// tilesOf serves the tiles of a log at the given size.
func tilesOf(log tlog.HashReader, size int64) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, path string) ([]byte, error) {
		tile, err := ledger.ParseTilePath(path)
		if err != nil {
			return nil, err
		}
		return ledger.ReadTile(tile, size, log)
	}
}

func TestConsistency(t *testing.T) {
	t.Parallel()
	log := filled(t, 700)
	other := filled(t, 700) // the same entries with other salts: another history
	at := func(m *ledgertest.MemoryLog, n int64) tlog.Tree { return filledAs(t, m, n) }
	for _, n := range []int64{1, 255, 256, 257, 699, 700} {
		proof, err := tlog.ProveTree(700, n, log)
		if err != nil {
			t.Fatal(err)
		}
		if err := ledger.CheckConsistency(at(log, n), log.Tree(), proof); err != nil {
			t.Errorf("proof from %d: %v", n, err)
		}
		if err := ledger.CheckConsistency(at(other, n), log.Tree(), proof); !errors.Is(err, ledger.ErrInconsistent) {
			t.Errorf("proof from %d of another history: %v", n, err)
		}
		if err := checkpoints.ConsistencyFromTiles(t.Context(), tilesOf(log, 700), at(other, n), log.Tree()); !errors.Is(err, ledger.ErrInconsistent) {
			t.Errorf("tiles from %d of another history: %v", n, err)
		}
		if n < 700 {
			if err := checkpoints.ConsistencyFromTiles(t.Context(), tilesOf(other, 700), at(log, n), log.Tree()); !errors.Is(err, ledger.ErrInconsistent) {
				t.Errorf("tiles of another history from %d: %v", n, err)
			}
		}
	}
	if err := ledger.CheckConsistency(log.Tree(), at(log, 5), nil); !errors.Is(err, ledger.ErrInconsistent) {
		t.Errorf("shrunk: %v", err)
	}
	gone := errors.New("no route to host")
	fetch := func(context.Context, string) ([]byte, error) { return nil, gone }
	if err := checkpoints.ConsistencyFromTiles(t.Context(), fetch, at(log, 5), log.Tree()); !errors.Is(err, gone) || errors.Is(err, ledger.ErrInconsistent) {
		t.Errorf("out of reach: %v", err)
	}
	short := func(context.Context, string) ([]byte, error) { return []byte("not a tile"), nil }
	if err := checkpoints.ConsistencyFromTiles(t.Context(), short, at(log, 5), log.Tree()); !errors.Is(err, ledger.ErrInconsistent) {
		t.Errorf("garbage: %v", err)
	}
}

func TestTilePaths(t *testing.T) {
	t.Parallel()
	good := map[string]tlog.Tile{
		"tile/0/000":               {H: 8, L: 0, N: 0, W: 256},
		"tile/0/x001/234.p/5":      {H: 8, L: 0, N: 1234, W: 5},
		"tile/1/x001/x234/067":     {H: 8, L: 1, N: 1234067, W: 256},
		"tile/2/000.p/1":           {H: 8, L: 2, N: 0, W: 1},
		"tile/63/999.p/255":        {H: 8, L: 63, N: 999, W: 255},
		"tile/0/x001/x000/000":     {H: 8, L: 0, N: 1000000, W: 256},
		"tile/0/x999/x999/999":     {H: 8, L: 0, N: 999999999, W: 256},
		"tile/5/x001/x000/001.p/9": {H: 8, L: 5, N: 1000001, W: 9},
	}
	for path, want := range good {
		if got, err := ledger.ParseTilePath(path); err != nil || got != want || ledger.TilePath(want) != path {
			t.Errorf("ParseTilePath(%q) = %+v, %v; TilePath = %q", path, got, err, ledger.TilePath(want))
		}
	}
	bad := []string{
		"", "tile", "tile/", "tile/0", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/data/000", "tile/entries/000",
		"tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/05", "tile/0/000.p", "tile/0/001/234", "tile/0/x000/001", "tile/0/../000", "/tile/0/000",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999", "tile/8/0/000", "tile/0/000/", "tile/0/%30%30%30",
	}
	for _, path := range bad {
		if got, err := ledger.ParseTilePath(path); !errors.Is(err, ledger.ErrNoTile) {
			t.Errorf("ParseTilePath(%q) = %+v, %v; want ErrNoTile", path, got, err)
		}
	}
}

func TestReadTile(t *testing.T) {
	t.Parallel()
	log := filled(t, 700)
	for path, hashes := range map[string]int{"tile/0/000": 256, "tile/0/001": 256, "tile/0/002.p/188": 188, "tile/0/002.p/7": 7, "tile/1/000.p/2": 2, "tile/0/000.p/9": 9} {
		tile, err := tilesOf(log, 700)(t.Context(), path)
		if err != nil || len(tile) != hashes*tlog.HashSize {
			t.Errorf("%s: %d bytes, %v", path, len(tile), err)
		}
	}
	for _, path := range []string{"tile/0/002", "tile/0/002.p/189", "tile/0/003.p/1", "tile/1/000.p/3", "tile/2/000.p/1", "tile/63/000.p/1", "tile/0/x999/x999/999"} {
		if tile, err := tilesOf(log, 700)(t.Context(), path); !errors.Is(err, ledger.ErrNoTile) {
			t.Errorf("%s: %d bytes, %v; want ErrNoTile", path, len(tile), err)
		}
	}
	// What is stored but not yet published is not shown.
	if _, err := tilesOf(log, 500)(t.Context(), "tile/0/001"); !errors.Is(err, ledger.ErrNoTile) {
		t.Errorf("beyond the published tree: %v", err)
	}
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("tile/0/x001/234.p/5")
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := ledger.ParseTilePath(path)
		if err == nil && ledger.TilePath(tile) != path {
			t.Fatalf("accepted %q as %s", path, ledger.TilePath(tile))
		}
		if err == nil {
			if _, err := ledger.ReadTile(tile, 1<<39, tlog.HashReaderFunc(func(x []int64) ([]tlog.Hash, error) {
				return make([]tlog.Hash, len(x)), nil
			})); err != nil && !errors.Is(err, ledger.ErrNoTile) {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			log := filled(b, size)
			b.ReportAllocs()
			for b.Loop() {
				if r := mustVerify(b, log, ledger.VerifyOptions{}); !r.OK {
					b.Fatalf("%+v", r)
				}
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
