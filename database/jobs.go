package database

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"teikyo/models"
)

type jobRow struct {
	ID          string `gorm:"primaryKey"`
	Kind        string
	Destination string
	IDs         string `gorm:"column:ids"`
	State       string
	RunAt       int64
	Attempt     int64
	Failures    int
	MaxFailures int
	LastError   string
	Worker      string
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	EndedAt     int64
}

func (jobRow) TableName() string { return "jobs" }

func (r jobRow) model() (models.Job, error) {
	ids, err := fromJSON[map[string]string](r.IDs)
	if err != nil {
		return models.Job{}, models.Wrap(models.Integrity, err, "a stored job cannot be read")
	}
	return models.Job{
		ID: r.ID, Kind: r.Kind, Destination: r.Destination, IDs: ids, State: models.JobState(r.State),
		RunAt: fromMicros(r.RunAt), Attempt: r.Attempt, Failures: r.Failures, MaxFailures: r.MaxFailures,
		LastError: r.LastError, Worker: r.Worker, CreatedAt: fromMicros(r.CreatedAt), EndedAt: fromMicros(r.EndedAt),
	}, nil
}

// AddJob queues a job in the transaction of ctx: it exists when the change that
// it belongs to does. A job with an id that is there already stays as it is.
func (db *DB) AddJob(ctx context.Context, j models.Job) error {
	if err := j.CheckIDs(); err != nil {
		return err
	}
	err := db.mutate(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&jobRow{
		ID: j.ID, Kind: j.Kind, Destination: j.Destination, IDs: toJSON(j.IDs), State: string(models.JobQueued),
		RunAt: toMicros(j.RunAt), MaxFailures: j.MaxFailures, CreatedAt: toMicros(j.CreatedAt),
	}).Error
	return db.fault(err, "the job could not be queued")
}

// Job finds a job by its id.
func (db *DB) Job(ctx context.Context, id string) (models.Job, error) {
	var row jobRow
	if err := db.conn(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return models.Job{}, translate(err, "the job cannot be read")
	}
	return row.model()
}

// JobList lists jobs, the newest first.
func (db *DB) JobList(ctx context.Context, f models.JobFilter, page models.Page) ([]models.Job, error) {
	query, err := db.newestFirst(ctx, page, "created_at")
	if err != nil {
		return nil, err
	}
	query = equals(query, "kind", f.Kind)
	query = equals(query, "destination", f.Destination)
	query = equals(query, "state", string(f.State))
	var rows []jobRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, translate(err, "the jobs cannot be read")
	}
	return each(rows, jobRow.model)
}

// OpenJobs counts the jobs of a destination that are queued or running.
func (db *DB) OpenJobs(ctx context.Context, destination string) (int, error) {
	var n int
	err := scanRow(db.conn(ctx).Raw("SELECT count(*) FROM jobs WHERE destination = ? AND state IN ('queued', 'running')", destination), &n)
	return n, translate(err, "the jobs cannot be read")
}

// dueJob finds the job that is due longest and whose destination has no other
// running one. A running job is due when its lease has ended: its worker died.
const dueJob = `SELECT j.id FROM jobs j
	WHERE j.state IN ('queued', 'running') AND j.run_at <= ? AND j.kind IN ? AND NOT EXISTS (
		SELECT 1 FROM jobs r WHERE r.destination = j.destination AND r.state = 'running' AND r.id <> j.id)
	ORDER BY j.run_at, j.id LIMIT 1`

const (
	takeJobHead = `UPDATE jobs SET state = 'running', attempt = attempt + 1, run_at = ?, worker = ?,
	failures = failures + CASE WHEN state = 'running' THEN 1 ELSE 0 END WHERE id = (`
	takeJobSQLite   = takeJobHead + dueJob + `) RETURNING *`
	takeJobPostgres = takeJobHead + dueJob + ` FOR UPDATE OF j SKIP LOCKED) RETURNING *`
)

// JobDue reports whether TakeJob would find a job; it changes nothing, so that
// asking often costs no writer its turn.
func (db *DB) JobDue(ctx context.Context, kinds []string, now time.Time) (bool, error) {
	var ids []string
	err := db.conn(ctx).Raw(dueJob, toMicros(now), kinds).Scan(&ids).Error
	return len(ids) > 0, translate(err, "the jobs cannot be read")
}

