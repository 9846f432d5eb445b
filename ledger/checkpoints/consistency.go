package checkpoints

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"teikyo/ledger"
)

// ConsistencyFromTiles proves with tiles that newer only added to older. fetch
// gets a tile by its path (see ledger.TilePath) and need not be trusted: everything it
// returns is authenticated against newer. Errors wrap ledger.ErrInconsistent unless
// they come from fetch.
func ConsistencyFromTiles(ctx context.Context, fetch func(ctx context.Context, path string) ([]byte, error), older, newer tlog.Tree) error {
	if older.N == 0 || older.N >= newer.N {
		return ledger.CheckConsistency(older, newer, nil)
	}
	tiles := &tileFetcher{ctx: ctx, fetch: fetch}
	proof, err := tlog.ProveTree(newer.N, older.N, tlog.TileHashReader(newer, tiles))
	if tiles.err != nil {
		return tiles.err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrInconsistent, err)
	}
	return ledger.CheckConsistency(older, newer, proof)
}

// tileFetcher is a tlog.TileReader over a fetch function. It lives as long as
// one proof, so it carries that call's context.
type tileFetcher struct {
	ctx   context.Context
	fetch func(context.Context, string) ([]byte, error)
	err   error // from fetch: no verdict about the log
}

func (f *tileFetcher) Height() int { return ledger.TileHeight }

func (f *tileFetcher) SaveTiles([]tlog.Tile, [][]byte) {}

func (f *tileFetcher) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := f.fetch(f.ctx, ledger.TilePath(t))
		if err != nil {
			f.err = fmt.Errorf("fetch %s of the ledger: %w", ledger.TilePath(t), err)
			return nil, f.err
		}
		data[i] = b
	}
	return data, nil
}
