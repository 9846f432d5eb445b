package received

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"teikyo/models"
)

// Each runs work for every item, n at once. A file that does not hold (Integrity)
// leaves the others alone; any other error ends all. The error of several files
// names each of them.
func Each[T any](ctx context.Context, n int, items []T, name func(T) string, work func(context.Context, T) error) error {
	var mu sync.Mutex
	var findings []models.Finding
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(n)
	for _, item := range items {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := work(groupCtx, item)
			if !models.IsKind(err, models.Integrity) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			findings = append(findings, finding(name(item), err))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return findingsError(findings, len(items))
}

func finding(name string, err error) models.Finding {
	msg := err.Error()
	if e, ok := err.(*models.Error); ok { //nolint:errorlint // the outermost: its message is for people
		msg = e.Msg
	}
	return models.Finding{Location: name, Rule: string(models.Integrity), Msg: msg}
}

// maxFindings bounds what is shown; the count stays true.
const maxFindings = 100

func findingsError(findings []models.Finding, total int) error {
	if len(findings) == 0 {
		return nil
	}
	slices.SortFunc(findings, func(a, b models.Finding) int { return strings.Compare(a.Location, b.Location) })
	e := models.Errorf(models.Integrity, "%d of %d files are not what the issuer signed; do not use them and tell the issuer", len(findings), total)
	if len(findings) > maxFindings {
		e.Msg += fmt.Sprintf(" (the first %d follow)", maxFindings)
		findings = findings[:maxFindings]
	}
	e.Findings = findings
	return e
}
