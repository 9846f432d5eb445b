package dataset

import (
	"context"
	"strings"

	"teikyo/access"
	"teikyo/crypto"
	"teikyo/dataset/intake"
	"teikyo/deid"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/storage"
)

// RecheckKind is the kind of jobs that look at a registered version again.
const RecheckKind = "gate_recheck"

// recheckFailures is how often a recheck that cannot read its files is tried.
const recheckFailures = 8

// RecheckRows are rechecks and their reports.
type RecheckRows interface {
	AddJob(ctx context.Context, j models.Job) error
	SaveRecheck(ctx context.Context, r models.Recheck) error
	Recheck(ctx context.Context, id string) (models.Recheck, error)
	// Rechecks lists those of a version, the newest first; at most 200.
	Rechecks(ctx context.Context, datasetID string, version int) ([]models.Recheck, error)
	SaveRecheckFile(ctx context.Context, recheckID, path, reportID string) error
	// RecheckFiles lists by path; after is the last path seen.
	RecheckFiles(ctx context.Context, recheckID, after string, limit int) ([]models.RecheckFile, error)
}

// StartRecheck has the gate look at a registered version again, in the
// background, under the profile of that name; the empty name is the version's
// own as it stands now.
func (s *Service) StartRecheck(ctx context.Context, actor access.Actor, id string, number int, profile, reason string) (models.Recheck, error) {
	if err := access.Can(actor, access.RegisterDataset, access.Of("")); err != nil {
		return models.Recheck{}, err
	}
	reason = strings.TrimSpace(reason)
	if err := needReason(reason); err != nil {
		return models.Recheck{}, err
	}
	v, err := s.Store.Version(ctx, id, number)
	if err != nil {
		return models.Recheck{}, err
	}
	if v.State == models.VersionDraft || v.Gone() {
		return models.Recheck{}, models.Errorf(models.Conflict, "%s@%d is %s: only a version with its files can be checked again", id, number, v.State)
	}
	if profile == "" {
		profile = v.Profile
	}
	p, err := s.profile(profile)
	if err != nil {
		return models.Recheck{}, err
	}
	recheckID, err := models.NewID(s.Rand, models.RecheckID)
	if err != nil {
		return models.Recheck{}, err
	}
	now := s.now()
	r := models.Recheck{
		ID: recheckID, DatasetID: id, Version: number, Profile: p.Name, ProfileHash: p.Hash, Reason: reason, RequestedBy: actor.UserID, RequestedAt: now,
	}
	return r, s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveRecheck(ctx, r); err != nil {
			return err
		}
		return s.Store.AddJob(ctx, models.Job{
			ID: r.ID, Kind: RecheckKind, Destination: "gate", IDs: map[string]string{"recheck": r.ID}, RunAt: now, CreatedAt: now,
			MaxFailures: recheckFailures,
		})
	})
}

// Rechecks lists those of a version, the newest first.
func (s *Service) Rechecks(ctx context.Context, actor access.Actor, id string, number int) ([]models.Recheck, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return nil, err
	}
	if _, err := s.Store.Version(ctx, id, number); err != nil {
		return nil, err
	}
	return s.Store.Rechecks(ctx, id, number)
}

// RecheckReports lists the reports of a recheck by path.
func (s *Service) RecheckReports(ctx context.Context, actor access.Actor, recheckID string, p models.Page) ([]models.RecheckFile, error) {
	if err := access.Can(actor, access.ReadDataset, access.Of("")); err != nil {
		return nil, err
	}
	if _, err := s.Store.Recheck(ctx, recheckID); err != nil {
		return nil, err
	}
	return s.Store.RecheckFiles(ctx, recheckID, p.After, p.Size())
}

// rechecked are the details of the ledger entry.
type rechecked struct {
	Profile     string         `json:"profile"`
	ProfileHash string         `json:"profile_sha256"`
	Verdicts    map[string]int `json:"verdicts,omitempty"`
	Failed      string         `json:"failed,omitempty"`
	Reason      string         `json:"reason"`
}

