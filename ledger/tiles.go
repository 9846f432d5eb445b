package ledger

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is fixed by C2SP tlog-tiles: 2^8 = 256 hashes in a full tile.
const TileHeight = 8

// ErrNoTile means that the tree has no such tile, or the path names none.
var ErrNoTile = errors.New("no such tile")

// TilePath is the path of a tile below the log's prefix, such as
// tile/0/x001/234.p/5.
func TilePath(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", TileHeight))
}

// ParseTilePath is the tile that a path names. Errors wrap ErrNoTile.
func ParseTilePath(path string) (tlog.Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok || len(path) > 64 {
		return tlog.Tile{}, ErrNoTile
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", TileHeight, rest))
	// Level -1 would be entries, which are not public.
	if err != nil || t.L < 0 || t.L > 63 || t.N < 0 || TilePath(t) != path {
		return tlog.Tile{}, ErrNoTile
	}
	return t, nil
}

// ReadTile is the tile's hashes, 32 bytes each. size is the published tree: what
// lies beyond it is not shown. Errors wrap ErrNoTile or come from r.
func ReadTile(t tlog.Tile, size int64, r tlog.HashReader) ([]byte, error) {
	if t.H != TileHeight || t.L < 0 || t.L > 63/TileHeight || t.W < 1 || t.W > 1<<TileHeight {
		return nil, ErrNoTile
	}
	if have := size >> (TileHeight * t.L); t.N < 0 || t.N > have>>TileHeight || t.N<<TileHeight+int64(t.W) > have {
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
