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

// next tells the cursor of the part after this one.
func next(part *models.Part) func() string {
	if part == nil {
		return nil
	}
	return func() string { return part.Next }
}

// pagedPart is paged for a part of the list, or for all of it when part is nil.
func pagedPart[T any](ctx context.Context, list func(ctx context.Context, page models.Page) ([]T, error), cursor func(T) string, part *models.Part) iter.Seq2[T, error] {
	if part == nil {
		return paged(ctx, list, cursor)
	}
	return func(yield func(T, error) bool) {
		page := models.Page{After: part.After, Limit: part.Limit}
		rows, err := list(ctx, page)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		if len(rows) == page.Size() {
			part.Next = cursor(rows[len(rows)-1])
		}
		for _, row := range rows {
			if !yield(row, nil) {
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
