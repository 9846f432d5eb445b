package dataset

import (
	"context"
	"slices"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/deid"
	"teikyo/ledger"
	"teikyo/models"
)

// waiverTime is how long a waiver holds when nobody says otherwise; longest is
// what a person may say.
const (
	waiverTime    = 90 * 24 * time.Hour
	longestWaiver = 366 * 24 * time.Hour
)

// AskWaiver is the wish to let one finding of the gate pass.
type AskWaiver struct {
	DatasetID string
	Version   int
	FindingID string
	Reason    string
	Expires   string // a day (inclusive) or RFC 3339 time; empty: 90 days after the approval
}

// RequestWaiver asks for a waiver; a second person decides.
func (s *Service) RequestWaiver(ctx context.Context, actor access.Actor, ask AskWaiver) (models.Waiver, error) {
	if err := access.Can(actor, access.RequestWaiver, access.Of("")); err != nil {
		return models.Waiver{}, err
	}
	ask.Reason = strings.TrimSpace(ask.Reason)
	if err := needReason(ask.Reason); err != nil {
		return models.Waiver{}, err
	}
	expires, err := s.waiverEnd(ask.Expires)
	if err != nil {
		return models.Waiver{}, err
	}
	v, err := s.Store.Version(ctx, ask.DatasetID, ask.Version)
	if err != nil {
		return models.Waiver{}, err
	}
	if v.State != models.VersionDraft {
		return models.Waiver{}, models.Errorf(models.Conflict, "%s@%d is %s: only a draft needs waivers", v.DatasetID, v.Number, v.State)
	}
	f, finding, err := s.findFinding(ctx, v, ask.FindingID)
	if err != nil {
		return models.Waiver{}, err
	}
	id, err := models.NewID(s.Rand, models.WaiverID)
	if err != nil {
		return models.Waiver{}, err
	}
	w := models.Waiver{
		ID: id, DatasetID: v.DatasetID, Version: v.Number, FindingID: finding.ID, FileSHA256: f.SHA256, Path: f.Path,
		Rule: finding.Rule, Reason: ask.Reason, RequestedBy: actor.UserID, RequestedAt: s.now(), ExpiresAt: expires,
	}
	return w, s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.SaveWaiver(ctx, w) })
}

// waiverEnd reads the wished end; the zero time when there is none.
func (s *Service) waiverEnd(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	end, err := models.EndOfDay(text, zone)
	if err != nil {
		return time.Time{}, err
	}
	if now := s.Now(); !end.After(now) || end.After(now.Add(longestWaiver)) {
		return time.Time{}, models.Errorf(models.Invalid, "the end of a waiver lies in the future, at most a year ahead")
	}
	return end, nil
}

// findFinding looks for the finding in the reports of the draft's files.
func (s *Service) findFinding(ctx context.Context, v models.Version, id string) (models.File, models.Finding, error) {
	for after := ""; ; {
		files, err := s.Store.Files(ctx, v.DatasetID, v.Number, after, models.MaxPage)
		if err != nil {
			return models.File{}, models.Finding{}, err
		}
		if len(files) == 0 {
			return models.File{}, models.Finding{}, models.Errorf(models.NotFound,
				"no file of %s@%d has the finding %q; teikyo dataset register lists the findings with their ids", v.DatasetID, v.Number, id)
		}
		reports, err := s.reportsOf(ctx, files)
		if err != nil {
			return models.File{}, models.Finding{}, err
		}
		for _, f := range files {
			if finding, ok := blocking(reports[f.ReportID], id); ok {
				return f, finding, nil
			}
		}
		after = files[len(files)-1].Path
	}
}

func blocking(stored models.GateReport, id string) (models.Finding, bool) {
	report, err := deid.ParseReport(stored.Report)
	if err != nil || id == "" {
		return models.Finding{}, false
	}
	list := report.Blocking()
	at := slices.IndexFunc(list, func(f models.Finding) bool { return f.ID == id })
	if at < 0 {
		return models.Finding{}, false
	}
	return list[at], true
}

// granted are the details of waiver.granted.
type granted struct {
	Finding      string              `json:"finding"`
	Rule         string              `json:"rule"`
	FileSHA256   string              `json:"file_sha256"`
	Reason       string              `json:"reason"`
	Decision     string              `json:"decision,omitempty"`
	ExpiresAt    time.Time           `json:"expires_at"`
	Independence models.Independence `json:"independence"`
}

// ApproveWaiver lets the finding pass, by a second person.
func (s *Service) ApproveWaiver(ctx context.Context, actor access.Actor, id, words string) (models.Waiver, error) {
	if err := access.Can(actor, access.ApproveWaiver, access.Of("")); err != nil {
		return models.Waiver{}, err
	}
	return s.decide(ctx, id, words, func(ctx context.Context, w *models.Waiver) error {
		independence, err := s.People.Pair(ctx, w.RequestedBy, actor.UserID)
		if err != nil {
			return err
		}
		now := s.now()
		if w.ExpiresAt.IsZero() {
			w.ExpiresAt = now.Add(waiverTime)
		}
		if !now.Before(w.ExpiresAt) {
			return models.Errorf(models.Expired, "the end that was asked for has passed; ask again")
		}
		w.ApprovedBy, w.ApprovedAt, w.Independence = actor.UserID, now, independence
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.WaiverGranted,
			IDs: map[string]string{
				"waiver": w.ID, "dataset": w.DatasetID, "version": versionText(w.Version), "actor": w.RequestedBy, "second": actor.UserID,
			},
			Details: granted{
				Finding: w.FindingID, Rule: w.Rule, FileSHA256: w.FileSHA256, Reason: w.Reason, Decision: w.Decision,
				ExpiresAt: w.ExpiresAt, Independence: independence,
			},
		})
	})
}

// RejectWaiver refuses it; the person who asked may take it back this way.
func (s *Service) RejectWaiver(ctx context.Context, actor access.Actor, id, words string) (models.Waiver, error) {
	if err := access.Can(actor, access.ApproveWaiver, access.Of("")); err != nil {
		return models.Waiver{}, err
	}
	if err := needReason(strings.TrimSpace(words)); err != nil {
		return models.Waiver{}, err
	}
	return s.decide(ctx, id, words, func(_ context.Context, w *models.Waiver) error {
		w.RejectedBy, w.RejectedAt = actor.UserID, s.now()
		return nil
	})
}

func (s *Service) decide(
	ctx context.Context, id, words string, how func(ctx context.Context, w *models.Waiver) error,
) (models.Waiver, error) {
	if err := checkText("reason", words, maxDescription); err != nil {
		return models.Waiver{}, err
	}
	var w models.Waiver
	err := s.Store.Update(ctx, func(ctx context.Context) error {
		var err error
		if w, err = s.Store.Waiver(ctx, id); err != nil {
			return err
		}
		if w.ApprovedBy != "" || w.RejectedBy != "" {
			return models.Errorf(models.Conflict, "the waiver %s is decided already", id)
		}
		w.Decision = strings.TrimSpace(words)
		if err := how(ctx, &w); err != nil {
			return err
		}
		return s.Store.SaveWaiver(ctx, w)
	})
	return w, err
}

// Waivers lists waivers, the oldest first.
func (s *Service) Waivers(ctx context.Context, actor access.Actor, q models.WaiverQuery, p models.Page) ([]models.Waiver, error) {
	if err := access.Can(actor, access.ReadDataset, access.Whole()); err != nil {
		return nil, err
	}
	return s.Store.Waivers(ctx, q, p)
}