// TakeJob gives the job of these kinds that is due longest to a worker, which
// holds it until lease unless it extends that. NotFound: none is due. Conflict:
// another node took one for the same destination at this moment; ask again.
func (db *DB) TakeJob(ctx context.Context, kinds []string, worker string, now, lease time.Time) (models.Job, error) {
	statement := takeJobSQLite
	if db.isPostgres() {
		statement = takeJobPostgres
	}
	var rows []jobRow
	err := db.mutate(ctx).Raw(statement, toMicros(lease), worker, toMicros(now), kinds).Scan(&rows).Error
	if err != nil {
		return models.Job{}, db.fault(err, "no job could be taken")
	}
	if len(rows) == 0 {
		return models.Job{}, models.Errorf(models.NotFound, "no job is due")
	}
	return rows[0].model()
}

// SettleJob writes how a job stands that the caller took: State, RunAt, Failures,
// LastError and EndedAt of j. Conflict: it is not the caller's any more, because
// its lease ended and another worker took it, or because it was cancelled.
func (db *DB) SettleJob(ctx context.Context, j models.Job) error {
	done := db.mutate(ctx).Exec(`UPDATE jobs SET state = ?, run_at = ?, failures = ?, last_error = ?, ended_at = ?
		WHERE id = ? AND attempt = ? AND state = 'running'`,
		string(j.State), toMicros(j.RunAt), j.Failures, j.LastError, toMicros(j.EndedAt), j.ID, j.Attempt)
	if done.Error == nil && done.RowsAffected != 1 {
		return models.Errorf(models.Conflict, "the job is not held by this worker any more")
	}
	return db.fault(done.Error, "the job could not be saved")
}

// CancelJob ends a job that has not ended; a worker that holds it notices when
// it extends its lease. It reports whether there was something to end.
func (db *DB) CancelJob(ctx context.Context, id string, at time.Time) (bool, error) {
	done := db.mutate(ctx).Exec(`UPDATE jobs SET state = 'cancelled', ended_at = ?
		WHERE id = ? AND state IN ('queued', 'running')`, toMicros(at), id)
	return done.RowsAffected == 1, db.fault(done.Error, "the job could not be cancelled")
}

// CancelJobs ends the jobs of a destination.
func (db *DB) CancelJobs(ctx context.Context, destination string, at time.Time) error {
	err := db.mutate(ctx).Exec(`UPDATE jobs SET state = 'cancelled', ended_at = ?
		WHERE destination = ? AND state IN ('queued', 'running')`, toMicros(at), destination).Error
	return db.fault(err, "the jobs could not be cancelled")
}

// RetryJob gives a failed or cancelled job all its attempts again, and reports
// whether it was one.
func (db *DB) RetryJob(ctx context.Context, id string, at time.Time) (bool, error) {
	done := db.mutate(ctx).Exec(`UPDATE jobs SET state = 'queued', failures = 0, run_at = ?, ended_at = 0
		WHERE id = ? AND state IN ('failed', 'cancelled')`, toMicros(at), id)
	return done.RowsAffected == 1, db.fault(done.Error, "the job could not be queued again")
}

// RetryJobs is RetryJob for all of a destination.
func (db *DB) RetryJobs(ctx context.Context, destination string, at time.Time) error {
	err := db.mutate(ctx).Exec(`UPDATE jobs SET state = 'queued', failures = 0, run_at = ?, ended_at = 0
		WHERE destination = ? AND state IN ('failed', 'cancelled')`, toMicros(at), destination).Error
	return db.fault(err, "the jobs could not be queued again")
}

// SweepJobs removes jobs that ended in state before an instant, and says how
// many.
func (db *DB) SweepJobs(ctx context.Context, state models.JobState, before time.Time) (int64, error) {
	done := db.mutate(ctx).Exec("DELETE FROM jobs WHERE state = ? AND ended_at > 0 AND ended_at < ?", string(state), toMicros(before))
	return done.RowsAffected, db.fault(done.Error, "old jobs could not be removed")
}
