package database

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"teikyo/ledger"
	"teikyo/models"
)

// What searches by subject must go to the entries of the subject: joined with the
// view, SQLite reads every entry of the ledger.
func TestSearchBySubjectReadsNoOtherEntry(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	if db.isPostgres() {
		t.Skip("looks at a plan of SQLite")
	}
	for i := range 100 {
		e := &ledger.Entry{Kind: ledger.ProvisionRevoked, IDs: map[string]string{"provision": fmt.Sprintf("p-%d", i)}}
		if err := db.Update(t.Context(), func(ctx context.Context) error { return db.Append(ctx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"p-3", "p-97"} {
		list, err := db.Entries(t.Context(), models.EntryFilter{Noun: "provision", ID: id}, models.Page{Limit: 5})
		if err != nil || len(list) != 1 || list[0].IDs["provision"] != id {
			t.Error(list, err)
		}
		if _, err := db.EntryIndex(t.Context(), "provision", id, ledger.ProvisionRevoked); err != nil {
			t.Error(err)
		}
	}
	var plan []struct{ Detail string }
	err := db.read.Raw("EXPLAIN QUERY PLAN SELECT idx FROM ledger_entries WHERE kind = ? "+
		"AND idx IN (SELECT idx FROM ledger_subject_index WHERE noun = ? AND id = ?) ORDER BY idx DESC LIMIT 1",
		"provision.revoked", "provision", "p-3").Scan(&plan).Error
	if err != nil || len(plan) == 0 {
		t.Fatal(plan, err)
	}
	for _, step := range plan {
		if strings.HasPrefix(step.Detail, "SCAN ledger_entries") || strings.Contains(step.Detail, "AUTOMATIC") {
			t.Errorf("%+v", plan)
		}
	}
}
