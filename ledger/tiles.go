package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is fixed by C2SP tlog-tiles: 256 hashes in a full tile.
const tileHeight = 8

// ErrNoTile means that the tree has no such tile, or the path names none.
var ErrNoTile = errors.New("no such tile")

// TilePath is the path of a tile below the log's prefix, such as
// tile/0/x001/234.p/5.
func TilePath(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
}

// ParseTilePath is the tile that a path names. Errors wrap ErrNoTile.
func ParseTilePath(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || len(path) > 64 {
		return tlog.Tile{}, ErrNoTile
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	// Level -1 would be entries, which are not public.
	if err != nil || t.L < 0 || t.L > 63 || t.N < 0 || TilePath(t) != path {
		return tlog.Tile{}, ErrNoTile
	}
	return t, nil
}

// ReadTile is the tile's hashes, 32 bytes each. size is the published tree: what
// lies beyond it is not shown. Errors wrap ErrNoTile or come from r.
func ReadTile(t tlog.Tile, size int64, r tlog.HashReader) ([]byte, error) {
	if t.H != tileHeight || t.L < 0 || t.L > 63/tileHeight || t.W < 1 || t.W > 1<<tileHeight {
		return nil, ErrNoTile
	}
	if have := size >> (tileHeight * t.L); t.N < 0 || t.N > have>>tileHeight || t.N<<tileHeight+int64(t.W) > have {
		return nil, ErrNoTile
	}
	return tlog.ReadTileData(t, r)
}

// CheckConsistency checks a proof (RFC 6962, 2.1.2) that the tree newer only
// added to the tree older. Errors wrap ErrInconsistent.
func CheckConsistency(older, newer tlog.Tree, proof tlog.TreeProof) error {
	switch {
	case older.N > newer.N:
		return fmt.Errorf("%w: the newer tree has %d entries, the older %d", ErrInconsistent, newer.N, older.N)
	case older.N == 0 && len(proof) == 0: // every tree grew out of the empty one
		return nil
	}
	if err := tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("%w: %d entries do not lead to %d: %w", ErrInconsistent, older.N, newer.N, err)
	}
	return nil
}

// ErrInconsistent means that two signed trees of one log cannot both be true:
// the log was rewritten or split.
var ErrInconsistent = errors.New("the log is not consistent with what was seen before")

// ConsistencyFromTiles proves with tiles that newer only added to older. fetch
// gets a tile by its path (see TilePath) and need not be trusted: everything it
// returns is authenticated against newer. Errors wrap ErrInconsistent unless
// they come from fetch.
func ConsistencyFromTiles(ctx context.Context, fetch func(ctx context.Context, path string) ([]byte, error), older, newer tlog.Tree) error {
	if older.N == 0 || older.N >= newer.N {
		return CheckConsistency(older, newer, nil)
	}
	tiles := &tileFetcher{ctx: ctx, fetch: fetch}
	proof, err := tlog.ProveTree(newer.N, older.N, tlog.TileHashReader(newer, tiles))
	if tiles.err != nil {
		return tiles.err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInconsistent, err)
	}
	return CheckConsistency(older, newer, proof)
}

// tileFetcher is a tlog.TileReader over a fetch function. It lives as long as
// one proof, so it carries that call's context.
type tileFetcher struct {
	ctx   context.Context
	fetch func(context.Context, string) ([]byte, error)
	err   error // from fetch: no verdict about the log
}

func (f *tileFetcher) Height() int { return tileHeight }

func (f *tileFetcher) SaveTiles([]tlog.Tile, [][]byte) {}

func (f *tileFetcher) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := f.fetch(f.ctx, TilePath(t))
		if err != nil {
			f.err = fmt.Errorf("fetch %s of the ledger: %w", TilePath(t), err)
			return nil, f.err
		}
		data[i] = b
	}
	return data, nil
}
