package report

import (
	"context"
	"iter"

	"teikyo/models"
)

// mapped turns each row into another.
func mapped[A, B any](rows iter.Seq2[A, error], to func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for row, err := range rows {
			if err != nil {
				var none B
				yield(none, err)
				return
			}
			if !yield(to(row), nil) {
				return
			}
		}
	}
}

// paged yields all rows of a list, which is read a page at a time; cursor gives
// the sort key of a row.
func paged[T any](ctx context.Context, list func(ctx context.Context, page models.Page) ([]T, error), cursor func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page := (models.Page{Limit: models.MaxPage}); ; {
			rows, err := list(ctx, page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) < page.Size() {
				return
			}
			page.After = cursor(rows[len(rows)-1])
		}
	}
}
