package models

import (
	"regexp"
	"time"
)

// JobState is where a job of the durable queue stands.
type JobState string

// The states of a job. Only failed and cancelled wait for a person.
const (
	JobQueued    JobState = "queued"    // waits for its time, the first or the next
	JobRunning   JobState = "running"   // a worker holds it until its lease ends
	JobDone      JobState = "done"      // its work was done
	JobFailed    JobState = "failed"    // gave up after its last attempt
	JobCancelled JobState = "cancelled" // somebody ended it, or what it was for is gone
)

// Limits of a job row.
const (
	MaxJobIDs   = 16
	MaxJobError = 500 // bytes
)

// Job is a piece of work that survives the process. It holds identifiers alone:
// whoever does the work reads everything else, secrets first, from its own place.
type Job struct {
	ID   string
	Kind string // which worker does it, such as "webhook"
	// Destination is what takes one job at a time, such as "webhook:wh-…".
	Destination string
	IDs         map[string]string // what it is about

	State JobState
	// RunAt is when it is due: for a running job the end of its lease.
	RunAt time.Time
	// Attempt counts how often a worker took it; it fences a worker that lost its
	// lease and does not know.
	Attempt int64
	// Failures counts attempts that failed, those whose worker died among them.
	Failures int
	// MaxFailures is how many make it failed; 0 means that it never gives up.
	MaxFailures int
	LastError   string // in words, without secrets
	Worker      string // who took it last
	CreatedAt   time.Time
	EndedAt     time.Time
}

// Exhausted reports whether a further attempt would be one too many: the worker
// of the last one died.
func (j Job) Exhausted() bool { return j.MaxFailures > 0 && j.Failures >= j.MaxFailures }

var (
	jobName  = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)
	jobValue = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}$`)
)

// CheckIDs refuses what is no identifier in a job: free text there could hold a
// name or a secret. Errors are Internal, because a caller made the mistake.
func (j Job) CheckIDs() error {
	if !jobName.MatchString(j.Kind) || !jobValue.MatchString(j.Destination) || len(j.IDs) > MaxJobIDs {
		return Errorf(Internal, "a job needs a kind, a destination and at most %d ids", MaxJobIDs)
	}
	for name, id := range j.IDs {
		if !jobName.MatchString(name) || !jobValue.MatchString(id) {
			return Errorf(Internal, "the %s of a job is no identifier", name)
		}
	}
	return nil
}

// JobFilter narrows a list of jobs; empty fields do not.
type JobFilter struct {
	Kind        string
	Destination string
	State       JobState
}