// Work does a recheck; what was looked at before a stop is not looked at again.
func (s *Service) Work(ctx context.Context, j models.Job) jobs.Result {
	r, err := s.Store.Recheck(ctx, j.IDs["recheck"])
	if err != nil {
		return jobs.Result{Err: err, Final: models.IsKind(err, models.NotFound)}
	}
	p, err := s.profile(r.Profile)
	if err != nil {
		return s.rechecked(r, err, true)
	}
	r.ProfileHash = p.Hash // the one that is used: the profile may be newer than the wish
	r.Verdicts, err = s.recheckFiles(ctx, r, p)
	return s.rechecked(r, err, err != nil && !models.IsKind(err, models.Unavailable))
}

// rechecked settles the recheck together with its job.
func (s *Service) rechecked(r models.Recheck, err error, final bool) jobs.Result {
	return jobs.Result{Err: err, Final: final, Record: func(ctx context.Context, state models.JobState) error {
		if state != models.JobDone && state != models.JobFailed {
			return nil
		}
		r.DoneAt = s.now()
		if err != nil {
			r.Failed = "the files could not be read"
			if known, ok := err.(*models.Error); ok {
				r.Failed = known.Msg
			}
		}
		if err := s.Store.SaveRecheck(ctx, r); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.DatasetRechecked,
			IDs:  map[string]string{"dataset": r.DatasetID, "version": versionText(r.Version), "actor": r.RequestedBy, "recheck": r.ID},
			Details: rechecked{
				Profile: r.Profile, ProfileHash: r.ProfileHash, Verdicts: r.Verdicts, Failed: r.Failed, Reason: r.Reason,
			},
		})
	}}
}

// recheckFiles looks at the files in the order of their paths.
func (s *Service) recheckFiles(ctx context.Context, r models.Recheck, p *deid.Profile) (map[string]int, error) {
	verdicts := map[string]int{}
	done := map[string]bool{}
	for after := ""; ; {
		list, err := s.Store.RecheckFiles(ctx, r.ID, after, models.MaxPage)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			break
		}
		for _, f := range list {
			done[f.Path] = true
			verdicts[f.Report.Verdict]++
		}
		after = list[len(list)-1].Path
	}
	for after := ""; ; {
		files, err := s.Store.Files(ctx, r.DatasetID, r.Version, after, models.MaxPage)
		if err != nil || len(files) == 0 {
			return verdicts, err
		}
		for _, f := range files {
			after = f.Path
			if done[f.Path] {
				continue
			}
			verdict, err := s.recheckFile(ctx, r, f, p)
			if err != nil {
				return nil, err
			}
			verdicts[verdict]++
		}
	}
}

func (s *Service) recheckFile(ctx context.Context, r models.Recheck, f models.File, p *deid.Profile) (string, error) {
	sealed, err := s.Store.SealedFile(ctx, f.SealedID)
	if err != nil {
		return "", err
	}
	bound, err := intake.WrapContext(sealed)
	if err != nil {
		return "", err
	}
	key, err := crypto.UnwrapFileKey(ctx, s.KEK, sealed.KEKID, sealed.WrappedKey, bound)
	if err != nil {
		return "", models.Wrap(models.Unavailable, err, "a file's key cannot be unwrapped; check the server's keys")
	}
	payload := storage.OpenSegments(ctx, s.Objects, intake.Segments(sealed), 0, -1)
	defer payload.Close()
	plain, err := crypto.NewOpener(key, payload)
	if err != nil {
		return "", intake.StoreError(err)
	}
	report, err := s.Scan.Check(ctx, f.Path, plain, p)
	if err != nil {
		return "", intake.StoreError(err)
	}
	stored, err := s.desk().StoredReport(report, f.SHA256)
	if err != nil {
		return "", err
	}
	return stored.Verdict, s.Store.Update(ctx, func(ctx context.Context) error {
		if err := s.Store.SaveReport(ctx, stored); err != nil {
			return err
		}
		return s.Store.SaveRecheckFile(ctx, r.ID, f.Path, stored.ID)
	})
}
