package provision

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"teikyo/access"
	"teikyo/models"
)

// ReportQuery says which provisions a report is about.
type ReportQuery struct {
	From, To    string // dates, both inclusive; empty: no bound
	RecipientID string
	DatasetID   string
	// Tests asks for the rehearsals instead, which legal reports leave out.
	Tests bool
	// Part limits the rows that are read; nil: all.
	Part *models.Part
}

// ReportRow is one provision in a report: its record, and what came after.
type ReportRow struct {
	Record
	State          models.ProvisionState `json:"state"`
	RevokedAt      time.Time             `json:"revoked_at,omitzero"`
	RevokeReason   string                `json:"revoke_reason,omitempty"`
	AcknowledgedAt time.Time             `json:"acknowledged_at,omitzero"`
	LedgerIndex    int64                 `json:"ledger_index"`
	Reissues       int                   `json:"reissues,omitempty"`
}

// Report yields the provisions of a period, the newest first. Rows are read a
// page at a time; an error is the last thing yielded.
func (s *Service) Report(ctx context.Context, actor access.Actor, q ReportQuery) (iter.Seq2[ReportRow, error], error) {
	if err := access.Can(actor, access.ReadReports, access.Whole()); err != nil {
		return nil, err
	}
	return s.report(ctx, q)
}

// Statement is Report about one recipient, whose own people may see it too.
func (s *Service) Statement(ctx context.Context, actor access.Actor, q ReportQuery) (iter.Seq2[ReportRow, error], error) {
	if err := access.Can(actor, access.ReadStatement, access.Of(q.RecipientID)); err != nil {
		return nil, err
	}
	if q.RecipientID == "" {
		return nil, models.Errorf(models.Invalid, "a statement is about one recipient; say which")
	}
	return s.report(ctx, q)
}

func (s *Service) report(ctx context.Context, q ReportQuery) (iter.Seq2[ReportRow, error], error) {
	filter := models.ProvisionFilter{RecipientID: q.RecipientID, DatasetID: q.DatasetID}
	var err error
	if q.From != "" {
		if filter.From, err = models.StartOfDay(q.From, s.Zone); err != nil {
			return nil, err
		}
	}
	if q.To != "" {
		if filter.To, err = models.EndOfDay(q.To, s.Zone); err != nil {
			return nil, err
		}
	}
	if !filter.From.IsZero() && !filter.To.IsZero() && !filter.From.Before(filter.To) {
		return nil, models.Errorf(models.Invalid, "the report would end before it begins; exchange --from and --to")
	}
	if q.Part != nil {
		if _, _, err := models.ParseTimeCursor(q.Part.After); err != nil {
			return nil, err
		}
	}
	return s.reportRows(ctx, filter, q), nil
}

func (s *Service) reportRows(ctx context.Context, filter models.ProvisionFilter, q ReportQuery) iter.Seq2[ReportRow, error] {
	return func(yield func(ReportRow, error) bool) {
		page := models.Page{Limit: models.MaxPage}
		if q.Part != nil {
			page = models.Page{After: q.Part.After, Limit: q.Part.Limit}
		}
		for {
			provs, err := s.both(ctx, filter, page)
			if err != nil {
				yield(ReportRow{}, err)
				return
			}
			for _, prov := range provs {
				if (prov.Class == models.Test) != q.Tests {
					continue
				}
				row, err := reportRow(prov)
				if !yield(row, err) || err != nil {
					return
				}
			}
			if len(provs) < page.Size() {
				return
			}
			last := provs[len(provs)-1]
			page.After = models.TimeCursor(last.IssuedAt, last.ID)
			if q.Part != nil {
				q.Part.Next = page.After
				return
			}
		}
	}
}

func reportRow(prov models.Provision) (ReportRow, error) {
	row := ReportRow{
		State: prov.State, RevokedAt: prov.RevokedAt, RevokeReason: prov.RevokeReason,
		AcknowledgedAt: prov.AcknowledgedAt, LedgerIndex: prov.EntryIndex, Reissues: prov.Reissue,
	}
	if err := json.Unmarshal(prov.Record, &row.Record); err != nil {
		return row, models.Wrap(models.Integrity, err, "a provision record is damaged; run teikyo ledger verify")
	}
	return row, nil
}
