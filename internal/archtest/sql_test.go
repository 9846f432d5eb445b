package archtest_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"teikyo/internal/archtest"
)

func TestSQLOfTheDatabaseIsConstant(t *testing.T) {
	t.Parallel()
	wrong, err := archtest.CheckSQL(os.DirFS("../.."), "database", "placeholders", "selectAll",
		"countWraps", "listWraps", "swapWrap", "hasWrap")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range wrong {
		t.Error(line)
	}
}

func TestSQLThatIsRefused(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{"database/x.go": {Data: []byte(`package database
const byID = "id = ?"
func f(tx DB, order, id string) {
	tx.Where(byID, id).Order("id")
	tx.Where(map[string]any{"id": id})
	tx.Where(byID+" AND x", id)
	tx.Where(&Row{ID: id})
	tx.Order(order)
	tx.Raw("SELECT " + order)
}`)}}
	wrong, err := archtest.CheckSQL(tree, "database")
	if err != nil {
		t.Fatal(err)
	}
	if len(wrong) != 3 {
		t.Errorf("found %d, want 3:\n%s", len(wrong), strings.Join(wrong, "\n"))
	}
}
