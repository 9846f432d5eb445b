package database

import (
	"context"
	"errors"
	"slices"
	"testing"

	"teikyo/models"
)

// Every column that keeps something under the key-encryption key has a shelf: what
// a rotation does not know of could not be opened after the old key is destroyed.
// A column that names the version that wraps ends in kek_id.
func TestEveryWrapHasAShelf(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	var tables []string
	columns := "SELECT m.name AS tab, c.name AS col FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
	if db.isPostgres() {
		columns = "SELECT table_name AS tab, column_name AS col FROM information_schema.columns WHERE table_schema = current_schema()"
	}
	err := db.read.Raw("SELECT CASE col WHEN 'old_kek_id' THEN tab || '_old' ELSE tab END FROM (" + columns + ") c " +
		"WHERE col LIKE '%kek_id' AND tab <> 'kek_holders' ORDER BY 1").Scan(&tables).Error
	if err != nil {
		t.Fatal(err)
	}
	var shelves []string
	for _, shelf := range models.WrapShelves() {
		shelves = append(shelves, string(shelf))
		if _, err := db.WrapCounts(t.Context(), shelf); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(shelves)
	if !slices.Equal(tables, shelves) {
		t.Errorf("these tables keep wraps: %v; these shelves are moved by a rotation: %v (models.WrapShelves, database/wrap.go)", tables, shelves)
	}
}

func TestNothingIsSavedUnderAClosedVersion(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	v := models.KEKVersion{ID: "kek-1", CheckValue: "c", Provider: "file", State: models.KEKClosing}
	save := func(kek string) error {
		return db.Update(t.Context(), func(ctx context.Context) error {
			return db.SaveSealedFile(ctx, models.SealedFile{ID: "sf-" + string(v.State), State: models.SealedUploading, KEKID: kek, WrappedKey: []byte{1}})
		})
	}
	for state, refused := range map[models.KEKState]bool{
		models.KEKCurrent: false, models.KEKOld: false, models.KEKPrepared: false, models.KEKClosing: true, models.KEKDestroyed: true,
	} {
		v.State = state
		err := db.Update(t.Context(), func(ctx context.Context) error { return db.SaveKEKVersion(ctx, v) })
		if err != nil {
			t.Fatal(err)
		}
		if err := save("kek-1"); models.IsKind(err, models.Unavailable) != refused {
			t.Errorf("%s: %v", state, err)
		}
		if refused {
			continue
		}
		v.State = models.KEKClosing // what is there already may be saved again
		err = db.Update(t.Context(), func(ctx context.Context) error { return db.SaveKEKVersion(ctx, v) })
		v.State = state
		if err = errors.Join(err, save("kek-1")); err != nil {
			t.Errorf("%s, then closing: %v", state, err)
		}
	}
	if err := save("kek-2"); err != nil {
		t.Error(err)
	}
}
